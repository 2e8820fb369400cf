"""Dice on held-out cases after the same minutes of training on this CPU: ours, and a network of MONAI's pipeline.

The minutes are steps and waiting for data; start-up, caching and validation count for neither side. Each side keeps
its best network on the validation cases and is then scored on the validation and test cases, none of which it trained
on. MONAI's side is chosen by short pilots among candidates, so that it runs with what suits so few minutes.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import data
from benchmarks.common import ROOT, Report, Setting, compare, load_average, say, write_json

TARGET = 1.0
MINUTES, QUICK_MINUTES = 10.0, 1.0
"""Minutes on both cores: 20 CPU minutes."""
PILOT_MINUTES, QUICK_PILOT_MINUTES = 1.5, 0.2
REGIONS = ("WT", "TC", "ET")

OURS = {
    "--task.outputs": "regions",
    "--batch-size": "2",
    "--optimizer.learning-rate": "0.005",
    "--task.foreground-share": "0.7",
}
"""Flags of jobs/train.py; the rest are its defaults."""

CANDIDATES = (
    {"network": "basicunet", "width": 32, "optimizer": "adamw", "learning_rate": 1e-3},  # its default width
    {"network": "basicunet", "width": 8, "optimizer": "adamw", "learning_rate": 1e-3},
    {"network": "basicunet", "width": 8, "optimizer": "adam", "learning_rate": 1e-4},
    {"network": "dynunet", "width": 8, "optimizer": "adamw", "learning_rate": 1e-3},
)
"""Networks of MONAI's side. The narrow ones take a tenth of the time a step: a wide one makes few steps in these
minutes."""

Cases = dict[str, dict[str, float]]


def run(setting: Setting) -> Report:
    found = data.make(setting)
    runs = setting.work / "quality"
    shutil.rmtree(runs, ignore_errors=True)
    runs.mkdir(parents=True)
    minutes = setting.choose(MINUTES, QUICK_MINUTES)
    ours = _train_ours(setting, found, runs, minutes)
    say(f"  ours: {_summary(ours)}")
    peer_minutes = max(minutes, ours["trained_s"] / 60)
    peer = _train_peer(setting, found, runs, peer_minutes)
    say(f"  MONAI: {_summary(peer)}")
    means = {name: mean_dice(side["cases"]) for name, side in (("ours", ours), ("monai", peer))}
    ratio = compare(
        "quality: mean Dice / MONAI's", "Dice", [means["ours"]], [max(means["monai"], 1e-6)],
        TARGET, "at least", lambda: _what_binds(ours, peer),
    )  # fmt: skip
    facts = {
        "minutes": {"ours": ours["trained_s"] / 60, "monai": peer["trained_s"] / 60},
        "mean_dice_95": {name: interval(side["cases"]) for name, side in (("ours", ours), ("monai", peer))},
        "difference_95": interval(difference(ours["cases"], peer["cases"])),
        "num_held_out": len(ours["cases"]),
        "ours": ours,
        "monai": peer,
        "load_average": load_average(),
    }
    return Report("quality", ratios=[ratio], facts=facts)


def mean_dice(cases: Cases) -> float:
    """Mean over the regions of a case, then over the cases."""
    return fmean(fmean(scores.values()) for scores in cases.values())


def difference(ours: Cases, peer: Cases) -> Cases:
    """Ours less the peer's, case by case; both must have scored the same cases."""
    if set(ours) != set(peer):
        raise ValueError(f"sides scored different cases: {sorted(set(ours) ^ set(peer))}")
    return {case: {region: scores[region] - peer[case][region] for region in scores} for case, scores in ours.items()}


def interval(cases: Cases) -> dict[str, float | None]:
    """Mean of the cases' means with its 95 % bootstrap interval over cases."""
    from app.execution.models.evaluate import bootstrap_interval

    values = [fmean(scores.values()) for scores in cases.values()]
    low, high = bootstrap_interval(values)
    return {"mean": fmean(values), "low": low, "high": high}


def num_epochs(samples_per_s: float, minutes: float, rows_an_epoch: int) -> int:
    """Whole epochs that fit into the minutes, one at least."""
    return max(1, int(60 * minutes * samples_per_s / rows_an_epoch))


