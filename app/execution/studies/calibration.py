"""Measures what a study's trainings take, in its own kind of processes: a short study of them, and its profile."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace

from app.console import say
from app.data import files
from app.execution.cluster import connection, load
from app.execution.studies.study import StudySetting, run_study
from app.experiment import Study
from app.planning.measured import profile_of
from app.planning.measuring import Limit, Measurement, failures, measurement, merged, missing, num_waves
from app.planning.profile import Profile
from app.records import StudyRecord, host, versions
from app.training import choices
from app.training.order import Feeding, Measure

NUM_STEPS = 30
"""Steps of each training, the warm-up among them."""
STEPS_S, EVALUATIONS_S = 90.0, 30.0
"""For all trainings one after the other; start-up takes the rest of what measuring may (planning.measuring.Limit)."""


def calibrated(
    study: Study,
    stores: Mapping[str, str],
    num_workers: int,
    folder: str,
    known: Profile | None = None,
    feeding: Feeding | None = None,
    start_s: float | None = None,
    study_folder: str | None = None,
) -> Profile:
    """What is known, and what it lacks to plan this study on so many workers: that is measured now.

    Args:
        folder: for the files of the measurement, which are deleted in the end.
        known: what was measured before; of other hardware or versions it counts for nothing.
        study_folder: of the study itself, which then has the numerics that were chosen on the way.

    Raises:
        TwofoldError: as run_study, and where no training came to its end.
    """
    if known is not None and not is_of_here(known):
        say(f"the profile was measured on {known.setting}: not here; measured again")
        known = None
    start_s = time.time() if start_s is None else start_s
    slots = connection.connect(num_workers)
    on_node = max(1, slots.total // connection.num_nodes())
    wanted = missing(study, num_workers, on_node, known)
    if not wanted and known is not None:
        say(f"{study.name}: everything that it needs was measured before")
        return known
    busy = told_load(slots.total)
    made = measurement(f"{study.name}-measured", wanted, num_workers, shares_cores=slots.kind != "GPU")
    waves, limit = num_waves(made.plan), Limit(made.asked, start_s)
    measure = Measure(NUM_STEPS, STEPS_S / waves, max_evaluation_s=EVALUATIONS_S / waves)
    setting = StudySetting(folder, stores, feeding, measure=measure, left_out=limit.left_out)
    say(f"{study.name}: measures up to {len(made.asked)} short trainings to plan by")
    try:
        record = run_study(made.study, made.plan, setting, start_s)
        if study_folder is not None and choices.device_kinds(folder) and not choices.device_kinds(study_folder):
            choices.take_over(folder, study_folder)
    finally:
        if files.exists(folder) and "://" not in folder:
            shutil.rmtree(folder, ignore_errors=True)
    say(f"{study.name}: measured in {record.makespan_s():.0f} s{told_left_out(made, record)}")
    failed = failures(made, record.trials)
    found = replace(profile_of([(record, made.asked)]), workers_on_node=on_node, busy_cores=busy, failed=failed)
    return merged(known, found)


def told_load(num_cores: int) -> float:
    """Cores that other work keeps busy here, with a word where it is much."""
    busy = load.busy_cores()
    if busy > load.LOUD:
        say(f"other work keeps {busy:.1f} of {num_cores} cores busy: what is measured now holds while it does")
    return busy


def told_left_out(made: Measurement, record: StudyRecord) -> str:
    """What there was no time for, the end of a line."""
    lost = {trial.name for trial in record.trials if trial.record is None}
    done = [trial for trial in record.trials if trial.record is not None]
    widths = sorted({t.workers_per_trial for t in record.trials} - {t.workers_per_trial for t in done})
    if not lost:
        return ""
    inferred = (
        f"; times on {' and '.join(map(str, widths))} workers a trial are inferred, so less certain" if widths else ""
    )
    return f"; {len(lost)} of {len(made.asked)} were left out for want of time{inferred}"


def is_of_here(profile: Profile) -> bool:
    """As far as it can be told before anything ran: versions and cores."""
    return dict(profile.setting.versions) == versions() and profile.setting.num_cores == host()["num_cores"]
