"""One Tune trial is one experiment, on however many workers; its process stays up for the next.

With one worker the Tune actor itself trains. With more it is a light driver, which keeps one TorchTrainer up and hands
its workers one order after another; so it does without torch.
"""

from dataclasses import replace
from typing import Any

import ray
from ray import tune

from app.data import files
from app.execution.studies.results import (
    DESK,
    EPOCH,
    FAILURE,
    ORDER,
    PLACE,
    SCORE,
    SHAPE,
    VALUES,
    WORST,
    as_result,
    evaluations,
)
from app.execution.trials.attempts import (
    AttemptFailed,
    failure_of,
    failures_so_far,
    given_up,
    is_worth_another,
    note_failure,
    note_pause,
)
from app.execution.trials.group import Group, GroupShape, GroupStart
from app.run_folder.contents import Failure
from app.run_folder.run import CHECKPOINTS
from app.training.order import Order


class TrialTrainable(tune.Trainable):
    """A step is the training up to the next evaluation; its result is that line of metrics, so that any scheduler can
    decide on it."""

    _is_open = False
    _is_done = False

    def __repr__(self) -> str:
        """In Ray's dashboard, which asks once: the trial that came first, others of the study may follow."""
        return f"{type(self).__name__}({self._order.label})"

    def setup(self, config: dict[str, Any]) -> None:
        self._workers: Any = None
        self._shape: GroupShape = config[SHAPE]
        self._begin_with(config)
        if self._shape.num_workers > 1:
            desk = config[DESK]
            started = desk is not None and ray.get(desk.take.remote())
            self._workers = Group(desk) if started else self._group()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin_with(new_config)
        return True

    def step(self) -> dict[str, Any]:
        try:
            return self._step()
        except Exception as error:
            if isinstance(error, AttemptFailed):
                return self._failed(error.failure, error.workers_stay)
            return self._failed(failure_of(error, self._order), workers_stay=True)

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Tune's checkpoint of a trial is the one in the trial's folder, where it lies."""
        from ray.train._internal.session import _TrainingResult

        if self._is_open and not self._is_done:  # a scheduler pauses the trial
            self._end()
            self._is_open = False
            note_pause(self._order)
        folder = files.join(self._order.folder, CHECKPOINTS)
        return _TrainingResult(tune.Checkpoint(folder), dict(self._last_result or {}))

    def restore(self, checkpoint_path: Any) -> None:
        """A training resumes from its folder's checkpoint by itself."""

    def cleanup(self) -> None:
        if isinstance(self._workers, Group):
            self._workers.close()
        elif self._workers is not None:
            self._workers.end()

    def _begin_with(self, config: dict[str, Any]) -> None:
        given: Order = config[ORDER]
        self._order = (
            replace(given, experiment=given.experiment.with_values(config[VALUES])) if config[VALUES] else given
        )
        self._is_open = self._is_done = False
        self._untold: list[dict[str, Any]] = []

    def _step(self) -> dict[str, Any]:
        if not self._is_open:
            died = failures_so_far(self._order)
            if died and not is_worth_another(died, self._order.experiment.max_retries):
                return self._last(given_up(died))
            self._open()
        line = self._untold.pop(0) if self._untold else self._workers.advance()
        self._is_done = line[EPOCH] >= self._order.experiment.epochs
        if self._is_done:
            self._workers.finish()
        return self._result(line)

    def _open(self) -> None:
        if self._workers is None and self._shape.num_workers > 1:
            self._workers = self._group()
        elif self._workers is None:
            from app.execution.trials.context import RayContext
            from app.execution.trials.trial_worker import TrialWorker

            self._workers = TrialWorker(RayContext)
        num_epochs = self._workers.begin(self._order)
        self._is_open = True
        known = self._order.known_epochs
        is_over = num_epochs >= self._order.experiment.epochs  # killed between its last epoch and its record
        if num_epochs and (known is not None or is_over):
            lines = evaluations(self._order.folder)
            told = num_epochs if known is None else known
            last = (lines[-1:] or [{EPOCH: num_epochs}]) if is_over else []
            self._untold = [line for line in lines if line[EPOCH] > told] or last

    def _result(self, line: dict[str, Any]) -> dict[str, Any]:
        return {**as_result(line), "done": self._is_done, "should_checkpoint": self._is_done}

    def _failed(self, failure: Failure, workers_stay: bool) -> dict[str, Any]:
        """The last result of a trial that is not tried again, for what is raised Tune always tries again.

        Raises:
            AttemptFailed: it is worth another attempt, which Tune makes in new processes.
        """
        if failure.error == "ResourceError" and failure.kind == "death":
            self._workers = None  # the next trial of this process asks for others
            return {**self._last(failure), PLACE: failure.reason}
        note_failure(self._order, failure)
        failures = failures_so_far(self._order)
        if is_worth_another(failures, self._order.experiment.max_retries):
            raise AttemptFailed(failure)
        if isinstance(self._workers, Group):
            if not workers_stay:
                self._workers.close()
                self._workers = None
        else:
            self._end()
        return self._last(given_up(failures))

    def _group(self) -> Group:
        return Group(GroupStart(self._shape, files.parent_of(self._order.folder)).desk)

    def _last(self, failure: Failure) -> dict[str, Any]:
        self._is_done = True
        return {EPOCH: 0, SCORE: WORST, FAILURE: failure, "done": True}

    def _end(self) -> None:
        if self._workers is not None:
            self._workers.end()
