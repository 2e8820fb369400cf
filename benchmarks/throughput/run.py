"""Steady samples a second of the same data-parallel training on CPUs: on Ray Train against torchrun.

Both run the project's loop on the same experiment with two workers; they take turns. Rates leave start-up, the first
steps, evaluation and checkpoints out, as record.json defines them; waiting for data is in.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from app.machine import num_cores
from benchmarks import data
from benchmarks.common import ROOT, Report, Setting, alternate, compare, load_average, say

RATE_TARGET = 0.97
WAITING_TARGET = 0.02
NUM_WORKERS = 2
TIMEOUT_S = 1800


def run(setting: Setting) -> Report:
    found = data.make(setting)
    runs = setting.work / "throughput"
    shutil.rmtree(runs, ignore_errors=True)
    comparison = _Comparison(setting, found.store, runs)
    rates = alternate(
        {"Ray Train": comparison.on_ray, "torchrun": comparison.on_torchrun}, setting.choose(3, 1), num_warmup_rounds=0
    )
    ray_runs, torchrun_runs = comparison.records["Ray Train"], comparison.records["torchrun"]
    shares = [max(record["waiting_share"], 0.0) for record in ray_runs]
    say(f"  {rates}; waiting on Ray {shares}")
    return Report(
        "throughput",
        ratios=[
            compare(
                "throughput: Ray Train / torchrun", "samples/s", rates["Ray Train"], rates["torchrun"],
                RATE_TARGET, "at least", lambda: _what_binds(ray_runs, torchrun_runs),
            ),
            compare(
                "waiting for data / steps and waiting", "s",
                [record["timings"]["data_wait_s"] for record in ray_runs],
                [record["timings"]["data_wait_s"] + record["timings"]["step_s"] for record in ray_runs],
                WAITING_TARGET, "at most", lambda: _what_binds(ray_runs, torchrun_runs),
            ),
        ],
        facts={"records": comparison.records, "num_workers": NUM_WORKERS, "load_average": load_average()},
    )  # fmt: skip


class _Comparison:
    """Runs one side or the other, each time in a new folder."""

    def __init__(self, setting: Setting, store: Path, runs: Path) -> None:
        self._setting, self._store, self._runs = setting, store, runs
        self.records: dict[str, list[dict[str, Any]]] = {"Ray Train": [], "torchrun": []}

    def on_ray(self) -> float:
        name = f"ray-{len(self.records['Ray Train'])}"
        patch = [str(self._setting.choose(96, 32))] * 3
        epochs = str(self._setting.choose(2, 4))
        data.run_job(
            "train.py", "brats", "--store", str(self._store), "--runs", str(self._runs), "--name", name,
            "--workers", str(NUM_WORKERS), "--epochs", epochs, "--evaluate-every-epochs", epochs,
            "--batch-size", str(NUM_WORKERS), "--checkpoint-every-s", "100000", "--task.patch-size", *patch,
            *data.fixed_numerics(),
        )  # fmt: skip
        return self._keep("Ray Train", self._runs / name / "record.json")

    def on_torchrun(self) -> float:
        """The experiment of the first run on Ray, by the same loop."""
        folder = self._runs / f"torchrun-{len(self.records['torchrun'])}"
        folder.mkdir(parents=True)
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(NUM_WORKERS)]
        script = ["-m", "benchmarks.throughput.peer"]
        arguments = [str(self._runs / "ray-0" / "config.json"), str(self._store), str(folder)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, num_cores() // NUM_WORKERS))}
        subprocess.run(
            [*launcher, "--standalone", *script, *arguments], cwd=ROOT, env=environment, check=True, timeout=TIMEOUT_S
        )
        return self._keep("torchrun", folder / "torchrun.json")

    def _keep(self, side: str, path: Path) -> float:
        record = json.loads(path.read_text())
        kept = {key: record[key] for key in ("samples_per_s", "waiting_share", "timings", "numerics", "metrics")}
        self.records[side].append(kept)
        return float(kept["samples_per_s"])


def _what_binds(ray_runs: list[dict[str, Any]], torchrun_runs: list[dict[str, Any]]) -> str:
    """Milliseconds a step, by what they went into."""
    parts = []
    for name, runs in (("Ray Train", ray_runs), ("torchrun", torchrun_runs)):
        step_ms, wait_ms = (
            median(1000 * r["timings"][key] / r["timings"]["num_timed_steps"] for r in runs)
            for key in ("step_s", "data_wait_s")
        )
        parts.append(f"{name}: {step_ms:.0f} ms computing and {wait_ms:.1f} ms waiting a step")
    return "; ".join(parts) + f"; {num_cores()} cores carry the workers and the processes that read for them"
