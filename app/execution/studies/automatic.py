"""The plan that a study gets where none is asked for: measured, foreseen, and the fastest chosen."""

import time
from collections.abc import Mapping
from dataclasses import replace

from app.console import say
from app.data import files
from app.execution.studies.calibration import calibrated
from app.execution.studies.ledger import Ledger
from app.execution.studies.state import LeftOut, is_left_out
from app.experiment import Study
from app.planning.budget import bounded, only, with_done
from app.planning.cost import CostModel
from app.planning.forecast import choose, fitting, forecasts
from app.planning.plan import EXPERIMENT_PARALLEL, Plan, plan_of_strategy
from app.planning.play import Plays
from app.planning.profile import Profile
from app.reporting.page.formatting import duration, plural
from app.reporting.plan.advice import told
from app.run_folder.study import PLAN
from app.training.order import Feeding

NUM_TOLD = 4
"""How many of the candidates are shown."""


def automatic_plan(
    study: Study,
    stores: Mapping[str, str],
    num_workers: int,
    folder: str,
    profile: str | None = None,
    feeding: Feeding | None = None,
    start_s: float | None = None,
    budget_s: float | None = None,
    has_numerics: bool = False,
) -> tuple[Plan, LeftOut | None, float]:
    """The plan of least time, and why, told, and what of it there is no time for; of a study that was begun on as many
    workers, its own. And from when the study's time counts: its command's start, as its plan has it, or from now on
    where something was measured, which is no part of it.

    Args:
        folder: of the study; what is measured is kept there.
        profile: file of what was measured before; it is not changed.
        start_s: of the command; None: now.
        budget_s: the study may take from when its time counts, over all starts of its command.
        has_numerics: those of another run are taken, so that none are chosen.

    Raises:
        UsageError: no plan fits the study, or not even its first trial the time, or the profile is none.
        TwofoldError: what has to be measured could not be.
    """
    start_s = time.time() if start_s is None else start_s
    plan = PLAN.find(folder)
    names = {experiment.name for experiment in study.experiments}
    is_whole = plan is not None and {name for stage in plan.stages for name in stage.trials} == names
    ledger = Ledger(folder)
    is_over = budget_s is None or _over(study, ledger) == names
    if plan is not None and is_whole and plan.num_workers == num_workers and is_over:
        say(f"{study.name}: resumes with the plan that it was started with ({PLAN.path(folder)})")
        return plan, None, start_s
    if num_workers == 1 and budget_s is None:
        return plan_of_strategy(study, EXPERIMENT_PARALLEL, 1), None, start_s
    known = Profile.parse(files.read_bytes(profile), profile) if profile else ledger.profile()
    found = calibrated(study, stores, num_workers, f"{folder}/measuring", known, feeding, start_s, folder)
    ledger.write_profile(found)
    chosen_before = tuple(replace(sample, choosing_s=0.0) for sample in found.samples)
    counted = replace(found, samples=chosen_before) if has_numerics else found
    every = forecasts(study, counted, num_workers, is_up=found is not known)
    for line in fitting(study, found, num_workers)[1].lines():
        say(line)
    for line in told(Plays(study, CostModel(found))):
        say(line)
    for one in every[:NUM_TOLD]:
        span = f"{duration(one.low_s)} to {duration(one.high_s)}"
        say(f"{one.plan.strategy}: {duration(one.makespan_s)} (80 %: {span}); {one.plan.reasons[0]}")
    chosen = choose(every)
    on = plural(num_workers, "worker")
    say(f"chosen: {chosen.plan.strategy} on {on}, expected to take {duration(chosen.makespan_s)}")
    begins_s = start_s if found is known else time.time()
    if budget_s is None:
        return chosen.plan, None, begins_s
    return *_bounded(study, counted, num_workers, budget_s, ledger, found is not known, begins_s), begins_s


def _bounded(
    study: Study, profile: Profile, num_workers: int, budget_s: float, ledger: Ledger, is_up: bool, begins_s: float
) -> tuple[Plan, LeftOut | None]:
    """What fits is told; trials that are finished take no time any more, but what earlier starts took is taken off."""
    before = ledger.read_record()
    left_s = budget_s - (0.0 if before is None else before.makespan_s())
    done = _over(study, ledger)
    to_run = [e.name for e in study.experiments if e.name not in done]
    if not to_run:
        return plan_of_strategy(study, EXPERIMENT_PARALLEL, num_workers), None
    rest = only(study, to_run)
    bound = bounded(rest, profile, choose(forecasts(rest, profile, num_workers, is_up)), left_s, is_up)
    fits, num = f"{left_s / 3600:.3g} h", len(to_run)
    whole = f"all {num} trials fit into {fits}"
    part = (
        f"of {num} trials the first {bound.num_fitting} fit into {fits}; the others are left out unless there is time"
    )
    say(f"budget: {whole if bound.num_fitting == num else part}")
    end_s = begins_s + left_s
    return with_done(bound.plan, study, done), lambda trials, now_s: bound.left_out(trials, now_s, end_s)


def _over(study: Study, ledger: Ledger) -> set[str]:
    """The trials that are not run again: finished, or ended early by the study's rule."""
    before = ledger.read_record()
    ended = () if before is None else before.trials
    stopped = {trial.name for trial in ended if trial.status == "stopped" and not is_left_out(trial)}
    return {e.name for e in study.experiments if e.name in stopped or ledger.finished(e.name) is not None}
