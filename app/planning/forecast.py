"""What a study will take by each candidate: time with its interval, worker-hours, price, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.experiment import Experiment, Study
from app.planning.choice import Candidate, Seconds, candidates, lower_bound_s, makespan_s
from app.planning.cost import CostModel
from app.planning.plan import Plan, check
from app.planning.profile import Profile, group_of

LOW, HIGH = 0.1, 0.9
"""Quantiles that bound the 80 % interval."""
NUM_DRAWS = 200
NUM_DRAWN_TRIALS = 100_000
"""Over all draws, and so fewer draws of a study of many trials, though never under MIN_DRAWS."""
MIN_DRAWS = 20

Objective = Literal["time", "cost"]


@dataclass(frozen=True)
class Forecast:
    """A candidate on a number of workers."""

    plan: Plan
    makespan_s: float
    low_s: float
    high_s: float
    """Ends of the 80 % interval, from resampling what was measured."""
    bound_s: float
    """No plan on so many workers is faster."""
    measured: bool
    """Whether each number of workers a trial that it uses was measured."""

    @property
    def worker_hours(self) -> float:
        """All workers count until the end."""
        return self.makespan_s * self.plan.num_workers / 3600

    @property
    def above_bound(self) -> float:
        return self.makespan_s / self.bound_s - 1


def forecasts(study: Study, profile: Profile, num_workers: int) -> list[Forecast]:
    """What every candidate takes on so many workers, the fastest first. Every trial is taken to run all its epochs:
    early stopping makes a study shorter than is said here.

    Raises:
        ValueError: there are no workers, or the profile knows nothing of a trial; names it.
    """
    if num_workers < 1:
        raise ValueError(f"--workers: got {num_workers}, expected 1 or more")
    model = CostModel(profile)
    experiments = {experiment.name: experiment for experiment in study.experiments}
    kinds = {name: (group_of(experiment), experiment.epochs) for name, experiment in experiments.items()}
    widths = _widths(study, num_workers)
    seconds = _seconds(model, experiments, kinds)
    bound_s = lower_bound_s([*experiments], num_workers, widths, seconds)
    draws = max(MIN_DRAWS, min(NUM_DRAWS, NUM_DRAWN_TRIALS // len(experiments)))
    drawn = [_seconds(model.resampled(seed), experiments, kinds) for seed in range(draws)]
    found = []
    for one in candidates(study.generations(), num_workers, widths, seconds):
        measured = all(
            model.cost(experiments[name], stage.workers_per_trial, stage.concurrent_trials).measured
            for stage in one.stages
            for name in {kinds[name]: name for name in stage.trials}.values()
        )
        times = sorted(made for each in drawn if (made := makespan_s(one.stages, each)) is not None)
        low_s, high_s = (times[round(share * (len(times) - 1))] for share in (LOW, HIGH))
        low_s, high_s = min(low_s, one.makespan_s), max(high_s, one.makespan_s)
        plan = Plan(study.name, num_workers, one.strategy, one.stages, (reason(one, bound_s, measured),))
        check(plan, study)
        found.append(Forecast(plan, one.makespan_s, low_s, high_s, bound_s, measured))
    return found


def reason(candidate: Candidate, bound_s: float, measured: bool) -> str:
    """One plain sentence on what makes its time."""
    parts = [
        f"{len(stage.trials)} trials on {stage.workers_per_trial} each, {stage.concurrent_trials} at a time"
        for stage in candidate.stages
    ]
    above = candidate.makespan_s / bound_s - 1
    inferred = "" if measured else "; a width that was not measured is inferred, so its interval is wide"
    return f"{', then '.join(parts)}: {above:.0%} above what any plan needs{inferred}"


def choose(found: Sequence[Forecast], objective: Objective = "time", deadline_s: float | None = None) -> Forecast:
    """The fastest, or the one of the fewest worker-hours, among those that keep the deadline.

    Raises:
        ValueError: none does; says how long the fastest takes.
    """
    fitting = [one for one in found if deadline_s is None or one.high_s <= deadline_s]
    if not fitting:
        least = min(found, key=lambda one: one.high_s)
        raise ValueError(
            f"--deadline-h: got {(deadline_s or 0) / 3600:.3g} h, expected {least.high_s / 3600:.3g} h or more: so "
            f"long takes {least.plan.strategy} on {least.plan.num_workers} workers, at the end of its 80 % interval"
        )
    if objective == "cost":
        return min(fitting, key=lambda one: (one.worker_hours, one.makespan_s))
    return min(fitting, key=lambda one: (one.makespan_s, one.worker_hours))


def _seconds(model: CostModel, experiments: dict[str, Experiment], kinds: dict[str, tuple[str, int]]) -> Seconds:
    """Trials of one kind, their group and epochs, cost the same."""
    known: dict[tuple[tuple[str, int], int, int], tuple[float, float]] = {}

    def seconds(name: str, k: int, side_by_side: int) -> tuple[float, float]:
        key = kinds[name], k, side_by_side
        if key not in known:
            cost = model.cost(experiments[name], k, side_by_side)
            known[key] = cost.start_s, cost.run_s
        return known[key]

    return seconds


def _widths(study: Study, num_workers: int) -> list[int]:
    """Workers a trial may have: those that divide every batch that may come to be."""
    variants = {(v.batch_size, v.batch_rule): v for made in study.variants().values() for v in made}.values()
    return [k for k in range(1, num_workers + 1) if all(_divides(variant, k) for variant in variants)]


def _divides(experiment: Experiment, k: int) -> bool:
    return experiment.batch_rule == "fixed-per-worker" or experiment.batch_size % k == 0
