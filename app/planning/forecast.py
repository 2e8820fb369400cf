"""What a study will take by each candidate: time with its interval, worker-hours, price, and why."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from app.errors import UsageError
from app.experiment import Experiment, Study
from app.planning.beside import waiting_last
from app.planning.choice import Candidate, candidates, lower_bound_s
from app.planning.chosen import that_may_come
from app.planning.cost import CostModel
from app.planning.lanes import Origins
from app.planning.memory import Room, room_for
from app.planning.plan import Expected, Plan, Stage, check
from app.planning.play import Going, Plays, divides
from app.planning.profile import Profile
from app.planning.spread import between_trainings

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
    head_start_s: float = 0.0
    """The part of the times above that lies before the plan starts: work on CPUs that some trials wait for."""

    @property
    def plan_s(self) -> float:
        """From the plan's start."""
        return self.makespan_s - self.head_start_s

    @property
    def worker_hours(self) -> float:
        """All workers count from the plan's start to the end."""
        return self.plan_s * self.plan.num_workers / 3600

    @property
    def above_bound(self) -> float:
        return self.makespan_s / self.bound_s - 1

    def after(self, head_start_s: float) -> "Forecast":
        """Where the plan starts so much later."""
        low_s, high_s = self.low_s + head_start_s, self.high_s + head_start_s
        whole_s = self.makespan_s + head_start_s
        return replace(self, makespan_s=whole_s, low_s=low_s, high_s=high_s, head_start_s=head_start_s)


def forecasts(
    study: Study, profile: Profile, num_workers: int, is_up: bool = False, waiting: Set[str] = frozenset()
) -> list[Forecast]:
    """What every candidate takes on so many workers, the fastest first. Where a scheduler ends trials early, a search
    chooses what they cost, or members of a population wait for each other, times are means over plays
    (app.planning.play); the candidates are made as if trials were whole, and as the mean of what may be chosen.

    Args:
        is_up: Ray and Tune are there and the numerics are chosen, as they are when a study was just measured.
        waiting: trials that go last, for they wait for something else.

    Raises:
        UsageError: there are no workers, or the profile knows nothing of a trial; names it.
    """
    if num_workers < 1:
        raise UsageError(f"--workers: got {num_workers}, expected 1 or more")
    at = _Setting(study, profile, num_workers, is_up)
    generations, origins = study.generations(), origins_of(study)
    some = candidates(generations, num_workers, at.widths, at.whole.seconds, origins, at.room.places)
    if waiting:
        some = [waiting_last(one, waiting, study) for one in some]
    return sorted((at.forecast(one) for one in some), key=lambda one: one.makespan_s)


