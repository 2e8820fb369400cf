"""DistMIS's 32 trials and Ferrando's image training on one and two workers, beside what was predicted of them, and what
is predicted for more: one figure.

The profile is taken first and knows nothing of the runs. Cores of this machine are a node; more workers are more such
nodes, over a network that nobody measured (docs/planning.md says what is assumed of it). Small volumes and pages, made
up: the ratios say how this machine scales on them, and nothing of GPUs.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.planning.forecast import forecasts
from app.planning.plan import DATA_PARALLEL, EXPERIMENT_PARALLEL
from app.planning.profile import Profile
from app.planning.search import study_of
from app.records import StudyRecord
from app.reporting.study.numbers import cost_of
from benchmarks import data, document_data
from benchmarks.common import ROOT, Ratio, Report, Setting, compare, load_average, say
from benchmarks.plan.figures import speed_ups

WORKERS = (1, 2, 4, 8, 12, 16, 32)
"""DistMIS's."""
MEASURED = (1, 2)
TARGET = 0.2
"""By how much a predicted speed-up may be off."""
IMAGE_SIZE = 96


@dataclass(frozen=True)
class Asked:
    """A study and the strategies under which it runs on two workers."""

    name: str
    recipe: str
    options: tuple[str, ...]
    strategies: tuple[str, ...]


GRID = Asked("grid", "distmis-grid-small", ("epochs=3",), (EXPERIMENT_PARALLEL, DATA_PARALLEL))
IMAGE = Asked(
    "image",
    "ferrando2020-image",
    ('models=["efficientnet_b0"]', "weights=random", f"image_size={IMAGE_SIZE}", "epochs=8"),
    (DATA_PARALLEL,),
)


def run(setting: Setting) -> Report:
    stores = {
        GRID.name: data.make(setting, data.QUICK_SHAPE).store,
        IMAGE.name: document_data.make(setting).store,
    }
    report = Report("scaling")
    for asked in (GRID, IMAGE):
        found = _scaled(setting, asked, stores[asked.name])
        report.facts[asked.name] = found
        report.ratios += [_off(asked.name, strategy, told) for strategy, told in found["strategies"].items()]
    report.facts["load_average"] = load_average()
    if not setting.quick:
        _draw(report.facts, ROOT / "docs" / "scaling.svg")
    return report


def _off(name: str, strategy: str, told: dict[str, Any]) -> Ratio:
    predicted, measured = told["predicted"]["2"]["speed_up"], told["measured"]["2"]["speed_up"]
    title = f"scaling: {name}, {strategy}, speed-up on 2 off the predicted"
    told_why = f"predicted {predicted:.2f}, measured {measured:.2f}"
    return compare(title, "share", [abs(measured / predicted - 1)], [1.0], TARGET, "at most", lambda: told_why)


def _scaled(setting: Setting, asked: Asked, store: Path) -> dict[str, Any]:
    """Speed-ups against one worker, predicted and measured, by strategy and number of workers."""
    folder = setting.work / "scaling" / asked.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    options = ["--recipe", asked.recipe, "--options", *asked.options, *([] if not setting.quick else ["epochs=1"])]
    on_store = ["--store", str(store)]
    profile_path = folder / "profile.json"
    data.run_job("calibrate.py", *options, *on_store, "--workers", "2", "--out", str(profile_path))
    makespans: dict[tuple[str, int], float] = {}
    studies: dict[tuple[str, int], dict[str, Any]] = {}
    runs = [(EXPERIMENT_PARALLEL, 1), *((strategy, 2) for strategy in asked.strategies)]
    for strategy, k in runs:
        name = f"{strategy}-{k}"
        how = ["--strategy", strategy, "--workers", str(k), "--runs", str(folder), "--name", name]
        data.run_job("study.py", *options, *on_store, *how)
        record = data.study_record(folder / name)
        makespans[strategy, k] = record.makespan_s()
        studies[strategy, k] = {"best": _best(record), "makespan_s": record.makespan_s(), **_shares(record)}
    predicted = _predicted(json.loads((folder / "profile.json").read_text()), folder, asked, options)
    alone_s = makespans[EXPERIMENT_PARALLEL, 1]
    found: dict[str, Any] = {}
    for strategy in asked.strategies:
        measured = {"1": {"speed_up": 1.0, **studies[EXPERIMENT_PARALLEL, 1]}}
        measured["2"] = {"speed_up": alone_s / makespans[strategy, 2], **studies[strategy, 2]}
        found[strategy] = {"predicted": predicted[strategy], "measured": measured}
        for k in MEASURED:
            said, took = predicted[strategy][str(k)], measured[str(k)]
            say(f"  {asked.name}, {strategy} on {k}: {said['makespan_s']:.0f} s predicted, {took['makespan_s']:.0f} s")
    return {"options": options, "strategies": found}


def _predicted(
    profile: dict[str, Any], folder: Path, asked: Asked, options: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """By strategy and number of workers: makespan with its 80 % interval, and the speed-up against one."""
    study = study_of(json.loads((folder / f"{EXPERIMENT_PARALLEL}-1" / "study.json").read_text()))
    known = Profile.parse(json.dumps(profile).encode(), "profile.json")
    found: dict[str, dict[str, dict[str, float]]] = {strategy: {} for strategy in asked.strategies}
    alone_s = min(f.makespan_s for f in forecasts(study, known, 1) if f.plan.strategy == EXPERIMENT_PARALLEL)
    for k in WORKERS:
        by_name = {f.plan.strategy: f for f in forecasts(study, known, k)}
        for strategy in asked.strategies:
            one = by_name.get(strategy if k > 1 else EXPERIMENT_PARALLEL)
            if one is not None:
                found[strategy][str(k)] = {
                    "makespan_s": one.makespan_s,
                    "low_s": one.low_s,
                    "high_s": one.high_s,
                    "speed_up": alone_s / one.makespan_s,
                }
    return found


def _shares(record: StudyRecord) -> dict[str, dict[str, float]]:
    """Of the workers' time, by kind; `synchronising` is a part of `compute`."""
    cost = cost_of(record, None)
    whole_s = sum(cost.worker_s.values())
    told = {**cost.worker_s, "synchronising": cost.synchronising_s}
    return {"shares": {kind: seconds / whole_s for kind, seconds in told.items()}}


def _best(record: StudyRecord) -> float | None:
    """The best score of all trials on validation."""
    scores = [trial.record.metrics.get(record.score) for trial in record.trials if trial.record is not None]
    return max((score for score in scores if score is not None), default=None)


def _draw(facts: dict[str, Any], path: Path) -> None:
    curves, points = {}, {}
    for name in (GRID.name, IMAGE.name):
        for strategy, told in facts[name]["strategies"].items():
            label = f"{name}, {strategy}"
            curves[label] = {int(k): one["speed_up"] for k, one in told["predicted"].items()}
            points[label] = {int(k): one["speed_up"] for k, one in told["measured"].items()}
    speed_ups(curves, points, path, "workers (2 a node); crosses are measured")
