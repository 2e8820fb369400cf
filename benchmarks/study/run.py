"""Running many trainings: against plain processes, against torchrun, and what a trial costs beside its training.

All sides run the project's loop on the same experiments. Wall times are of whole commands, start and end included.
"""

import json
import random
import shutil
import subprocess
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from app.machine import num_cores
from benchmarks import data
from benchmarks.common import Report, Setting, alternate, compare, load_average, say
from benchmarks.study.sides import NUM_WORKERS, Sides, kill_tree, trivial

SHAPE = data.QUICK_SHAPE
"""Small volumes, on which a short trial is not all validation."""
PARALLEL_TARGET = 1.08
KEPT_TARGET = 1.15
TRIAL_TARGET_S = 0.1
GROWTH_TARGET = 1.2
THROUGHPUT_TARGET = 0.97
KILLED_NUM_STEPS, KILLED_STEP_S, KILLED_CHECKPOINT_S = 320, 0.1, 1.0


def run(setting: Setting) -> Report:
    folder = setting.work / "study"
    shutil.rmtree(folder, ignore_errors=True)
    sides = Sides(setting, data.make(setting, SHAPE).store, folder)
    report = Report("study", facts={"num_workers": NUM_WORKERS, "num_cores": num_cores()})
    _experiment_parallel(setting, sides, report)
    _data_parallel(setting, sides, report)
    _trivial(setting, sides, report)
    _kills(setting, sides, report)
    report.facts["load_average"] = load_average()
    return report


def _experiment_parallel(setting: Setting, sides: Sides, report: Report) -> None:
    experiments = sides.brats("four", 4, epochs=setting.choose(10, 1))
    found = alternate(
        {"plain": lambda: sides.plain(experiments), "study": lambda: sides.study(experiments, "experiment-parallel")},
        setting.choose(2, 1),
        num_warmup_rounds=0,
    )
    report.facts["experiment-parallel"] = {**found, "trials": sides.timings()}
    report.ratios.append(
        compare(
            "experiment-parallel / two plain processes", "s", found["study"], found["plain"],
            PARALLEL_TARGET, "at most",
            lambda: f"start-up of Ray, Tune and its actors: {sides.startup_s():.1f} s",
        )
    )  # fmt: skip


def _data_parallel(setting: Setting, sides: Sides, report: Report) -> None:
    """Eight trainings of 5 to 20 s, against one start-up of torchrun and eight times the rest of it."""
    experiments = sides.brats("eight", 8, epochs=setting.choose(2, 1))
    rates: dict[str, list[float]] = {"study": [], "torchrun": []}
    walls: dict[str, list[float]] = {"study": [], "torchrun": []}
    for _ in range(setting.choose(2, 1)):
        alone = sides.torchrun(experiments[0])
        startup_s, total_s = (alone["timings"][key] for key in ("startup_s", "total_s"))
        walls["torchrun"].append(startup_s + 8 * (total_s - startup_s))
        rates["torchrun"].append(alone["samples_per_s"])
        walls["study"].append(sides.study(experiments, "data-parallel"))
        rates["study"].append(median(t["record"]["samples_per_s"] for t in sides.record["trials"]))
    report.facts["data-parallel"] = {"walls": walls, "rates": rates, "trials": sides.timings()}
    report.ratios += [
        compare(
            "eight trials data-parallel / a start-up and eight trainings of torchrun", "s",
            walls["study"], walls["torchrun"], KEPT_TARGET, "at most",
            lambda: f"start-up of Ray and of the TorchTrainer: {sides.startup_s():.1f} s",
        ),
        compare(
            "data-parallel: study / torchrun", "samples/s", rates["study"], rates["torchrun"],
            THROUGHPUT_TARGET, "at least",
        ),
    ]  # fmt: skip


def _trivial(setting: Setting, sides: Sides, report: Report) -> None:
    """Seconds a trial at k = 1 on two slots; start and end of the command left out by the difference of two sizes."""
    few, many = setting.choose((100, 1000), (4, 8))
    walls, memory = {}, {}
    for num in (few, many):
        experiments = sides.write(f"trivial{num}", [trivial(n) for n in range(num)])
        walls[num] = sides.study(experiments, "experiment-parallel")
        memory[num] = sides.driver_bytes
    spans = {num: _marginal_s(sides.folder / f"trivial{num}", NUM_WORKERS) for num in (few, many)}
    facts = {"walls_s": walls, "seconds_a_trial": spans, "driver_bytes": memory}
    report.facts["trivial trials"] = facts
    report.ratios += [
        compare(
            "seconds a trivial trial on one worker", "s", [spans[many]], [1.0], TRIAL_TARGET_S, "at most",
        ),
        compare(
            f"memory of the driver: {many} trials / {few}", "bytes", [memory[many]], [memory[few]], GROWTH_TARGET,
            "at most",
        ),
        compare(
            f"seconds a trivial trial: the last of {many} / of {few}", "s", [spans[many]], [spans[few]],
            GROWTH_TARGET, "at most",
        ),
    ]  # fmt: skip


