"""How much of a study fits into a given time, and what is left out on the way."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from app.errors import UsageError
from app.experiment import Study
from app.planning.cost import CostModel
from app.planning.forecast import Forecast, choose, fitting, forecasts
from app.planning.memory import Room
from app.planning.plan import Plan, Stage, check
from app.planning.play import Going, Plays
from app.planning.profile import Profile
from app.records import StudyTrial


@dataclass(frozen=True)
class Bound:
    """A plan whose first trials fit into a time; what comes then is begun only while there is enough left."""

    plan: Plan
    num_fitting: int
    trial_s: Mapping[str, float]
    """What each trial may take, as far above what is expected as the plan's 80 % interval ends."""

    def left_out(self, trials: Mapping[str, StudyTrial], now_s: float, end_s: float) -> list[str]:
        """The waiting trials that could end too late."""
        waiting = [name for name, trial in trials.items() if trial.status == "waiting" and trial.start_s is None]
        return [name for name in waiting if now_s + self.trial_s[name] > end_s]


def bounded(study: Study, profile: Profile, chosen: Forecast, budget_s: float, is_up: bool = False) -> Bound:
    """The chosen plan where it ends in time, at the end of its 80 % interval; else one that runs the study's first
    trials, as many as fit, and then the others.

    Raises:
        UsageError: not even the first fits; says how long it takes.
    """
    num_workers, names = chosen.plan.num_workers, [e.name for e in study.experiments]
    num = len(names) if chosen.high_s <= budget_s else num_that_fit(study, profile, num_workers, budget_s, is_up)
    if 0 < num < len(names) and study.scheduler is not None and study.scheduler.population() is not None:
        raise UsageError(
            f"the budget is {budget_s / 3600:.3g} h on {num_workers} workers; expected {chosen.high_s / 3600:.3g} h or "
            f"more: so long takes the population, whose members wait for each other; without that the first {num} of "
            f"{len(names)} trials fit"
        )
    if num == 0:
        one = _fastest(study, profile, num_workers, 1, is_up)
        raise UsageError(
            f"the budget is {budget_s / 3600:.3g} h on {num_workers} workers; expected {one.high_s / 3600:.3g} h or "
            f"more: so long takes the first trial alone at the end of its 80 % interval, all {len(names)} take "
            f"{chosen.high_s / 3600:.3g} h"
        )
    part = chosen if num == len(names) else _fastest(study, profile, num_workers, num, is_up)
    plan = _with_rest(part.plan, study, names[num:], fitting(study, profile, num_workers)[1])
    model, above = CostModel(profile), part.high_s / part.makespan_s
    plays = Plays(study, model)
    going, trial_s = Going(plays, model, plays.typical()), {}
    for stage in plan.stages:
        for name in stage.trials:
            cost = going.cost(name, stage.workers_per_trial, stage.concurrent_trials)
            trial_s[name] = cost.run_s * above
    return Bound(plan, num, trial_s)


def num_that_fit(study: Study, profile: Profile, num_workers: int, budget_s: float, is_up: bool = False) -> int:
    """The first so many trials end in time, at the end of their 80 % interval; by halving, so where a longer study
    were the faster one, fewer may be named than fit."""
    low, high = 0, len(study.experiments)
    while low < high:
        middle = (low + high + 1) // 2
        if _fastest(study, profile, num_workers, middle, is_up).high_s <= budget_s:
            low = middle
        else:
            high = middle - 1
    return low


def _with_rest(plan: Plan, study: Study, rest: Sequence[str], room: Room) -> Plan:
    """The trials that do not fit come last, on the width of the last stage, after what they start from."""
    k = plan.stages[-1].workers_per_trial
    places = room.places.get(k, plan.num_workers // k)
    later = [tuple(name for name in names if name in {*rest}) for names in study.generations()]
    stages = [Stage(k, min(places, len(names)), names) for names in later if names]
    found = replace(plan, stages=(*plan.stages, *stages))
    check(found, study)
    return found


def _fastest(study: Study, profile: Profile, num_workers: int, num: int, is_up: bool) -> Forecast:
    first = only(study, {experiment.name for experiment in study.experiments[:num]})
    return choose(forecasts(first, profile, num_workers, is_up))


def with_done(plan: Plan, study: Study, done: Collection[str]) -> Plan:
    """A plan of the rest as one of the study: what is finished stands first, and is not run again."""
    first = plan.stages[0]
    some = [tuple(name for name in names if name in done) for names in study.generations()]
    stages = [Stage(first.workers_per_trial, first.concurrent_trials, names) for names in some if names]
    found = replace(plan, stages=(*stages, *plan.stages), expected=None if stages else plan.expected)
    check(found, study)
    return found


def only(study: Study, names: Collection[str]) -> Study:
    """Some trials alone, with batches that the search may still choose; rounds of a population take no time."""
    some = [experiment for experiment in study.experiments if experiment.name in names]
    kept = tuple(e if e.starts_from in names else replace(e, starts_from=None) for e in some)
    search, scheduler = study.search, study.scheduler
    if search is not None:
        search = replace(search, trials=tuple(name for name in search.trials if name in names))
    if scheduler is not None and scheduler.population() is not None:
        scheduler = None
    return replace(study, experiments=kept, search=search, scheduler=scheduler)
