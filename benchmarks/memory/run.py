"""Memory and time of one training step against the size of its volumes: patch or whole, micro-batches, bf16.

DistMIS's network and its two volumes a step, with instance norm, under which micro-batches give equal results. Each
step has a process of its own. Sizes grow until the line through those before says that the next does not fit.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from benchmarks.common import Report, Setting, load_average, say
from benchmarks.side import Side

NETWORK: Mapping[str, Any] = {
    "outputs": "whole",
    "network": "unet3d",
    "filters": (8, 16, 32, 64),
    "norm": "instance",
    "loss": "dice",
    "augment": None,
}
BATCH_SIZE = 2
WHOLE = (152, 240, 240)
"""DistMIS's volume, z, y, x."""
SIZES = ((64, 64, 64), (96, 96, 96), (128, 128, 128), WHOLE)
QUICK_SIZES = ((16, 16, 16), (24, 24, 24), (32, 32, 32))
OPTIONS: Mapping[str, tuple[str, int | None, bool]] = {
    "fp32": ("fp32", None, False),
    "fp32, one at a time": ("fp32", 1, False),
    "fp32, recomputed": ("fp32", None, True),
    "bf16": ("bf16", None, False),
    "bf16, one at a time, recomputed": ("bf16", 1, True),
}
"""Precision, volumes that pass at a time (None: the whole batch), and activation checkpointing."""
SHARE_TO_FILL = 0.6
"""Of the memory that is free: what a step may be expected to take. Assumed: others keep the rest."""
LIMIT = "TWOFOLD_BENCH_MEMORY_GB"
"""Environment variable: no step that is expected to take more, whatever is free."""
GPU_MEMORY_GB = (16, 24, 40, 80)


@dataclass(frozen=True)
class Step:
    """One step that was measured."""

    size: tuple[int, ...]
    """z, y, x."""
    seconds: float
    before_bytes: int
    """Before it: interpreter, libraries, network and samples."""
    peak_bytes: int
    counted_bytes: int = 0
    """What app.training.memory counts for it without taking it."""

    @property
    def num_voxels(self) -> int:
        return prod(self.size)


@dataclass(frozen=True)
class Rule:
    """Peak memory is a fixed part and so much a voxel of one volume of the batch."""

    fixed_bytes: float
    bytes_per_voxel: float

    def bytes_at(self, num_voxels: float) -> float:
        return self.fixed_bytes + self.bytes_per_voxel * num_voxels

    def largest_edge(self, memory_bytes: float) -> int:
        """Edge of the largest cube, in voxels, that fits in so much; 0: none."""
        num_voxels = (memory_bytes - self.fixed_bytes) / self.bytes_per_voxel
        edge = int(max(0.0, num_voxels) ** (1 / 3))
        return (
            edge + 1 if (edge + 1) ** 3 <= num_voxels else edge
        )  # a cube root may miss a whole number by its rounding


def fit(steps: Sequence[Step]) -> Rule:
    """Least squares over voxels; from one step all beyond what was there before counts as the voxels'.

    Raises:
        ValueError: no steps.
    """
    if not steps:
        raise ValueError("no steps: expected at least one")
    if len({step.num_voxels for step in steps}) == 1:
        step = steps[0]
        return Rule(step.before_bytes, (step.peak_bytes - step.before_bytes) / step.num_voxels)
    voxels, peaks = [step.num_voxels for step in steps], [step.peak_bytes for step in steps]
    middle, mean = sum(voxels) / len(voxels), sum(peaks) / len(peaks)
    above = sum((v - middle) * (p - mean) for v, p in zip(voxels, peaks, strict=True))
    slope = above / sum((v - middle) ** 2 for v in voxels)
    return Rule(mean - slope * middle, slope)


def run(setting: Setting) -> Report:
    report = Report("memory")
    report.facts |= {"batch_size": BATCH_SIZE, "free_bytes": free_bytes(), "network": dict(NETWORK)}
    for name in OPTIONS:
        steps, refused = _measure(setting, name)
        report.facts[name] = {"steps": [asdict(step) for step in steps], "refused": refused, **_told(steps)}
    for row in table(report.facts):
        say("  " + row)
    report.facts["load_average"] = load_average()
    return report


def _measure(setting: Setting, name: str) -> tuple[list[Step], dict[str, Any] | None]:
    """The steps that fit, and the first size that does not."""
    precision, micro, recompute = OPTIONS[name]
    steps: list[Step] = []
    for size in setting.choose(SIZES, QUICK_SIZES):
        wanted = fit(steps).bytes_at(prod(size)) if steps else 0.0
        if wanted > min(SHARE_TO_FILL * free_bytes(), float(os.environ.get(LIMIT, "inf")) * 1e9):
            return steps, {"size": size, "expected_bytes": wanted}
        with Side("benchmarks.memory.ours", log=setting.work / "memory.log") as side:
            found = side.call(
                "measure", network={**NETWORK, "recompute": recompute}, size=size, batch_size=BATCH_SIZE,
                micro_batch_size=micro, precision=precision,
            )  # fmt: skip
        steps.append(Step(size, **found))
        last = steps[-1]
        taken = f"{_gb(last.peak_bytes)}, counted {_gb(last.counted_bytes)}, {last.seconds:.2f} s"
        say(f"  {name}, {'x'.join(map(str, size))}: {taken}")
    return steps, None


def _told(steps: Sequence[Step]) -> dict[str, Any]:
    rule = fit(steps)
    return {
        "rule": asdict(rule),
        "whole_volume_bytes": rule.bytes_at(prod(WHOLE)),
        "largest_edge_by_memory_gb": {str(gb): rule.largest_edge(gb * 1e9) for gb in GPU_MEMORY_GB},
    }


def table(facts: Mapping[str, Any]) -> list[str]:
    """Lines: an option and a size each, then what each option's rule says of the whole volume."""
    lines = [f"{'option':<33}{'size':<14}{'peak':>9}{'step':>10}"]
    for name in OPTIONS:
        for step in facts[name]["steps"]:
            size = "x".join(map(str, step["size"]))
            lines.append(f"{name:<33}{size:<14}{_gb(step['peak_bytes']):>9}{step['seconds']:>8.2f} s")
        if refused := facts[name]["refused"]:
            size = "x".join(map(str, refused["size"]))
            lines.append(f"{name:<33}{size:<14}{_gb(refused['expected_bytes']):>9}  was not run")
    for name in OPTIONS:
        whole = facts[name]["whole_volume_bytes"]
        lines.append(f"{name}: {'x'.join(map(str, WHOLE))} takes {_gb(whole)} by the line through what was measured")
    return lines


def free_bytes() -> int:
    """Of the GPU, where there is one, else of this machine."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return available_bytes(Path("/proc/meminfo").read_text())


def available_bytes(meminfo: str) -> int:
    """MemAvailable of the text of /proc/meminfo, which counts in KiB."""
    line = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


def _gb(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.2f} GB"
