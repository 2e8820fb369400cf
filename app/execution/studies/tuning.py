"""One Tuner runs a whole plan: its trials are given out by our searcher and judged by the study's scheduler.

Tune's own files are disposable; what a restart reads is the study's folder.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import ray
from ray import tune
from ray.tune.callback import Callback
from ray.tune.experiment import Trial
from ray.tune.result import AUTO_RESULT_KEYS
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.util.placement_group import placement_group

from app.errors import ResourceError
from app.execution.cluster.host_watch import place_elsewhere
from app.execution.cluster.own_folder import OwnFolder
from app.execution.studies.plan_searcher import PlanSearcher
from app.execution.studies.population import PopulationTraining
from app.execution.studies.results import FAILURE, ORDER, SHAPE
from app.execution.studies.scheduler import StudyScheduler, name_of
from app.execution.studies.schedulers import make_scheduler
from app.execution.studies.trainable import TrialTrainable
from app.execution.studies.trials import StudyTrials
from app.execution.trials.attempts import failures_so_far
from app.execution.trials.group import START_TIMEOUT_S

DRIVER_BYTES = 2**24
"""Memory that a trial on several workers asks for, times the workers: no CPU, which its workers hold, and another
amount for each width, so that Tune hands a driver only trials of its own."""

OF_TUNE = {*AUTO_RESULT_KEYS, "trial_id", "experiment_tag", "done", "should_checkpoint"}
"""Keys of a result that are no metrics of the training."""

TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # a picture of all trials, each time: nothing reads it
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000000",  # told by Watch, with the arithmetic
    "TUNE_WARN_THRESHOLD_S": "1000000000",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def run_trials(trials: StudyTrials) -> None:
    """Return once every trial of the study has ended.

    Raises:
        ResourceError: the cluster no longer has what any trial needs.
    """
    plan = trials.state.plan
    os.environ.update(TUNE_ENVIRONMENT)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(stage.concurrent_trials for stage in plan.stages))
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    callback = StudyCallback(trials)
    storage = OwnFolder()
    try:
        tune.Tuner(
            tune.with_resources(TrialTrainable, _resources),
            tune_config=tune.TuneConfig(
                search_alg=PlanSearcher(trials.next_configuration, trials.is_over),
                scheduler=_scheduler(trials, callback),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=name_of,
                trial_dirname_creator=name_of,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=storage.path,
                callbacks=[callback],
                failure_config=tune.FailureConfig(max_failures=max(e.max_retries for e in trials.experiments.values())),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        ).fit()
    finally:
        storage.remove()


class NamedPlace(tune.PlacementGroupFactory):
    """Bears the name of the first trial that it is made for. Those of one width stay alike: Tune hands a process from
    one trial to the next only if they ask for the same."""

    def __init__(self, bundle: dict[str, float], name: str, study: str | None) -> None:
        super().__init__([bundle])
        self._name, self._study = name, study

    def to_placement_group(self) -> Any:
        name = f"{self._name}:{uuid4().hex[:6]}"  # Ray refuses a name that another group still has
        where = place_elsewhere(self._study)
        return placement_group(self.bundles, self.strategy, name=name, bundle_label_selector=[where] if where else None)


def _resources(config: dict[str, Any]) -> NamedPlace:
    shape = config[SHAPE]
    alone = shape.num_workers == 1
    bundle = shape.per_worker if alone else {"memory": DRIVER_BYTES * shape.num_workers}
    return NamedPlace(bundle, config[ORDER].label, config[ORDER].numerics_folder)


def _scheduler(trials: StudyTrials, callback: "StudyCallback") -> TrialScheduler:
    study = trials.state.study

    def resume_wider(trial: Trial, epoch: int) -> bool:
        config = trials.widened(trial.config, epoch)
        if config is None:
            return False
        trial.set_config(config)
        trial.update_resources(_resources(config))
        return True

    def make() -> TrialScheduler:
        if study.scheduler is None:
            return FIFOScheduler()
        epochs = max(experiment.epochs for experiment in study.experiments)
        members = [name for stage in trials.state.plan.stages for name in stage.trials]
        made = make_scheduler(study.scheduler, seed=study.seed, members=members, epochs=epochs)
        if isinstance(made, PopulationTraining):
            made.on_takeovers, made.choose = callback.hears(trials.take_over), trials.resume
            made.forced(trials.orders.takeovers.decisions)
        return made

    return StudyScheduler(
        make=make,
        group_of=lambda name: trials.experiments[name].validated_on,
        past=trials.past,
        ended=[t.name for t in trials.state.trials.values() if t.status != "waiting"],
        on_stop=callback.hears(trials.note_stop),
        widen=callback.hears(trials.widen),
        resume_wider=callback.hears(resume_wider),
    )


class StudyCallback(Callback):
    """Tells the study what Tune does.

    Tune takes an error of a callback for one of the trial, or writes it as text into another: what the study raises is
    kept, and raised at the end of Tune's turn.
    """

    def __init__(self, trials: StudyTrials) -> None:
        self._trials = trials
        self._error: Exception | None = None
        self._waits_since_s = time.monotonic()
        self._running: set[str] = set()
        scheduler = trials.state.study.scheduler
        self._pauses = scheduler is not None and (scheduler.widen or scheduler.population() is not None)

    def hears(self, told: Callable[..., Any]) -> Callable[..., Any]:
        """`told`, whose errors are kept; it then answers None."""

        def kept(*arguments: Any) -> Any:
            try:
                return told(*arguments)
            except Exception as error:
                self._error = self._error or error
                return None

        return kept

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._running.add(name_of(trial))
        self.hears(self._trials.begin)(name_of(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if FAILURE not in result:
            metrics = {key: value for key, value in result.items() if key not in OF_TUNE}
            self.hears(self._trials.tell)(name_of(trial), metrics)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._running.discard(name_of(trial))
        self.hears(self._trials.end)(name_of(trial), trial.last_result)

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._running.discard(name_of(trial))
        self.hears(self._trials.retry)(name_of(trial), _reason(trial))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._running.discard(name_of(trial))
        reason = f"given up after {trial.num_failures} attempts: {_reason(trial)}"
        self.hears(self._trials.fail)(name_of(trial), reason)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        for trial in trials if self._pauses else ():
            if trial.status == Trial.PAUSED and name_of(trial) in self._trials.live:
                self._running.discard(name_of(trial))
                self._trials.pause(name_of(trial))
        self._trials.tick()
        self._trials.look_around()
        if self._error is not None:
            raise self._error
        self._check_places()

    def _check_places(self) -> None:
        """Raises ResourceError where trials wait for a place that the cluster no longer has: Tune would forever."""
        if self._running or not self._trials.live:
            self._waits_since_s = time.monotonic()
        elif time.monotonic() - self._waits_since_s > START_TIMEOUT_S:
            per_worker = self._trials.per_worker
            there = ray.cluster_resources()
            has = ", ".join(f"{there.get(name, 0):g} {name}" for name in per_worker)
            raise ResourceError(
                f"{', '.join(self._trials.live)} wait for a worker of {per_worker} since {START_TIMEOUT_S:.0f} s, and "
                f"the cluster has {has} in all: it has lost a node, or other jobs hold it. What is finished is kept: "
                "run the same command to resume"
            )


def _reason(trial: Trial) -> str:
    """Why the attempt that just ended failed; a host that does not share the folder cannot note it there."""
    failures = failures_so_far(trial.config[ORDER])
    return failures[-1].reason if failures else "its host could not train it"
