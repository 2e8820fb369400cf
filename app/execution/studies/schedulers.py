"""Ray Tune's schedulers by name: which of them a study may have, and one that is ready to run.

Nothing here imports Ray until a study that has a scheduler asks for it. The score that a trial reports has to be a
number: Tune's rules let a trial whose score is NaN go on.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app.configuration import nearest
from app.errors import UsageError
from app.planning.stopping import MEDIAN_GRACE
from app.scheduling import Scheduler

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler

SCORE, TIME = "score", "epoch"
"""What trials report."""
ALIASES = {"asha": "async_hyperband"}
"""Names that people use, and Tune's own."""

SCHEDULERS: dict[str, str | None] = {
    "fifo": None,
    "async_hyperband": None,
    "asynchyperband": None,
    "median_stopping_rule": None,
    "medianstopping": None,
    "pbt": None,
    "hyperband": "it halves brackets over the trials that happen to have begun, so how many run at a time decides who "
    "stays, and a bracket of paused trials is lost when the study is killed; asha stops trials by the same rungs",
    "hb_bohb": "it goes with the search bohb alone, which is refused; take asha, with the search optuna if values are "
    "to be chosen",
    "pbt_replay": "it replays a file that Tune's own pbt writes; the lineage in a study's record.json says which "
    "options a member had when",
    "pb2": "it learns from what it saw since it was started, so a study that was killed goes on otherwise than one "
    "that was not; take pbt",
    "resource_changing": "it starts every trial in new processes; any scheduler but pbt with widen: true gives free "
    "workers to the last trials under way",
}
"""Every name of ray.tune.schedulers.SCHEDULER_IMPORT: None where it runs, else why it does not."""


def check_scheduler(scheduler: Scheduler | None) -> None:
    """Raises UsageError unless `make_scheduler` would make it; starts nothing."""
    if scheduler is not None:
        make_scheduler(scheduler, members=["a", "b"])


def make_scheduler(
    scheduler: Scheduler, score_name: str = SCORE, seed: int = 0, members: Sequence[str] = (), epochs: int = 10**6
) -> "TrialScheduler":
    """Tune's scheduler, told that of `score_name` more is better and that times are epochs.

    Args:
        members: Names of the trials of a population, each trial's `config["name"]`; its rounds wait for all of them.
        epochs: Of the longest trial; what Tune counts in iterations or seconds by default follows from it.

    Raises:
        UsageError: no such scheduler, one that studies cannot have, or options that it does not take.
    """
    name = checked_name("scheduler", scheduler.name, SCHEDULERS, ALIASES)
    if name == "pbt":
        from app.execution.studies.population import PopulationTraining

        try:
            population = scheduler.population()
        except ValueError as error:
            raise UsageError(str(error)) from error
        assert population is not None
        return PopulationTraining(population, members, seed, metric=score_name, time_attr=TIME)
    from ray.tune.schedulers import SCHEDULER_IMPORT

    ours: dict[str, Any] = {"metric": score_name, "mode": "max", "time_attr": TIME}
    defaults: dict[str, Any] = {}
    kind: Any = SCHEDULER_IMPORT[name]
    known = options_of(kind, without={"metric", "mode", "time_attr"})
    if name in ("async_hyperband", "asynchyperband"):
        from app.execution.studies.halving import Halving

        kind, defaults = Halving, {"max_t": epochs, "seed": seed}  # Tune's own end: 100
    elif name != "fifo":
        # Tune's own: 60 seconds, and a trial gives way to others that wait after each of its first evaluations.
        defaults = {"grace_period": MEDIAN_GRACE, "min_time_slice": math.inf}
    else:
        ours = {}
    check_options("scheduler", scheduler.options, [*known, "widen"])  # the last stands beside them in a study's file
    scheduler_of: TrialScheduler = made("scheduler", name, kind, {**defaults, **scheduler.options, **ours})
    return scheduler_of


def checked_name(kind: str, given: str, known: dict[str, str | None], aliases: dict[str, str]) -> str:
    """Tune's name of it.

    Raises:
        UsageError: there is none of this name, or it does not run here.
    """
    name = aliases.get(given, given)
    if name not in known:
        runs = [*aliases, *(n for n, reason in known.items() if reason is None)]
        raise UsageError(f"{kind}: got {given!r}; {nearest(given, [*runs, *known])}; those that run: {', '.join(runs)}")
    reason = known[name]
    if reason is not None:
        raise UsageError(f"{kind} {given} does not run here: {reason}")
    return name


def options_of(kind: Callable[..., Any], without: set[str]) -> list[str]:
    """Names of what a constructor takes."""
    return [n for n, p in inspect.signature(kind).parameters.items() if p.kind not in (2, 4) and n not in without]


def check_options(kind: str, given: Any, known: Sequence[str]) -> None:
    """Raises UsageError for the first option that is not known; Tune itself drops those without a word."""
    for option in given:
        if option not in known:
            valid = nearest(option, list(known)) if known else "it has no options"
            raise UsageError(f"{kind}: unknown option {option!r}: {valid}")


def made(what: str, name: str, kind: Callable[..., Any], options: dict[str, Any]) -> Any:
    """What a class of Tune's makes of options; it tells of wrong values by assertions and errors of many kinds."""
    try:
        return kind(**options)
    except (AssertionError, ValueError, TypeError, ImportError, RuntimeError) as error:
        raise UsageError(f"{what} {name}: {error}; got {options}") from error
