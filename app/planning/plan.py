"""A plan: which trials of a study run at the same time, each on how many workers. A file to read, edit and run."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.configuration import from_dict, to_dict
from app.errors import UsageError
from app.experiment import Study
from app.strict_json import whole_number

DATA_PARALLEL, EXPERIMENT_PARALLEL, HYBRID = "data-parallel", "experiment-parallel", "hybrid"


@dataclass(frozen=True)
class Stage:
    """Trials that run `concurrent_trials` at a time, each on `workers_per_trial` workers, in the order given."""

    workers_per_trial: int
    concurrent_trials: int
    trials: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("workers_per_trial", "concurrent_trials"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected 1 or more")
        if not self.trials:
            raise UsageError("trials: got none, expected the names of the stage's trials")


@dataclass(frozen=True)
class Expected:
    """What a plan was said to take, before it ran."""

    makespan_s: float
    low_s: float
    high_s: float
    """Ends of the 80 % interval."""
    worker_s: Mapping[str, float]
    """Worker-seconds by term, and those without a trial: `start`, `again`, `steps`, `evaluation`, `checkpoint`,
    `other`, `handover`, `idle`."""
    trial_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each trial from its begin to its end, on a lane that is there."""


@dataclass(frozen=True)
class Plan:
    """Stages run one after the other."""

    study: str
    num_workers: int
    """That the plan may use in all."""
    strategy: str
    """How it came about: data-parallel, experiment-parallel, hybrid:K, or a name of its own."""
    stages: tuple[Stage, ...]
    reasons: tuple[str, ...] = ()
    expected: Expected | None = None
    """What the plan will take, where it was chosen by that."""

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Plan":
        """Raises UsageError with the key."""
        return from_dict(Plan, values)

    def to_json(self) -> str:
        return json.dumps(to_dict(self), indent=1)


def workers_per_trial(strategy: str, num_workers: int) -> int:
    """The k of a strategy on `num_workers` workers.

    Raises:
        UsageError: no such strategy, or k is not between 1 and the workers there are.
    """
    name, _, given = strategy.partition(":")
    if strategy == DATA_PARALLEL:
        return num_workers
    if strategy == EXPERIMENT_PARALLEL:
        return 1
    k = whole_number(given)
    if name != HYBRID or k is None:
        raise UsageError(
            f"strategy: got {strategy!r}, expected auto, {DATA_PARALLEL}, {EXPERIMENT_PARALLEL}, {HYBRID}:K or "
            "plan:FILE"
        )
    if not 1 <= k <= num_workers:
        raise UsageError(
            f"strategy {strategy}: expected 1 to {num_workers} workers a trial, as there are {num_workers}"
        )
    return k


def plan_of_strategy(study: Study, strategy: str, num_workers: int) -> Plan:
    """Every trial on the same number of workers; one stage for each generation of trials that start from others.

    Raises:
        UsageError: the strategy does not fit the workers, or a trial's batch does not divide by its workers.
    """
    k = workers_per_trial(strategy, num_workers)
    stages = tuple(Stage(k, min(num_workers // k, len(names)), tuple(names)) for names in study.generations())
    plan = Plan(study.name, num_workers, strategy, stages)
    check(plan, study)
    return plan


def check(plan: Plan, study: Study) -> None:
    """Raises UsageError unless the plan runs each trial of the study once, after what it starts from, on workers that
    are there and divide its batch."""
    experiments = {experiment.name: experiment for experiment in study.experiments}
    variants = study.variants()
    done: set[str] = set()
    for number, stage in enumerate(plan.stages, start=1):
        where = f"stage {number} of the plan"
        needed = stage.workers_per_trial * stage.concurrent_trials
        if needed > plan.num_workers:
            raise UsageError(
                f"{where}: {stage.concurrent_trials} trials at a time x {stage.workers_per_trial} workers = {needed} "
                f"workers, expected at most {plan.num_workers}"
            )
        repeated = {name for name, count in Counter(stage.trials).items() if count > 1}
        for name in stage.trials:
            if name not in experiments:
                raise UsageError(f"{where}: the study {study.name} has no trial {name!r}; it has {sorted(experiments)}")
            if name in repeated or name in done:
                raise UsageError(f"{where}: {name} is in the plan more than once")
            origin = experiments[name].starts_from
            if origin is not None and origin not in done:
                raise UsageError(f"{where}: {name} starts from {origin}, which no earlier stage trains")
            try:
                for variant in variants[name]:
                    variant.global_batch_size(stage.workers_per_trial)
            except ValueError as error:
                raise UsageError(f"{where}: {name}: {error}") from error
        done.update(stage.trials)
    missing = sorted(set(experiments) - done)
    if missing:
        raise UsageError(f"the plan leaves out {', '.join(missing)}: every trial of the study has to be in a stage")


def num_places(plan: Plan, stage: Stage, slots_at_start: int, slots_now: int) -> int:
    """How many trials of a stage the cluster has room for, of which the plan does not say more where it leaves workers
    alone that were there at its start: at least one, which then waits."""
    k, c = stage.workers_per_trial, stage.concurrent_trials
    grown = max(0, slots_now - slots_at_start) // k if plan.num_workers >= slots_at_start else 0
    return max(1, min(c + grown, slots_now // k))


def next_trial(
    plan: Plan,
    waiting: Collection[str],
    live: Mapping[str, int],
    num_places: Callable[[Stage], int],
    is_ready: Callable[[str], bool],
) -> str | None:
    """The trial that begins now; None: nothing may begin before something ends.

    Stages of one width follow each other without a pause; one of another width waits until the one before has ended,
    for its workers are others.

    Args:
        waiting: trials that have not begun.
        live: stage of each trial under way.
        num_places: how many trials of a stage may run at a time.
        is_ready: whether what a trial starts from is there.
    """
    widths = {plan.stages[stage].workers_per_trial for stage in live.values()}
    for stage in plan.stages:
        names = [name for name in stage.trials if name in waiting]
        if not names:
            continue
        if widths - {stage.workers_per_trial} or len(live) >= num_places(stage):
            return None
        ready = next((name for name in names if is_ready(name)), None)
        if ready is not None:
            return ready
        widths = widths or {stage.workers_per_trial}
    return None
