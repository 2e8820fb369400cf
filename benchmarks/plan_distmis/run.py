"""DistMIS's cluster: 32 trainings on up to 32 GPUs, 4 a node, of which two speed-ups are published.

Two numbers fix two unknowns, no more: how much busy GPUs slow each other down, and what synchronisation between nodes
costs. Whether those of a node share what is scarce (cores, memory) or all of them do (a file system) cannot be told
from speed-ups at 32 alone: both are fitted. All else is assumed; what is said of fewer GPUs is predicted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from statistics import NormalDist
from typing import Any

from benchmarks.common import ROOT, Report, Setting
from benchmarks.plan.figures import speed_ups

GPUS = (1, 2, 4, 8, 12, 16, 32)
STEPS = {1: 169, 2: 84, 4: 42, 8: 21, 12: 14, 16: 10, 32: 5}
"""Steps of an epoch, by GPUs a training: 338 cases, 2 a GPU, what is left over is dropped."""
NUM_TRIALS, ON_NODE = 32, 4
PUBLISHED = {"data-parallel": 12.0, "experiment-parallel": 14.0}
"""Speed-ups at 32 GPUs: DistMIS, IPDPSW 2022."""


@dataclass(frozen=True)
class Cluster:
    """Times in units of a training on one GPU."""

    start: float = 0.01
    """Assumed: of a trial's processes, one after the other's; once a GPU where trials run side by side."""
    straggler: float = 0.03
    """Assumed: standard deviation of the speed of one GPU, or of one trial; the slowest counts."""
    inside: float = 0.25
    """Assumed: synchronisation inside a node against that across nodes."""
    supply: float = 0.0
    """Fitted: by how much each busy neighbour slows a GPU down."""
    over_all: bool = False
    """Whether all GPUs are neighbours, or those of a node."""
    across: float = 0.0
    """Fitted: synchronisation of 32 GPUs on 8 nodes, in steps; it grows with the GPUs as a ring's latency does."""

    def slow(self, num_gpus: int) -> float:
        return 1 + self.supply * self.neighbours(num_gpus)

    def neighbours(self, num_gpus: int) -> int:
        return num_gpus - 1 if self.over_all else min(num_gpus, ON_NODE) - 1

    def slowest(self, num: int) -> float:
        """Expected greatest of so many (Blom 1958)."""
        return 1 + self.straggler * NormalDist().inv_cdf((num - 0.375) / (num + 0.25)) if num > 1 else 1.0

    def sync(self, k: int) -> float:
        return 0.0 if k == 1 else self.across * (k - 1) / 31 * (self.inside if k <= ON_NODE else 1.0)

    def data_parallel(self, k: int) -> float:
        """All trials one after the other, each on all GPUs."""
        step = self.slow(k) * self.slowest(k) + self.sync(k)
        return NUM_TRIALS * (self.start + STEPS[k] / STEPS[1] * step)

    def experiment_parallel(self, num_gpus: int) -> float:
        """One GPU each; stragglers hold up the last wave."""
        waves = ceil(NUM_TRIALS / num_gpus)
        return self.start + self.slow(num_gpus) * (waves - 1 + self.slowest(min(num_gpus, NUM_TRIALS)))

    def speed_ups(self) -> dict[str, dict[int, float]]:
        one = {"data-parallel": self.data_parallel(1), "experiment-parallel": self.experiment_parallel(1)}
        return {
            "experiment-parallel": {n: one["experiment-parallel"] / self.experiment_parallel(n) for n in GPUS},
            "data-parallel": {n: one["data-parallel"] / self.data_parallel(n) for n in GPUS},
        }


def fitted(assumed: Cluster) -> Cluster:
    """The cluster whose speed-ups at 32 GPUs are the published ones.

    Raises:
        ValueError: what is assumed leaves none: start-up alone would be slower.
    """
    most = GPUS[-1]
    whole = replace(assumed, supply=0.0, across=0.0)
    time = whole.experiment_parallel(1) / PUBLISHED["experiment-parallel"]
    supply = ((time - assumed.start) / assumed.slowest(most) - 1) / assumed.neighbours(most)
    found = replace(assumed, supply=supply)
    step = (found.data_parallel(1) / PUBLISHED["data-parallel"] / NUM_TRIALS - assumed.start) * STEPS[1] / STEPS[most]
    across = step - found.slow(most) * found.slowest(most)
    if supply < 0 or across < 0:
        raise ValueError(f"got start {assumed.start} and straggler {assumed.straggler}: they alone take longer")
    return replace(found, across=across)


def losses(of: Cluster, num_gpus: int) -> dict[str, dict[str, float]]:
    """Shares of all GPUs' time, by strategy: work, and what each loss takes; they add up to 1."""
    k, waves = num_gpus, ceil(NUM_TRIALS / num_gpus)
    shares = {}
    step_share = STEPS[k] / STEPS[1] * NUM_TRIALS
    whole = of.data_parallel(k)
    shares["data-parallel"] = {
        "work": step_share / whole,
        "start-up": NUM_TRIALS * of.start / whole,
        "shared supply": step_share * (of.slow(k) - 1) / whole,
        "stragglers": step_share * of.slow(k) * (of.slowest(k) - 1) / whole,
        "synchronisation": step_share * of.sync(k) / whole,
        "idle": 0.0,
    }
    whole = of.experiment_parallel(k)
    busy = NUM_TRIALS / k
    shares["experiment-parallel"] = {
        "work": busy / whole,
        "start-up": of.start / whole,
        "shared supply": busy * (of.slow(k) - 1) / whole,
        "stragglers": of.slow(k) * (of.slowest(k) - 1) / whole,
        "synchronisation": 0.0,
        "idle": of.slow(k) * (waves - busy) / whole,
    }
    return shares


def run(setting: Setting) -> Report:
    report = Report("plan_distmis", facts={"published": PUBLISHED, "other_assumptions": _others()})
    curves: dict[str, Mapping[int, float]] = {}
    known: dict[str, Mapping[int, float]] = {}
    for shared, over_all in (("a node", False), ("the cluster", True)):
        found = fitted(Cluster(over_all=over_all))
        report.facts[f"neighbours of {shared}"] = {
            "assumed": {"start": found.start, "straggler": found.straggler, "inside": found.inside},
            "fitted": {"supply": found.supply, "across": found.across},
            "speed_ups": found.speed_ups(),
            "losses": {num: losses(found, num) for num in GPUS},
        }
        for name, curve in found.speed_ups().items():
            curves[f"{name}, {shared} shares"] = curve
            known[f"{name}, {shared} shares"] = {max(GPUS): PUBLISHED[name]}
    if not setting.quick:
        speed_ups(curves, known, ROOT / "docs" / "plan-distmis.svg", "GPUs (4 a node)")
    return report


def _others() -> list[dict[str, Any]]:
    """What the fit and its predictions at 16 GPUs are where less or more is assumed."""
    rows = []
    for start in (0.0, 0.005, 0.01, 0.015):
        for straggler in (0.0, 0.03, 0.06):
            try:
                found = fitted(Cluster(start, straggler))
            except ValueError:
                continue
            at_16 = {name: curve[16] for name, curve in found.speed_ups().items()}
            rows.append(
                {"start": start, "straggler": straggler, "supply": found.supply, "across": found.across, **at_16}
            )
    return rows
