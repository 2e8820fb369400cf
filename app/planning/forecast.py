"""What a study will take by each candidate: time with its interval, worker-hours, price, and why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from app.errors import UsageError
from app.experiment import Experiment, Study
from app.planning.choice import Candidate, candidates, lower_bound_s
from app.planning.cost import ONCE, CostModel
from app.planning.lanes import Origins, Seconds, makespan_s
from app.planning.memory import Room, room_for
from app.planning.plan import Expected, Plan, Stage, check
from app.planning.profile import Profile, group_of
from app.planning.stopping import drawn_epochs, stops_early

LOW, HIGH = 0.1, 0.9
"""Quantiles that bound the 80 % interval."""
NUM_DRAWS = 200
NUM_DRAWN_TRIALS = 100_000
"""Over all draws, and so fewer draws of a study of many trials, though never under MIN_DRAWS."""
MIN_DRAWS = 20

NUM_BOUNDS = 20
"""Plays of a scheduler's rule of which the bound is the mean."""

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


def forecasts(study: Study, profile: Profile, num_workers: int, is_up: bool = False) -> list[Forecast]:
    """What every candidate takes on so many workers, the fastest first. Where a scheduler ends trials early, times are
    means over plays of its rule with invented scores (app.planning.stopping); the candidates are made as if none did.

    Args:
        is_up: Ray and Tune are there and the numerics are chosen, as they are when a study was just measured.

    Raises:
        UsageError: there are no workers, or the profile knows nothing of a trial; names it.
    """
    if num_workers < 1:
        raise UsageError(f"--workers: got {num_workers}, expected 1 or more")
    model = CostModel(profile)
    experiments = {experiment.name: experiment for experiment in study.experiments}
    kinds = _kinds(experiments)
    kinds_of_all = [*{kinds[name]: e for name, e in experiments.items()}.values()]
    widths, room = fitting(study, profile, num_workers)
    seconds = _seconds(model, experiments, kinds, room.lacking)
    draws = max(MIN_DRAWS, min(NUM_DRAWS, NUM_DRAWN_TRIALS // len(experiments)))
    models = [model.resampled(seed) for seed in range(draws)]
    lengths = [drawn_epochs(study, seed) for seed in range(draws)]
    early = stops_early(study.scheduler)
    widen_over = num_workers if study.scheduler is not None and study.scheduler.widen else 0
    plays = [played(experiments, each) if early else experiments for each in lengths]
    drawn = [
        _seconds(each, some, _shortened(kinds, epochs), room.lacking)
        for each, some, epochs in zip(models, plays, lengths, strict=True)
    ]
    bound_s = _bound_s(model, plays[:NUM_BOUNDS] if early else [experiments], num_workers, widths)
    bound_s += min(_around_s(model, k, num_workers // k, kinds_of_all, is_up) for k in widths)
    found = []
    origins = origins_of(study)
    for one in candidates(study.generations(), num_workers, widths, seconds, origins, room.places):
        kinds_of = [{kinds[name]: experiments[name] for name in stage.trials}.values() for stage in one.stages]
        measured = all(
            model.cost(experiment, stage.workers_per_trial, stage.concurrent_trials).measured
            for stage, some in zip(one.stages, kinds_of, strict=True)
            for experiment in some
        )
        first = one.stages[0]
        around = first.workers_per_trial, first.concurrent_trials, kinds_of_all, is_up
        made = [
            (makespan_s(one.stages, each, origins, widen_over), _around_s(m, *around))
            for each, m in zip(drawn, models, strict=True)
        ]
        times = sorted(made_s + more_s for made_s, more_s in made if made_s is not None)
        whole_s = one.makespan_s
        if widen_over and not early:
            whole_s = makespan_s(one.stages, seconds, origins, widen_over) or whole_s
        total_s = fmean(times) if early else whole_s + _around_s(model, *around)
        low_s, high_s = (times[round(share * (len(times) - 1))] for share in (LOW, HIGH))
        low_s, high_s = min(low_s, total_s), max(high_s, total_s)
        before_s = start_of_command_s(model, *around)
        worker_s = _terms(model, plays[0] if early else experiments, one.stages, num_workers, total_s, before_s)
        expected = Expected(total_s, low_s, high_s, worker_s, _trial_s(seconds, one.stages))
        reasons = (reason(one, total_s, bound_s, measured),)
        plan = Plan(study.name, num_workers, one.strategy, one.stages, reasons, expected)
        check(plan, study)
        found.append(Forecast(plan, total_s, low_s, high_s, bound_s, measured))
    return sorted(found, key=lambda one: one.makespan_s)


def fitting(study: Study, profile: Profile, num_workers: int) -> tuple[list[int], Room]:
    """The numbers of workers that a trial may have, and what memory has room for.

    Raises:
        UsageError: none fits; says what each needs.
    """
    room = room_of(study, profile, num_workers)
    found = [k for k in _widths(study, num_workers) if k not in room.lacking]
    if not found:
        raise UsageError(f"no number of workers a trial fits: {'; '.join(room.lines())}")
    return found, room


def room_of(study: Study, profile: Profile, num_workers: int) -> Room:
    """What memory has room for."""
    return room_for(study.experiments, profile, num_workers, _widths(study, num_workers))


def origins_of(study: Study) -> Origins:
    return {e.name: e.starts_from for e in study.experiments if e.starts_from is not None}


Kind = tuple[str, int, int]


def _kinds(experiments: Mapping[str, Experiment]) -> dict[str, Kind]:
    return {name: (group_of(e), e.epochs, e.evaluate_every_epochs) for name, e in experiments.items()}


def _shortened(kinds: Mapping[str, Kind], epochs: Mapping[str, int]) -> dict[str, Kind]:
    return {name: (group, epochs[name], every) for name, (group, _, every) in kinds.items()}


def _bound_s(
    model: CostModel, plays: Sequence[Mapping[str, Experiment]], num_workers: int, widths: Sequence[int]
) -> float:
    """Mean over plays of a scheduler's rule, without the command's own start and end."""
    bounds = [lower_bound_s([*one], num_workers, widths, _seconds(model, one, _kinds(one))) for one in plays]
    return fmean(bounds)


def start_of_command_s(
    model: CostModel, k: int, num_lanes: int, some: Sequence[Experiment], is_up: bool = False
) -> float:
    """From the command to the first lanes' own start, and for choosing numerics."""
    return 0.0 if is_up else model.launch_s(k) + model.choosing_s(some, num_lanes)


def _around_s(model: CostModel, k: int, num_lanes: int, some: Sequence[Experiment], is_up: bool) -> float:
    return start_of_command_s(model, k, num_lanes, some, is_up) + model.closing_s


def played(experiments: Mapping[str, Experiment], epochs: Mapping[str, int]) -> dict[str, Experiment]:
    """Each as long as one play of a scheduler's rule leaves it (app.planning.stopping)."""
    return {name: replace(experiment, epochs=epochs[name]) for name, experiment in experiments.items()}


def _terms(
    model: CostModel,
    experiments: Mapping[str, Experiment],
    stages: Sequence[Stage],
    num_workers: int,
    total_s: float,
    before_s: float,
) -> dict[str, float]:
    """Worker-seconds by term; what is left of all workers' time is idle."""
    found: dict[str, float] = {}
    for stage in stages:
        k, c = stage.workers_per_trial, stage.concurrent_trials
        for position, name in enumerate(stage.trials):
            for term, term_s in model.cost(experiments[name], k, c).terms().items():
                if term not in ONCE or position < c:
                    found[term] = found.get(term, 0.0) + k * term_s
    first = stages[0]
    found["start"] = found.get("start", 0.0) + first.workers_per_trial * first.concurrent_trials * before_s
    return {**found, "idle": max(0.0, num_workers * total_s - sum(found.values()))}


def _trial_s(seconds: Seconds, stages: Sequence[Stage]) -> dict[str, float]:
    """What each trial takes of a lane that is there, in seconds."""
    found = {}
    for stage in stages:
        for name in stage.trials:
            times = seconds(name, stage.workers_per_trial, stage.concurrent_trials, stage.concurrent_trials)
            assert times is not None, f"{name} on {stage.workers_per_trial} workers is planned and cannot run"
            found[name] = times[1]
    return found


def reason(candidate: Candidate, total_s: float, bound_s: float, measured: bool) -> str:
    """One plain sentence on what makes its time."""
    parts = [
        f"{len(stage.trials)} trials on {stage.workers_per_trial} each, {stage.concurrent_trials} at a time"
        for stage in candidate.stages
    ]
    above = total_s / bound_s - 1
    inferred = "" if measured else "; a width that was not measured is inferred, so its interval is wide"
    return f"{', then '.join(parts)}: {above:.0%} above what any plan needs{inferred}"


def choose(found: Sequence[Forecast], objective: Objective = "time", deadline_s: float | None = None) -> Forecast:
    """The fastest, or the one of the fewest worker-hours, among those that keep the deadline.

    Raises:
        UsageError: none does; says how long the fastest takes.
    """
    fitting = [one for one in found if deadline_s is None or one.high_s <= deadline_s]
    if not fitting:
        least = min(found, key=lambda one: one.high_s)
        raise UsageError(
            f"--deadline-h: got {(deadline_s or 0) / 3600:.3g} h, expected {least.high_s / 3600:.3g} h or more: so "
            f"long takes {least.plan.strategy} on {least.plan.num_workers} workers, at the end of its 80 % interval"
        )
    if objective == "cost":
        return min(fitting, key=lambda one: (one.worker_hours, one.makespan_s))
    return min(fitting, key=lambda one: (one.makespan_s, one.worker_hours))


def _seconds(
    model: CostModel, experiments: Mapping[str, Experiment], kinds: Mapping[str, Kind], lacking: Collection[int] = ()
) -> Seconds:
    """None for numbers of workers that memory has no room for, or that cannot share a batch. Trials of one kind, their
    group, epochs and how often they are evaluated, cost the same."""
    known: dict[tuple[Kind, int, int, int], tuple[float, float]] = {}

    def seconds(name: str, k: int, places: int, busy: int) -> tuple[float, float] | None:
        if k in lacking or not divides(experiments[name], k):
            return None
        key = kinds[name], k, places, busy
        if key not in known:
            cost = model.cost(experiments[name], k, places, busy)
            known[key] = cost.lane_s, cost.run_s
        return known[key]

    return seconds


def _widths(study: Study, num_workers: int) -> list[int]:
    """Workers a trial may have: those that divide every batch that may come to be."""
    variants = {(v.batch_size, v.batch_rule): v for made in study.variants().values() for v in made}.values()
    return [k for k in range(1, num_workers + 1) if all(divides(variant, k) for variant in variants)]


def divides(experiment: Experiment, k: int) -> bool:
    """Whether so many workers can share its batch."""
    return experiment.batch_rule == "fixed-per-worker" or experiment.batch_size % k == 0