class _Setting:
    """A study on so many workers: its plays, and what was measured drawn as often."""

    def __init__(self, study: Study, profile: Profile, num_workers: int, is_up: bool) -> None:
        self.study, self.num_workers, self.is_up = study, num_workers, is_up
        self.model = CostModel(profile)
        self.widths, self.room = fitting(study, profile, num_workers)
        self.plays = plays = Plays(study, self.model)
        lacking = self.room.lacking
        widen_over = num_workers if study.scheduler is not None and study.scheduler.widen else 0
        self.whole = Going(plays, self.model, plays.typical(), lacking, widen_over)
        size = len(study.experiments) * max(1, len(plays.rounds))
        draws = max(MIN_DRAWS, min(NUM_DRAWS, NUM_DRAWN_TRIALS // size))
        self.models = [self.model.resampled(seed) for seed in range(draws)]
        self.works = [plays.drawn(seed) for seed in range(draws)] if plays.varies else [plays.typical()] * draws
        uneven = between_trainings(profile.samples)
        drawn = [*zip(self.models, self.works, range(draws), strict=True)]
        self.goings = [Going(plays, of, works, lacking, widen_over, uneven, seed) for of, works, seed in drawn]
        self.means = (
            [Going(plays, self.model, works, lacking, widen_over, uneven, seed) for _, works, seed in drawn]
            if plays.varies
            else [self.whole]
        )
        """The same plays as what was measured says on average."""
        self.kinds = self.goings[0].kinds()
        self.bound_s = self._bound_s()

    def _bound_s(self) -> float:
        """Mean over plays."""
        names = [experiment.name for experiment in self.study.experiments]
        bounds = [lower_bound_s(names, self.num_workers, self.widths, g.seconds) for g in self.means[:NUM_BOUNDS]]
        return fmean(bounds) + min(self.around_s(self.model, k, self.num_workers // k) for k in self.widths)

    def around_s(self, model: CostModel, k: int, num_lanes: int) -> float:
        return start_of_command_s(model, k, num_lanes, self.kinds, self.is_up) + model.closing_s

    def forecast(self, one: Candidate) -> Forecast:
        first = one.stages[0]
        around = first.workers_per_trial, first.concurrent_trials
        made = [
            (going.makespan_s(one.stages), self.around_s(model, *around))
            for going, model in zip(self.goings, self.models, strict=True)
        ]
        times = sorted(made_s + more_s for made_s, more_s in made if made_s is not None)
        wholes = [going.makespan_s(one.stages) or one.makespan_s for going in self.means]
        total_s = fmean(wholes) + self.around_s(self.model, *around)
        low_s, high_s = (times[round(share * (len(times) - 1))] for share in (LOW, HIGH))
        low_s, high_s = min(low_s, total_s), max(high_s, total_s)
        measured = all(
            self.whole.cost(name, stage.workers_per_trial, stage.concurrent_trials).measured
            for stage in one.stages
            for name in stage.trials
        )
        expected = Expected(total_s, low_s, high_s, self.terms(one.stages, total_s), self.trial_s(one.stages))
        reasons = (reason(one, total_s, self.bound_s, measured),)
        plan = Plan(self.study.name, self.num_workers, one.strategy, one.stages, reasons, expected)
        check(plan, self.study)
        return Forecast(plan, total_s, low_s, high_s, self.bound_s, measured)

    def terms(self, stages: Sequence[Stage], total_s: float) -> dict[str, float]:
        """Worker-seconds by term, of the mean of plays; what is left of all workers' time is idle."""
        found: dict[str, float] = {}
        for going in self.means:
            for term, worker_s in going.terms(stages).items():
                found[term] = found.get(term, 0.0) + worker_s / len(self.means)
        first = stages[0]
        k, c = first.workers_per_trial, first.concurrent_trials
        before_s = start_of_command_s(self.model, k, c, self.kinds, self.is_up)
        found["start"] = found.get("start", 0.0) + k * c * before_s
        return {**found, "idle": max(0.0, self.num_workers * total_s - sum(found.values()))}

    def trial_s(self, stages: Sequence[Stage]) -> dict[str, float]:
        """What each trial takes of a lane that is there, in seconds."""
        found = {}
        for stage in stages:
            for name in stage.trials:
                c = stage.concurrent_trials
                times = self.whole.seconds(name, stage.workers_per_trial, c, c)
                assert times is not None, f"{name} on {stage.workers_per_trial} workers is planned and cannot run"
                found[name] = times[1]
        return found


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
    return room_for(that_may_come(study), profile, num_workers, _widths(study, num_workers))


def origins_of(study: Study) -> Origins:
    return {e.name: e.starts_from for e in study.experiments if e.starts_from is not None}


def start_of_command_s(
    model: CostModel, k: int, num_lanes: int, some: Sequence[Experiment], is_up: bool = False
) -> float:
    """From the command to the first lanes' own start, and for choosing numerics."""
    return 0.0 if is_up else model.launch_s(k) + model.choosing_s(some, num_lanes)


def reason(candidate: Candidate, total_s: float, bound_s: float, measured: bool) -> str:
    """One plain sentence on what makes its time."""
    parts = [
        f"1 trial on {stage.workers_per_trial}"
        if len(stage.trials) == 1
        else f"{len(stage.trials)} trials on {stage.workers_per_trial} each, {stage.concurrent_trials} at a time"
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


def _widths(study: Study, num_workers: int) -> list[int]:
    """Workers a trial may have: those that divide every batch that may come to be."""
    variants = {(v.batch_size, v.batch_rule): v for made in study.variants().values() for v in made}.values()
    return [k for k in range(1, num_workers + 1) if all(divides(variant, k) for variant in variants)]
