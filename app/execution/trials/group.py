"""A TorchTrainer that stays up: its workers take one order after another, so that their start is paid once.

The driver and the workers meet at a desk, an actor that holds one command at a time. Measured on two busy cores: a
TorchTrainer for each trial costs 27 s a trial, one that stays up 0.1 s.
"""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray

from app.data import files
from app.execution.cluster.host_watch import place_elsewhere
from app.execution.trials.attempts import AttemptFailed, failure_of
from app.execution.trials.desk import ADVANCE, BEGIN, CLOSE, END, FINISH, Desk
from app.run_folder.contents import Failure
from app.training.order import Order

START_TIMEOUT_S = 150.0
"""Assumed: workers that are not up by then never will be; a node that they need is gone or taken."""
GROUP_TIMEOUT_S = 1800
"""Longest wait for the others at an exchange; a validation may take that long on one of them (assumed)."""

SNAPSHOT = "checkpoint_manager_snapshot.json"
"""Ray Train's own state in its folder: it would resume from there, which our own checkpoints do."""

TRAIN_ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # what a second report in a row, a death and the end wait for: 2 s else
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(START_TIMEOUT_S),
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",  # the dashboard's page on trainings; cluster.start_local has no dashboard
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
"""Ray Train reads these where a TorchTrainer is made."""


@dataclass(frozen=True)
class GroupShape:
    """What a group is made of."""

    num_workers: int
    per_worker: dict[str, float]
    """Ray's resources of each: CPU, GPU."""
    one_node: bool
    """All workers on one node."""


def worker_loop(config: dict[str, Any]) -> None:
    """What each worker of the TorchTrainer runs: one command after another until the group is closed."""
    import ray.train

    from app.execution.trials.context import TrainContext
    from app.execution.trials.trial_worker import TrialWorker

    desk, rank = config["desk"], ray.train.get_context().get_world_rank()
    worker = TrialWorker(lambda order: TrainContext(order, config["is_kept"]))
    last = 0
    order: Any = None
    while True:
        last, (command, arguments) = ray.get(desk.next.remote(last))
        if command == CLOSE:
            worker.end()
            return
        try:
            order = arguments[0] if command == BEGIN else order
            answer = getattr(worker, command)(*arguments)
        except Exception as error:  # whatever it is, it is this trial's: the driver decides what follows
            stays = ray.get(desk.fail.remote(last, rank, failure_of(error, order)))
            if not stays:
                raise
            worker.end()
            continue
        if rank == 0:
            ray.get(desk.answer.remote(last, answer))