def _marginal_s(folder: Path, num_lanes: int) -> float:
    """Seconds from the begin of a trial to that of the next in its lane, over the second half of the study."""
    trials = json.loads((folder / "record.json").read_text())["trials"]
    gaps = []
    for lane in range(num_lanes):
        begins = sorted(trial["start_s"] for trial in trials if trial["lane"] == lane)
        later = begins[len(begins) // 2 :]
        gaps += [b - a for a, b in pairwise(later)]
    return median(gaps)


def _kills(setting: Setting, sides: Sides, report: Report) -> None:
    """Everything is killed at random moments and started again until the study ends; steps that were run twice."""
    experiments = sides.write("killed", [_killed(sides.folder, seed) for seed in range(4)])
    chance = random.Random(1)
    before = {e["name"]: _Standing() for e in experiments}
    lost: list[int] = []
    num_kills = 0
    while num_kills < setting.choose(10, 2):
        process = sides.start(experiments, "experiment-parallel")
        try:
            _wait_for_steps(experiments, before)
            process.wait(chance.uniform(0.0, 3.0))
            break
        except subprocess.TimeoutExpired:
            kill_tree(process.pid)
            process.wait()
            num_kills += 1
            time.sleep(3.0)  # what Ray started ends when it sees that its driver is gone
        for experiment in experiments:
            now = _Standing.of(sides.folder, experiment)
            begun = before[experiment["name"]]
            lost.append(begun.checkpoint + now.num_run - begun.num_run - now.checkpoint)
            before[experiment["name"]] = now
    wall_s = sides.study(experiments, "experiment-parallel", keep=True)
    lines = {e["name"]: _steps(sides.folder / "killed" / "trials" / e["name"]) for e in experiments}
    wrong = [name for name, steps in lines.items() if steps != list(range(1, KILLED_NUM_STEPS + 1))]
    facts = {"num_kills": num_kills, "last_start_s": wall_s, "steps_run_twice": lost, "trials_with_wrong_steps": wrong}
    report.facts["kill -9 of everything"] = facts
    say(f"  {num_kills} kills; steps run twice {lost}; trials whose steps are not each there once: {wrong}")
    if wrong:
        raise RuntimeError(f"after {num_kills} kills these trials lack steps or have them twice: {wrong}")
    report.ratios.append(
        compare("kill -9: most steps run twice / steps between checkpoints", "steps", [float(max(lost))],
                [KILLED_CHECKPOINT_S / KILLED_STEP_S + 1], 1.0, "at most")
    )  # fmt: skip


def _wait_for_steps(experiments: list[dict[str, Any]], before: dict[str, "_Standing"]) -> None:
    """Until a trial has run a step since it was killed: start-up is not what is to be hit."""
    for _ in range(600):
        time.sleep(0.1)
        for experiment in experiments:
            log = Path(experiment["task"]["step_log"])
            if log.exists() and log.stat().st_size > before[experiment["name"]].num_run:
                return
    raise RuntimeError("no trial ran a step within 60 s of its start")


def _killed(folder: Path, seed: int) -> dict[str, Any]:
    task = {"num_rows": KILLED_NUM_STEPS // 2, "step_s": KILLED_STEP_S, "step_log": str(folder / f"steps-{seed}")}
    options = {"epochs": 4, "batch_size": 2, "checkpoint_every_s": KILLED_CHECKPOINT_S, "task": task}
    return trivial(seed, **options)


@dataclass(frozen=True)
class _Standing:
    """Where a trial stands after a kill."""

    num_run: int = 0
    """Steps that were run, over all starts."""
    checkpoint: int = 0
    """Steps that its checkpoint has."""

    @staticmethod
    def of(folder: Path, experiment: dict[str, Any]) -> "_Standing":
        from app.training.checkpoint import load

        log = Path(experiment["task"]["step_log"])
        last = folder / "killed" / "trials" / experiment["name"] / "checkpoint" / "last.pt"
        checkpoint = load(str(last))["progress"]["step"] if last.exists() else 0
        return _Standing(log.stat().st_size if log.exists() else 0, checkpoint)


def _steps(trial: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (trial / "steps.jsonl").read_text().splitlines()]
