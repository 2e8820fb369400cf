"""How right the predictions are: studies on two workers, what each strategy will take written down before it runs.

The profile is taken once for all of them, by jobs/calibrate.py. Every study runs under each strategy for itself and
under the chosen plan; times are those of whole commands, as record.json has them.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from app.planning.forecast import Forecast, forecasts
from app.planning.plan import DATA_PARALLEL, EXPERIMENT_PARALLEL
from app.planning.profile import Profile
from app.planning.search import study_of
from benchmarks import data, document_data
from benchmarks.common import Report, Setting, compare, load_average, num_cores, say
from benchmarks.data import run_job

NUM_WORKERS = 2
MEDIAN_TARGET, P90_TARGET, WIDTH_TARGET = 0.07, 0.20, 0.25
HELD_LOW = 0.65
"""Smallest share that holds, of intervals that say 80 %: 15 points less."""
NEAR = 0.05

BRATS = {"workload": "brats", "batch_size": 4, "task": {"patch_size": [32, 32, 32], "samples_per_case": 4}}
LARGER = {**BRATS, "task": {"patch_size": [64, 64, 64], "samples_per_case": 1}, "batch_size": 2}
PAGES = {"workload": "document_image", "batch_size": 8, "task": {"weights": "random", "image_size": 224}}


@dataclass(frozen=True)
class Asked:
    """A study of equal trainings, but for their seeds and, where `lengths` has several, their epochs."""

    name: str
    options: Mapping[str, Any]
    num_trials: int
    lengths: tuple[int, ...]
    store: str = "brats"

    def values(self) -> dict[str, Any]:
        experiments = [
            {**self.options, "name": f"seed{seed}", "seed": seed, "epochs": self.lengths[seed % len(self.lengths)]}
            for seed in range(self.num_trials)
        ]
        return {"name": self.name, "experiments": experiments}


QUICK = (
    Asked("few", BRATS, 1, (4,)),
    Asked("tail", BRATS, 3, (3,)),
    Asked("lengths", BRATS, 4, (1, 4)),
)
FULL = (
    Asked("one", BRATS, 1, (40,)),
    Asked("three", BRATS, 3, (30,)),
    Asked("five-unequal", BRATS, 5, (40, 10)),
    Asked("eight", BRATS, 8, (10,)),
    Asked("rarely-evaluated", {**BRATS, "evaluate_every_epochs": 5}, 7, (20,)),
    Asked("large-one", LARGER, 1, (20,)),
    Asked("large-three", LARGER, 3, (12,)),
    Asked("large-six", LARGER, 6, (6,)),
    Asked("pages-one", PAGES, 1, (6,), "pages"),
    Asked("pages-three", PAGES, 3, (3,), "pages"),
    Asked("pages-six", PAGES, 6, (2,), "pages"),
    Asked("sixteen-short", BRATS, 16, (2,)),
)


def run(setting: Setting) -> Report:
    folder = setting.work / "plan"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asked = setting.choose(FULL, QUICK)
    stores = {"brats": data.make(setting, data.QUICK_SHAPE).store}
    if any(one.store == "pages" for one in asked):
        stores["pages"] = document_data.make(setting).store
    began_s = time.monotonic()
    for one in asked:
        path = _study_file(folder, one)
        workers = ("--workers", str(NUM_WORKERS), "--out", str(folder / "profile.json"))
        run_job("calibrate.py", "--study", str(path), "--store", str(stores[one.store]), *workers)
    report = Report("plan", facts={"calibration_s": time.monotonic() - began_s, "num_cores": num_cores()})
    profile = Profile.parse((folder / "profile.json").read_bytes(), "profile.json")
    rows = [row for one in asked for row in _predicted_and_run(folder, one, profile, stores[one.store])]
    report.facts |= {"runs": rows, "load_average": load_average()}
    report.ratios = _ratios(rows)
    return report


def _study_file(folder: Path, one: Asked) -> Path:
    path = folder / f"{one.name}.json"
    path.write_text(json.dumps(one.values()))
    return path


def _predicted_and_run(folder: Path, one: Asked, profile: Profile, store: Path) -> list[dict[str, Any]]:
    """A row for each plan that is run: the two strategies, and the chosen plan where it is neither."""
    every = forecasts(study_of(one.values()), profile, NUM_WORKERS)
    shown = [f for f in every if f.plan.strategy in (DATA_PARALLEL, EXPERIMENT_PARALLEL)]
    shown += [] if every[0] in shown else [every[0]]
    rows = []
    for forecast in shown:
        plan = folder / f"{one.name}-{forecast.plan.strategy.replace(':', '-')}.json"
        plan.write_text(forecast.plan.to_json())  # before the run
        strategy = ("--strategy", f"plan:{plan}", "--runs", str(folder / "runs"), "--name", plan.stem)
        run_job("study.py", "--study", str(folder / f"{one.name}.json"), "--store", str(store), *strategy)
        row = _row(one, forecast, folder / "runs" / plan.stem, chosen=forecast is every[0])
        say(f"{one.name} {forecast.plan.strategy}: {row['predicted_s']:.0f} s, took {row['measured_s']:.0f} s")
        rows.append(row)
    return rows


def _row(one: Asked, forecast: Forecast, folder: Path, chosen: bool) -> dict[str, Any]:
    from app.records import StudyRecord
    from app.reporting.study.predicted import prediction_of
    from app.reporting.study.study_files import read_study

    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("record.json")}
    record: StudyRecord = read_study(str(folder), files).record
    found = prediction_of(record)
    measured_s = record.makespan_s()
    return {
        "study": one.name,
        "strategy": forecast.plan.strategy,
        "chosen": chosen,
        "predicted_s": forecast.makespan_s,
        "low_s": forecast.low_s,
        "high_s": forecast.high_s,
        "measured_s": measured_s,
        "error": measured_s / forecast.makespan_s - 1,
        "held": forecast.low_s <= measured_s <= forecast.high_s,
        "terms": None if found is None else {**asdict(found), "worst": found.worst},
    }


def _ratios(rows: list[dict[str, Any]]) -> list[Any]:
    errors = sorted(abs(row["error"]) for row in rows)
    widths = [(row["high_s"] - row["low_s"]) / row["predicted_s"] for row in rows]
    near = [_is_near(rows, study) for study in dict.fromkeys(row["study"] for row in rows)]
    p90 = errors[min(len(errors) - 1, round(0.9 * (len(errors) - 1)))]
    return [
        compare("error of the makespan, median", "share", [median(errors)], [1.0], MEDIAN_TARGET, "at most"),
        compare("error of the makespan, p90", "share", [p90], [1.0], P90_TARGET, "at most"),
        compare("80 % intervals that hold", "share", [fmean(r["held"] for r in rows)], [1.0], HELD_LOW, "at least"),
        compare("width of the intervals, median", "share", [median(widths)], [1.0], WIDTH_TARGET, "at most"),
        compare("studies whose choice was the best or near", "share", [fmean(near)], [1.0], 11 / 12, "at least"),
    ]


def _is_near(rows: list[dict[str, Any]], study: str) -> bool:
    """Whether the chosen plan took at most 5 % more than the fastest that ran."""
    mine = [row for row in rows if row["study"] == study]
    chosen_s = next(row["measured_s"] for row in mine if row["chosen"])
    return bool(chosen_s <= (1 + NEAR) * min(row["measured_s"] for row in mine))
