"""How right the predictions are: studies on two workers, what each strategy will take written down before it runs.

The profile of each kind of training is taken once, by jobs/calibrate.py. Every study runs under each strategy for
itself and under the chosen plan; times are those of whole commands, as record.json has them. Numerics are fixed: all
runs of a study compute the same. Started again it goes on with what has not run; delete benchmarks/.work/full/plan to
measure anew.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from app.experiment import Experiment, Study
from app.planning.cost import CostModel
from app.planning.forecast import Forecast, forecasts
from app.planning.plan import DATA_PARALLEL, EXPERIMENT_PARALLEL
from app.planning.profile import Profile
from app.planning.search import study_of
from benchmarks import data, document_data
from benchmarks.common import RESULTS, WORK, Report, Setting, compare, host, load_average, num_cores, say, write_json
from benchmarks.data import run_job
from benchmarks.plan.other_work import OtherWork, wait_for_quiet

NUM_WORKERS = 2
MEDIAN_TARGET, P90_TARGET, WIDTH_TARGET = 0.07, 0.20, 0.25
HELD_LOW = 0.65
"""Smallest share that holds, of intervals that say 80 %: 15 points less."""
NEAR = 0.05
NUM_WON_OTHERWISE = 4
"""Least number of studies of which one worker each is not the fastest: else any planner is right."""

BRATS = {"workload": "brats", "batch_size": 4, "task": {"patch_size": [32, 32, 32], "samples_per_case": 4}}
LARGER = {**BRATS, "task": {"patch_size": [64, 64, 64], "samples_per_case": 1}, "batch_size": 2}
PAGES = {"workload": "document_image", "batch_size": 16, "task": {"weights": "random", "image_size": 64}}


@dataclass(frozen=True)
class Asked:
    """A study of equal trainings, but for their seeds, their lengths and what a search chooses."""

    name: str
    options: Mapping[str, Any]
    num_trials: int
    work_s: float
    """Of all its epochs, on both workers: the profile says how many these are."""
    lengths: tuple[int, ...] = (1,)
    """In turn; their ratio."""
    store: str = "brats"
    more: Mapping[str, Any] = field(default_factory=dict)
    """Of the study: its scheduler."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """That a search chooses, trial by trial."""
    feeding: str = "auto"
    """Who reads: Ray Data's processes need a part of two cores, so that two workers gain little beside them."""
    one_core: bool = False
    """A worker computes on one core whether others run or not, as on clusters it has one GPU and no other's."""

    @property
    def kind(self) -> str:
        """Of its trainings: they share a profile."""
        patch = self.options["task"].get("patch_size") or [self.options["task"]["image_size"]]
        more = "-core" * self.one_core + "-search" * bool(self.parameters)
        return f"{self.options['workload']}-{patch[0]}-{self.feeding}{more}"

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands that measure and run it."""
        return {"OMP_THREAD_LIMIT": "1"} if self.one_core else {}

    def values(self, epochs: float = 1.0) -> dict[str, Any]:
        """`epochs` of a trial of length 1."""
        experiments = self.experiments(epochs)
        if not self.parameters:
            return {"name": self.name, "experiments": experiments, **self.more}
        base = {key: value for key, value in experiments[0].items() if key != "name"}
        search = {"algorithm": "optuna", "num_trials": self.num_trials, "base": base, "parameters": self.parameters}
        return {"name": self.name, "search": search, **self.more}

    def experiments(self, epochs: float = 1.0) -> list[dict[str, Any]]:
        every = self.options.get("evaluate_every_epochs", 1)
        lengths = [self.lengths[seed % len(self.lengths)] for seed in range(self.num_trials)]
        return [
            {
                **self.options,
                **fixed(),
                "name": f"seed{n}",
                "seed": n,
                "epochs": max(1, every * round(epochs * one / every)),
            }
            for n, one in enumerate(lengths)
        ]


RATES = {"low": 0.0001, "high": 0.1, "log": True}
POPULATION = {
    "scheduler": {
        "name": "pbt",
        "perturbation_interval": 1,
        "hyperparam_mutations": {"optimizer.learning_rate": RATES},
    }
}
ASHA = {"scheduler": {"name": "asha", "grace_period": 1, "reduction_factor": 2}}
QUICK = (
    Asked("few", BRATS, 1, 10),
    Asked("tail", BRATS, 3, 10),
    Asked("lengths", BRATS, 4, 10, (1, 4)),
)
FULL = (
    Asked("one", BRATS, 1, 28),
    Asked("three", BRATS, 3, 45),
    Asked("large-one", LARGER, 1, 130, feeding="worker", one_core=True),
    Asked("large-two-unequal", LARGER, 2, 110, (8, 1), feeding="worker", one_core=True),
    Asked("four-asha", BRATS, 4, 60, more=ASHA),
    Asked("five-unequal", BRATS, 5, 40, (2, 1)),
    Asked("large-three-unequal", LARGER, 3, 110, (6, 1, 1), feeding="worker", one_core=True),
    Asked("pages-two", PAGES, 2, 26, store="pages"),
    Asked("pages-two-unequal", PAGES, 2, 100, (8, 1), store="pages"),
    Asked("rarely-evaluated-four", {**BRATS, "evaluate_every_epochs": 3}, 4, 50),
    Asked("large-three", LARGER, 3, 100, feeding="worker", one_core=True),
    Asked("four-population", BRATS, 4, 100, more=POPULATION),
    Asked("five-search", BRATS, 5, 60, parameters={"optimizer.learning_rate": RATES, "batch_size": [2, 4]}),
)


def fixed() -> dict[str, Any]:
    """Numerics that this CPU is fast with."""
    features = host()["cpu_features"]
    precision = "bf16" if features["avx512_bf16"] or features["amx_bf16"] else "fp32"
    return {"precision": precision, "channels_last": "yes"}


def run(setting: Setting) -> Report:
    folder = setting.work / "plan"
    folder.mkdir(parents=True, exist_ok=True)
    asked = setting.choose(FULL, QUICK)
    stores = {"brats": data.make(setting, data.QUICK_SHAPE).store}
    if any(one.store == "pages" for one in asked):
        stores["pages"] = document_data.make(setting).store
    report = Report("plan", facts={"num_cores": num_cores(), "num_asked": len(asked), "calibration_s": {}})
    rows: list[dict[str, Any]] = []
    for one in asked:
        profile, took_s = measured(folder, one, stores[one.store])
        report.facts["calibration_s"][one.kind] = took_s
        rows += _predicted_and_run(folder, one, profile, stores[one.store])
        report.facts |= {"runs": rows, "load_average": load_average()}
        report.ratios = _ratios(rows)
        write_json((WORK / "quick" if setting.quick else RESULTS) / "plan.json", report.to_dict(setting.quick))
    for line in table(rows):
        say(line)
    return report


def measured(folder: Path, one: Asked, store: Path) -> tuple[Profile, float]:
    """The profile of its kind of training, and how long measuring took; that of an earlier study or start if there."""
    out, noted = folder / f"profile-{one.kind}.json", folder / f"profile-{one.kind}.s"
    if not noted.exists():
        path = folder / f"{one.name}.json"
        path.write_text(json.dumps(one.values()))
        out.unlink(missing_ok=True)
        wait_for_quiet()
        began_s = time.monotonic()
        flags = ("--workers", str(NUM_WORKERS), "--out", str(out), "--feeding", one.feeding)
        run_job("calibrate.py", "--study", str(path), "--store", str(store), *flags, **one.environment)
        noted.write_text(str(time.monotonic() - began_s))
    return Profile.parse(out.read_bytes(), out.name), float(noted.read_text())


def sized(one: Asked, profile: Profile) -> dict[str, Any]:
    """The study, as long as it is to be."""
    model, experiment = CostModel(profile), Experiment.from_dict(one.experiments()[0])
    every = experiment.evaluate_every_epochs
    few, many = (
        model.cost(Experiment.from_dict({**experiment.to_dict(), "epochs": n * every}), NUM_WORKERS, 1).run_s
        for n in (1, 11)
    )
    num_units = sum(one.lengths[n % len(one.lengths)] for n in range(one.num_trials))
    return one.values(one.work_s / num_units / ((many - few) / (10 * every)))


def _predicted_and_run(folder: Path, one: Asked, profile: Profile, store: Path) -> list[dict[str, Any]]:
    """A row for each plan that is run: the two strategies, and the chosen plan where it is neither."""
    values = sized(one, profile)
    path = folder / f"{one.name}.json"
    path.write_text(json.dumps(values))
    study: Study = study_of(values)
    every = forecasts(study, profile, NUM_WORKERS)
    shown = [f for f in every if f.plan.strategy in (DATA_PARALLEL, EXPERIMENT_PARALLEL)]
    shown += [] if every[0] in shown else [every[0]]
    said = hashlib.sha256((profile.to_json() + json.dumps(values)).encode()).hexdigest()[:12]
    rows = []
    for forecast in shown:
        name = f"{one.name}-{forecast.plan.strategy.replace(':', '-')}"
        done = folder / f"{name}-{said}.row.json"
        if not done.exists():
            plan = folder / f"{name}.plan.json"
            plan.write_text(forecast.plan.to_json())  # before the run
            run_folder = folder / "runs" / name
            shutil.rmtree(run_folder, ignore_errors=True)  # of a start that was broken off
            flags = ["--strategy", f"plan:{plan}", "--runs", str(folder / "runs"), "--name", name]
            flags += ["--feeding", one.feeding]
            wait_for_quiet()
            with OtherWork() as other:
                run_job("study.py", "--study", str(path), "--store", str(store), *flags, **one.environment)
            row = _row(one, forecast, run_folder, chosen=forecast is every[0])
            row["others_busy_cores"] = other.busy_cores
            done.write_text(json.dumps(row))
        rows.append(json.loads(done.read_text()))
        say(f"{name}: {rows[-1]['predicted_s']:.0f} s, took {rows[-1]['measured_s']:.0f} s")
    return rows


def _row(one: Asked, forecast: Forecast, folder: Path, chosen: bool) -> dict[str, Any]:
    from app.reporting.study.predicted import prediction_of

    record = data.study_record(folder)
    found = prediction_of(record)
    measured_s = record.makespan_s()
    return {
        "study": one.name,
        "num_trials": one.num_trials,
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
    won = [_is_won_otherwise(rows, study) for study in dict.fromkeys(row["study"] for row in rows)]
    return [
        compare("error of the makespan, median", "share", [median(errors)], [1.0], MEDIAN_TARGET, "at most"),
        compare("error of the makespan, p90", "share", [p90], [1.0], P90_TARGET, "at most"),
        compare("80 % intervals that hold", "share", [fmean(r["held"] for r in rows)], [1.0], HELD_LOW, "at least"),
        compare("width of the intervals, median", "share", [median(widths)], [1.0], WIDTH_TARGET, "at most"),
        compare("studies whose choice was the best or near", "share", [fmean(near)], [1.0], 11 / 12, "at least"),
        compare("studies that one worker each is not best for", "", [sum(won)], [1.0], NUM_WON_OTHERWISE, "at least"),
    ]


def _is_near(rows: list[dict[str, Any]], study: str) -> bool:
    """Whether the chosen plan took at most 5 % more than the fastest that ran."""
    mine = [row for row in rows if row["study"] == study]
    chosen_s = next(row["measured_s"] for row in mine if row["chosen"])
    return bool(chosen_s <= (1 + NEAR) * min(row["measured_s"] for row in mine))


def _is_won_otherwise(rows: list[dict[str, Any]], study: str) -> bool:
    return min((r for r in rows if r["study"] == study), key=_took)["strategy"] != EXPERIMENT_PARALLEL


def _took(row: dict[str, Any]) -> float:
    return float(row["measured_s"])


def table(rows: list[dict[str, Any]]) -> list[str]:
    """For docs/planning.md; the chosen plan is marked, and in bold the fastest of its study."""
    lines = ["| study | strategy | predicted | 80 % | measured | off |", "|---|---|---|---|---|---|"]
    for row in rows:
        fastest = min(_took(other) for other in rows if other["study"] == row["study"])
        took = f"{_took(row):.0f} s"
        cells = [
            f"{row['study']} ({row['num_trials']})",
            row["strategy"] + (", chosen" if row["chosen"] else ""),
            f"{row['predicted_s']:.0f} s",
            f"{row['low_s']:.0f} to {row['high_s']:.0f}" + ("" if row["held"] else " (not held)"),
            f"**{took}**" if _took(row) == fastest else took,
            f"{100 * row['error']:+.0f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
