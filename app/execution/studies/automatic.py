"""The plan that a study gets where none is asked for: measured, foreseen, and the fastest chosen."""

from collections.abc import Mapping

from app.console import say
from app.data import files
from app.execution.studies.calibration import calibrated
from app.experiment import Study
from app.planning.budget import check_budget
from app.planning.forecast import choose, forecasts
from app.planning.plan import EXPERIMENT_PARALLEL, Plan, plan_of_strategy
from app.planning.profile import Profile
from app.reporting.page.formatting import duration, plural
from app.run_folder.study import PLAN
from app.training.order import Feeding

PROFILE_FILE = "profile.json"
"""In the study's folder: what was measured for its plan."""
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
) -> Plan:
    """The plan of least time, and why, told; of a study that was begun on as many workers, its own.

    Args:
        folder: of the study; what is measured is kept there.
        profile: file of what was measured before; it is not changed.
        budget_s: the plan has to end in, at the end of its 80 % interval.

    Raises:
        UsageError: no plan fits the study or the time, or the profile is none.
        TwofoldError: what has to be measured could not be.
    """
    plan = PLAN.find(folder)
    if plan is not None and plan.num_workers == num_workers:
        say(f"{study.name}: resumes with the plan that it was started with ({PLAN.path(folder)})")
        return plan
    if num_workers == 1 and budget_s is None:
        return plan_of_strategy(study, EXPERIMENT_PARALLEL, 1)
    own = files.join(folder, PROFILE_FILE)
    path = profile or own
    known = Profile.parse(files.read_bytes(path), path) if profile or files.exists(own) else None
    found = calibrated(study, stores, num_workers, f"{folder}/measuring", known, feeding, start_s, folder)
    files.write_bytes_atomic(own, found.to_json().encode())
    every = forecasts(study, found, num_workers, is_up=found is not known)
    for one in every[:NUM_TOLD]:
        span = f"{duration(one.low_s)} to {duration(one.high_s)}"
        say(f"{one.plan.strategy}: {duration(one.makespan_s)} (80 %: {span}); {one.plan.reasons[0]}")
    chosen = choose(every)
    on = plural(num_workers, "worker")
    say(f"chosen: {chosen.plan.strategy} on {on}, expected to take {duration(chosen.makespan_s)}")
    if budget_s is not None:
        check_budget(study, found, chosen, budget_s)
    return chosen.plan
