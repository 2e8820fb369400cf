"""Measures what a study's trainings take, in its own kind of processes: a short study of them, and its profile."""

import shutil
from collections.abc import Mapping
from dataclasses import replace

from app.console import say
from app.data import files
from app.execution.cluster import connection
from app.execution.studies.study import StudySetting, run_study
from app.experiment import Study
from app.planning.measured import profile_of
from app.planning.measuring import measurement, merged, missing
from app.planning.profile import Profile
from app.records import host, versions
from app.training.order import Feeding, Measure

NUM_STEPS = 30
"""Steps of each training, the warm-up among them."""
LIMIT_S = 120.0
"""For the steps of all trainings together, start-up and evaluations apart."""


def calibrated(
    study: Study,
    stores: Mapping[str, str],
    num_workers: int,
    folder: str,
    known: Profile | None = None,
    feeding: Feeding | None = None,
    start_s: float | None = None,
) -> Profile:
    """What is known, and what it lacks to plan this study on so many workers: that is measured now.

    Args:
        folder: for the files of the measurement, which are deleted in the end.
        known: what was measured before; of other hardware or versions it counts for nothing.

    Raises:
        TwofoldError: as run_study, and where no training came to its end.
    """
    if known is not None and not is_of_here(known):
        say(f"the profile was measured on {known.setting}: not here; measured again")
        known = None
    slots = connection.connect(num_workers)
    on_node = max(1, slots.total // connection.num_nodes())
    wanted = missing(study, num_workers, on_node, known)
    if not wanted and known is not None:
        say(f"{study.name}: everything that it needs was measured before")
        return known
    made = measurement(f"{study.name}-measured", wanted, num_workers)
    num_alone = sum(len(stage.trials) / stage.concurrent_trials for stage in made.plan.stages)
    measure = Measure(NUM_STEPS, LIMIT_S / num_alone)
    say(f"{study.name}: measures {len(made.asked)} short trainings to plan by")
    try:
        record = run_study(made.study, made.plan, StudySetting(folder, stores, feeding, measure=measure), start_s)
    finally:
        if files.exists(folder) and "://" not in folder:
            shutil.rmtree(folder, ignore_errors=True)
    say(f"{study.name}: measured in {record.makespan_s():.0f} s")
    found = replace(profile_of([(record, made.asked)]), workers_on_node=on_node)
    return merged(known, found)


def is_of_here(profile: Profile) -> bool:
    """As far as it can be told before anything ran: versions and cores."""
    return dict(profile.setting.versions) == versions() and profile.setting.num_cores == host()["num_cores"]