def _train_ours(setting: Setting, found: data.Data, runs: Path, minutes: float) -> dict[str, Any]:
    """One epoch to learn the rate, then a training of as many epochs as fit into the minutes."""
    trial = _train_job(setting, found, runs, "rate", 1, 1)
    rows = trial["num_steps"] * trial["global_batch_size"]
    busy_s = sum(trial["timings"][key] for key in ("step_s", "warmup_steps_s", "data_wait_s"))
    epochs = num_epochs(trial["samples_per_s"] or rows / busy_s, minutes, rows)
    record = _train_job(setting, found, runs, "ours", epochs, max(1, epochs // 4))
    timings = record["timings"]
    cases: Cases = {}
    for split in ("validation", "test"):
        data.run_job(
            "evaluate.py", "brats", "--run", str(runs / "ours"), "--store", str(found.store), "--split", split,
            "--launcher", "local",
        )  # fmt: skip
        cases |= read_cases((runs / "ours" / "evaluation" / split / "cases.csv").read_text())
    return {
        "trained_s": sum(timings[key] for key in ("step_s", "warmup_steps_s", "data_wait_s", "first_batch_s")),
        "num_steps": record["num_steps"],
        "num_parameters": record["num_parameters"],
        "numerics": record["numerics"],
        "timings": timings,
        "experiment": record["experiment"],
        "cases": cases,
    }


def read_cases(text: str) -> Cases:
    """Dice of each region and case from a cases.csv."""
    return {
        row["case"]: {region: float(row[f"dice_{region}"]) for region in REGIONS}
        for row in csv.DictReader(text.splitlines())
    }


def _train_job(
    setting: Setting, found: data.Data, runs: Path, name: str, epochs: int, evaluate_every: int
) -> dict[str, Any]:
    patch = [str(setting.choose(96, 64))] * 3
    data.run_job(
        "train.py", "brats", "--store", str(found.store), "--runs", str(runs), "--name", name, "--launcher", "local",
        "--epochs", str(epochs), "--evaluate-every-epochs", str(evaluate_every), *data.fixed_numerics(),
        "--task.patch-size", *patch, *(part for flag in OURS.items() for part in flag),
    )  # fmt: skip
    record: dict[str, Any] = json.loads((runs / name / "record.json").read_text())
    return record


def _train_peer(setting: Setting, found: data.Data, runs: Path, minutes: float) -> dict[str, Any]:
    """Pilots on the training cases alone choose by their loss; the winner gets the minutes."""
    pilot_minutes = setting.choose(PILOT_MINUTES, QUICK_PILOT_MINUTES)
    candidates = setting.choose(CANDIDATES, CANDIDATES[1:3])
    pilots = []
    for index, candidate in enumerate(candidates):
        config = {
            **_peer_config(setting, found),
            **candidate,
            "minutes": pilot_minutes,
            "validation": [],
            "held_out": [],
        }
        outcome = _run_peer(config, runs, f"pilot-{index}")
        pilots.append({**candidate, "final_loss": outcome["final_loss"], "num_steps": outcome["num_steps"]})
        say(f"  pilot: {pilots[-1]}")
    chosen = min(range(len(pilots)), key=lambda index: float(pilots[index]["final_loss"]))
    peer = _run_peer({**_peer_config(setting, found), **candidates[chosen], "minutes": minutes}, runs, "monai")
    return {**peer, "chosen": candidates[chosen], "pilots": pilots, "losses": peer["losses"][:: setting.choose(10, 1)]}


def _peer_config(setting: Setting, found: data.Data) -> dict[str, Any]:
    from app.workloads.volumes.store.prepared import VolumeStore

    store = VolumeStore(str(found.store))
    splits = {name: [case.id for case in store.split(name)] for name in ("train", "validation")}
    return {
        "source": str(found.source),
        **splits,
        "held_out": data.held_out(found),
        "patch": [setting.choose(96, 64)] * 3,
        "batch_size": 2,
        "num_validations": setting.choose(3, 1),
    }


def _run_peer(config: dict[str, Any], runs: Path, name: str) -> dict[str, Any]:
    config_path, result_path = runs / f"{name}-config.json", runs / f"{name}.json"
    write_json(config_path, config)
    command = [sys.executable, "-m", "benchmarks.quality.peer", str(config_path), str(result_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    outcome: dict[str, Any] = json.loads(result_path.read_text())
    return outcome


def _summary(side: dict[str, Any]) -> str:
    return f"{side['trained_s']:.0f} s, {side['num_steps']} steps, {interval(side['cases'])}"


def _what_binds(ours: dict[str, Any], peer: dict[str, Any]) -> str:
    regions = {
        region: [fmean(scores[region] for scores in side["cases"].values()) for side in (ours, peer)]
        for region in REGIONS
    }
    parts = ", ".join(f"{region} {a:.3f} against {b:.3f}" for region, (a, b) in regions.items())
    return f"{ours['num_steps']} steps of ours, {peer['num_steps']} of {peer['chosen']}; mean Dice: {parts}"