class Group:
    """The driver's side: told what a TrialWorker is told, and answered what worker 0 of the group answers."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk

    def begin(self, order: Order) -> int:
        epochs: int = self._ask(BEGIN, order)
        return epochs

    def advance(self) -> dict[str, Any]:
        line: dict[str, Any] = self._ask(ADVANCE)
        return line

    def finish(self) -> None:
        self._ask(FINISH)

    def end(self) -> None:
        self._ask(END)

    def close(self, within_s: float | None = None) -> None:
        """End the workers, and return once their places are free, or after so many seconds for each of the two: who
        waits for them no longer ends them with its own process."""
        with suppress(ray.exceptions.RayError):  # the desk's node is gone, and the workers notice it
            ray.get(self._desk.give.remote((CLOSE, ())), timeout=within_s)
            ray.get(self._desk.ended.remote(), timeout=within_s)

    def _ask(self, command: str, *arguments: Any) -> Any:
        try:
            verdict = ray.get(self._desk.give.remote((command, arguments)))
        except ray.exceptions.RayError as error:
            raise AttemptFailed(Failure("death", f"a worker died: {_last_line(error)}")) from error
        if verdict.failure is not None:
            raise AttemptFailed(verdict.failure, verdict.workers_stay)
        return verdict.answer


class GroupStart:
    """A TorchTrainer in a thread of this process; whoever is given `desk` drives it."""

    def __init__(self, shape: GroupShape, folder: str, is_kept: bool = True) -> None:
        """Ask for the workers; nothing waits for them here.

        Args:
            folder: of the only trial, or that of all trials' folders.
            is_kept: one trial follows the other.
        """
        for variable, value in TRAIN_ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        _start_coordinator()
        import ray.train.torch

        self._shape, self._folder, self._is_kept = shape, folder, is_kept
        # A study's name, which Ray's dashboard shows; the trials' checkpoints have to lie in Ray Train's folder.
        self._place = files.parent_of(files.parent_of(folder) if is_kept else folder)
        self._name = folder.removeprefix(self._place).strip("/")
        desk: Any = ray.remote(Desk)
        self.desk: Any = desk.options(num_cpus=0, scheduling_strategy="DEFAULT", max_concurrency=1000).remote(
            shape.num_workers, self._name
        )
        self.result: Any = None
        """Ray Train's, once the group is closed."""
        threading.Thread(target=self._fit, name="torch-trainer", daemon=True).start()

    def _fit(self) -> None:
        """Ray Train's controller, from the workers' start to their end."""
        with suppress(ray.exceptions.RayError):
            try:
                self.result = self._trainer().fit()
            except SystemExit:  # Ray is shut down
                return
            except Exception as error:
                ray.get(self.desk.lose.remote(_loss(error, self._shape)))
            ray.get(self.desk.end.remote())

    def _trainer(self) -> Any:
        import ray.train
        from ray.train.torch import TorchConfig, TorchTrainer

        class KeptTrainer(TorchTrainer):
            def _create_default_callbacks(self) -> list[Any]:
                found = super()._create_default_callbacks()  # type: ignore[misc]
                return [callback for callback in found if type(callback).__name__ not in needless()]

        use_gpu = "GPU" in self._shape.per_worker
        files.remove(files.join(self._folder, SNAPSHOT))
        return KeptTrainer(
            worker_loop,
            train_loop_config={"desk": self.desk, "is_kept": self._is_kept},
            torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo", timeout_s=GROUP_TIMEOUT_S),
            scaling_config=ray.train.ScalingConfig(  # type: ignore[call-arg]
                num_workers=self._shape.num_workers,
                use_gpu=use_gpu,
                resources_per_worker=self._shape.per_worker,
                placement_strategy="STRICT_PACK" if self._shape.one_node else "PACK",
                label_selector=place_elsewhere(files.parent_of(self._folder) if self._is_kept else None),
            ),
            run_config=ray.train.RunConfig(
                name=self._name,
                storage_path=self._place,
                failure_config=ray.train.FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg]
            ),
        )


def _start_coordinator() -> None:
    """The actor through which TorchTrainers ask for nodes. A controller waits for its answer before it starts workers;
    it comes up while this process imports torch."""
    with suppress(ImportError):  # where another Ray has it elsewhere, its controllers start it
        from ray.data._internal.cluster_autoscaler import get_or_create_autoscaling_coordinator

        get_or_create_autoscaling_coordinator()


class StartedGroups:
    """Groups of this process that were started before anybody drives them."""

    def __init__(self) -> None:
        self._free: list[Any] = []
        self._started: list[Any] = []

    def start(self, num: int, shape: GroupShape, folder: str) -> None:
        self._free += [GroupStart(shape, folder).desk for _ in range(num)]
        self._started += self._free

    def take(self) -> Any:
        """The desk of one that nobody took; None where there is none."""
        return self._free.pop(0) if self._free else None

    def let_go(self) -> None:
        """The study ends before its time: groups that nobody drives any more end too."""
        for desk in self._started:
            desk.give.remote((CLOSE, ()))


def needless() -> set[str]:
    """Ray Train's callbacks that start a process for nothing (1.5 to 2 s of a core each, measured): a manager of
    datasets where there are none, and what asks the dashboard for controllers that died, where there is none."""
    has_dashboard = os.environ["RAY_TRAIN_ENABLE_STATE_TRACKING"] == "1"
    return {"DatasetsCallback", *([] if has_dashboard else ["PlacementGroupCleanerCallback"])}


def _loss(error: Exception, shape: GroupShape) -> Failure:
    """What a TorchTrainer's error says: its workers never came, or one of them died."""
    from ray.train import ControllerError, WorkerGroupError

    if isinstance(error, ControllerError):
        reason = (
            f"{shape.num_workers} workers of {shape.per_worker} did not start within {START_TIMEOUT_S:.0f} s: the "
            f"cluster has lost a node, or other jobs hold it ({_last_line(error.controller_failure)})"
        )
        return Failure("death", reason, "ResourceError")
    causes = error.worker_failures if isinstance(error, WorkerGroupError) else {0: error}
    lines = "; ".join(f"worker {rank}: {_last_line(cause)}" for rank, cause in causes.items())
    return Failure("death", f"a worker died: {lines}")


def _last_line(error: BaseException) -> str:
    """An error without the trace that Ray puts into its text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
