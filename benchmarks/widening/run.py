"""A study of which one training is left while a worker is free: with `"widen": true`, and without.

Both run one worker each, in the same numerics, in turn; times are those of whole commands, as record.json has them.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.planning.forecast import Forecast, forecasts
from app.planning.plan import EXPERIMENT_PARALLEL
from app.planning.profile import Profile
from app.planning.search import study_of
from app.run_folder.study import PROFILE_FILE, RECORD
from benchmarks import data
from benchmarks.common import Report, Setting, compare, load_average, num_cores, say
from benchmarks.data import run_job
from benchmarks.plan.other_work import OtherWork, wait_for_quiet
from benchmarks.plan.run import LARGER, NUM_WORKERS, Asked, measured, sized

WORK_S, QUICK_WORK_S = 160.0, 15.0
"""On both workers; the longer of the two trainings has six parts of seven."""
NUM_ROUNDS = 2
PLAIN = Asked("tail", LARGER, 2, WORK_S, (1, 6), feeding="worker")
WIDENED = replace(PLAIN, name="tail-widened", more={"scheduler": {"name": "fifo", "widen": True}})


def run(setting: Setting) -> Report:
    folder = setting.work / "widening"
    folder.mkdir(parents=True, exist_ok=True)
    store = data.make(setting, data.QUICK_SHAPE).store
    sides = [replace(one, work_s=setting.choose(WORK_S, QUICK_WORK_S)) for one in (WIDENED, PLAIN)]
    profile, _ = measured(folder, PLAIN, store)
    found: dict[str, list[dict[str, Any]]] = {one.name: [] for one in sides}
    for number in range(setting.choose(NUM_ROUNDS, 1)):
        for one in sides if number % 2 else sides[::-1]:
            found[one.name].append(_run(folder, one, profile, store, f"{one.name}-{number}"))
    wide, plain = (found[one.name] for one in sides)
    times = [[row["measured_s"] for row in rows] for rows in (wide, plain)]
    ratio = compare("last training widened / not", "s", *times, 1.0, "at most")
    facts = {"num_cores": num_cores(), "load_average": load_average(), "runs": found}
    return Report("widening", facts=facts, ratios=[ratio])


def _run(folder: Path, one: Asked, profile: Profile, store: Path, name: str) -> dict[str, Any]:
    """What was said of it and what it took; its scores, which are to be the same."""
    values = sized(one, profile)
    path, run_folder = folder / f"{one.name}.json", folder / "runs" / name
    path.write_text(json.dumps(values))
    said: Forecast = next(
        found
        for found in forecasts(study_of(values), profile, NUM_WORKERS)
        if found.plan.strategy == EXPERIMENT_PARALLEL
    )
    shutil.rmtree(run_folder, ignore_errors=True)
    run_folder.mkdir(parents=True)
    (run_folder / PROFILE_FILE).write_text(profile.to_json())  # what it goes by when it moves a training
    where = ("--runs", str(run_folder.parent), "--name", name, "--feeding", one.feeding)
    wait_for_quiet()
    with OtherWork() as other:
        run_job(
            *("study.py", "--study", str(path), "--store", str(store)),
            *("--strategy", EXPERIMENT_PARALLEL, "--workers", str(NUM_WORKERS), *where),
        )
    record = RECORD.read(str(run_folder))
    row = {
        "predicted_s": said.makespan_s,
        "low_s": said.low_s,
        "high_s": said.high_s,
        "measured_s": record.makespan_s(),
        "others_busy_cores": other.busy_cores,
        "widths": {t.name: [stint.workers_per_trial for stint in t.stints] for t in record.trials},
        "scores": {t.name: t.record.metrics[record.score] for t in record.trials if t.record is not None},
    }
    say(f"{name}: {row['predicted_s']:.0f} s, took {row['measured_s']:.0f} s")
    return row
