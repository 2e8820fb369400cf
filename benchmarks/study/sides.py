"""The ways to run the same experiments that the study's benchmark compares: our job, plain processes, torchrun."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.machine import num_cores
from benchmarks import data
from benchmarks.common import ROOT, Setting, say, seconds

NUM_WORKERS = 2
TIMEOUT_S = 1800
PLAIN, TORCHRUN = "benchmarks.study.peer", "benchmarks.throughput.peer"
TRIVIAL = "benchmarks.study.trivial:TrivialWorkload"


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and all below it, the children first found."""
    tree = [pid]
    for parent in tree:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True)
        tree += [int(word) for word in listed.stdout.split()]
    for each in tree:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue


def trivial(seed: int, **changes: Any) -> dict[str, Any]:
    """An experiment that takes no time but that of its steps."""
    options = {"epochs": 1, "batch_size": 2, "precision": "fp32", "channels_last": "no", **changes}
    return {"name": f"seed{seed}", "seed": seed, "workload": TRIVIAL, **options}


class Sides:
    """Runs the same experiments in one way or another; `record` is the last study's."""

    def __init__(self, setting: Setting, store: Path, folder: Path) -> None:
        self._setting, self._store, self.folder = setting, store, folder
        self._round = 0
        self.record: dict[str, Any] = {}
        self.driver_bytes = 0.0
        """The most that the last study's driver held."""
        precision, layout = data.fixed_numerics()[1::2]
        self._numerics = {"precision": precision, "channels_last": layout}

    def brats(self, study: str, num: int, epochs: int) -> list[dict[str, Any]]:
        side = self._setting.choose(64, 32)
        task = {"patch_size": [side] * 3, "samples_per_case": 1}
        common = {"epochs": epochs, "batch_size": 2, "evaluate_every_epochs": epochs, "checkpoint_every_s": 1e6}
        options = {"workload": "brats", "task": task, **common, **self._numerics}
        return self.write(study, [{"name": f"seed{seed}", "seed": seed, **options} for seed in range(num)])

    def write(self, study: str, experiments: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The study as a file, and each experiment as one; all sides run the study that was written last."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{study}.json").write_text(json.dumps({"name": study, "experiments": experiments}))
        for experiment in experiments:
            (self.folder / f"{study}-{experiment['name']}.json").write_text(json.dumps(experiment))
        self._study = study
        return experiments

    def start(self, experiments: Sequence[dict[str, Any]], strategy: str) -> "subprocess.Popen[bytes]":
        flags = [
            "--study",
            str(self.folder / f"{self._study}.json"),
            "--store",
            str(self._store),
            "--strategy",
            strategy,
        ]
        command = [sys.executable, str(ROOT / "jobs" / "study.py"), *flags, "--workers", str(NUM_WORKERS)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.folder / f"{self._study}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--runs", str(self.folder)], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def study(self, experiments: Sequence[dict[str, Any]], strategy: str, keep: bool = False) -> float:
        """Seconds of the whole command, in a new folder unless `keep`."""
        run = self.folder / self._study
        if not keep:
            shutil.rmtree(run, ignore_errors=True)
        began_s = time.perf_counter()
        self.driver_bytes = float(check(self.start(experiments, strategy)))
        wall_s = time.perf_counter() - began_s
        self.record = json.loads((run / "record.json").read_text())
        say(f"  {self._study} {strategy}: {wall_s:.1f} s")
        return wall_s

    def plain(self, experiments: Sequence[dict[str, Any]]) -> float:
        """Seconds of two processes, each of which trains every other experiment."""
        folder = self.folder / f"plain-{self._round}"
        self._round += 1
        configs = [str(self.folder / f"{self._study}-{e['name']}.json") for e in experiments]
        threads = str(max(1, num_cores() // NUM_WORKERS))

        def both() -> None:
            processes = [
                subprocess.Popen(
                    [sys.executable, "-m", PLAIN, threads, str(self._store), str(folder), *configs[n::NUM_WORKERS]],
                    cwd=ROOT,
                )
                for n in range(NUM_WORKERS)
            ]
            for process in processes:
                check(process)

        wall_s = seconds(both)
        say(f"  {self._study} plain: {wall_s:.1f} s")
        return wall_s

    def torchrun(self, experiment: dict[str, Any]) -> dict[str, Any]:
        folder = self.folder / f"torchrun-{self._round}"
        self._round += 1
        folder.mkdir(parents=True)
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(NUM_WORKERS), "--standalone"]
        config = str(self.folder / f"{self._study}-{experiment['name']}.json")
        environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, num_cores() // NUM_WORKERS))}
        command = [*launcher, "-m", TORCHRUN, config, str(self._store), str(folder)]
        check(subprocess.Popen(command, cwd=ROOT, env=environment))
        found: dict[str, Any] = json.loads((folder / "torchrun.json").read_text())
        return found

    def timings(self) -> list[dict[str, Any]]:
        return [trial["record"]["timings"] for trial in self.record["trials"]]

    def startup_s(self) -> float:
        return max(float(timings["startup_s"]) for timings in self.timings())


def check(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the process; the most memory that it held, in bytes.

    Raises:
        RuntimeError: it failed.
    """
    peak = 0
    until_s = time.monotonic() + TIMEOUT_S
    try:
        while process.poll() is None and time.monotonic() < until_s:
            peak = max(peak, _peak_bytes(process.pid))
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            kill_tree(process.pid)
    if process.returncode != 0:
        raise RuntimeError(f"{process.args} ended with exit code {process.returncode}")
    return peak


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
