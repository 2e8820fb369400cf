"""How much of a study fits into a given time."""

from dataclasses import replace

from app.errors import UsageError
from app.experiment import Study
from app.planning.forecast import Forecast, choose, forecasts
from app.planning.profile import Profile


def num_that_fit(study: Study, profile: Profile, num_workers: int, budget_s: float) -> int:
    """The first so many trials end in time, at the end of their 80 % interval; by halving, so where a longer study
    were the faster one, fewer may be named than fit."""
    low, high = 0, len(study.experiments)
    while low < high:
        middle = (low + high + 1) // 2
        if _fastest(study, profile, num_workers, middle).high_s <= budget_s:
            low = middle
        else:
            high = middle - 1
    return low


def check_budget(study: Study, profile: Profile, chosen: Forecast, budget_s: float) -> None:
    """Raises UsageError where the chosen plan may end too late; says how many trials would fit."""
    if chosen.high_s <= budget_s:
        return
    num = num_that_fit(study, profile, chosen.plan.num_workers, budget_s)
    raise UsageError(
        f"--time-budget-h: got {budget_s / 3600:.3g} h, expected {chosen.high_s / 3600:.3g} h or more: so long takes "
        f"{chosen.plan.strategy} at the end of its 80 % interval; the first {num} of "
        f"{len(study.experiments)} trials fit"
    )


def _fastest(study: Study, profile: Profile, num_workers: int, num: int) -> Forecast:
    return choose(forecasts(_first(study, num), profile, num_workers))


def _first(study: Study, num: int) -> Study:
    """The first trials alone, with batches that the search may still choose; rounds of a population take no time."""
    some = study.experiments[:num]
    names = {experiment.name for experiment in some}
    kept = tuple(e if e.starts_from in names else replace(e, starts_from=None) for e in some)
    search, scheduler = study.search, study.scheduler
    if search is not None:
        search = replace(search, trials=tuple(name for name in search.trials if name in names))
    if scheduler is not None and scheduler.population() is not None:
        scheduler = None
    return replace(study, experiments=kept, search=search, scheduler=scheduler)
