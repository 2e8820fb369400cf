"""What a trial will take on k workers, from a profile; docs/planning.md has the formulas and their sources."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from app.experiment import Experiment
from app.planning.profile import Profile, Sample, group_of

BYTES_PER_WEIGHT = 4
LINK_BYTES_PER_S = 1e9
LINK_LATENCY_S = 1e-4
"""Assumed where no training on so many workers was measured: 10 Gbit/s with its overhead, TCP between two hosts."""
SPREAD_OF_ONE = 0.05
SPREAD_UNMEASURED = 0.15
"""Relative standard deviations, assumed: of a number of workers measured once, and of one that was not."""


@dataclass(frozen=True)
class Cost:
    """What one trial takes on k workers, in seconds."""

    start_s: float
    """Once a lane."""
    run_s: float
    measured: bool
    """Whether trainings on so many workers were measured; else the times are inferred from others."""


def ring_s(num_parameters: int, k: int) -> float:
    """Least time of a ring all-reduce of the gradients over k workers (Patarasuk and Yuan 2009)."""
    share = (k - 1) / k
    return 2 * (k - 1) * LINK_LATENCY_S + 2 * share * num_parameters * BYTES_PER_WEIGHT / LINK_BYTES_PER_S


class CostModel:
    """Costs from a profile: `resampled` gives another that the same measurements could have led to."""

    def __init__(self, profile: Profile, chance: random.Random | None = None) -> None:
        self._chance = chance
        self._groups: dict[str, list[Sample]] = {}
        for sample in profile.samples:
            self._groups.setdefault(sample.group, []).append(sample)
        self._profile = profile
        self._costs: dict[tuple[str, int, int, int], Cost] = {}

    def resampled(self, seed: int) -> "CostModel":
        return CostModel(self._profile, random.Random(seed))

    def cost(self, experiment: Experiment, k: int, side_by_side: int) -> Cost:
        """What a trial takes on k workers beside others, `side_by_side` in all.

        Raises:
            ValueError: k does not divide the batch, or nothing of the experiment's kind was measured.
        """
        group = group_of(experiment)
        key = (group, k, side_by_side, experiment.epochs)
        if key not in self._costs:
            batch = experiment.global_batch_size(k)
            if group not in self._groups:
                raise ValueError(
                    f"{experiment.name}: the profile has no training of its network, data and batch "
                    f"({len(self._groups)} kinds in it): run one like it first, for an epoch"
                )
            self._costs[key] = self._of(self._groups[group], k, batch, side_by_side, experiment.epochs)
        return self._costs[key]

    def _of(self, samples: Sequence[Sample], k: int, batch: int, side_by_side: int, epochs: int) -> Cost:
        by_k = {w: _beside([s for s in samples if s.workers == w], side_by_side) for w in {s.workers for s in samples}}
        near = by_k.get(k) or by_k[min(by_k, key=lambda w: abs(w - k))]
        step_s = self._drawn([s.step_s for s in by_k[k]]) if k in by_k else self._inferred(by_k, k, batch)
        steps = fmean(s.steps_per_epoch * s.global_batch_size for s in near) / batch
        same = [s for s in samples if s.workers == near[0].workers]
        first = [s.startup_s for s in same if s.first_on_lane] or [s.startup_s for s in same]
        later = [s.startup_s for s in same if not s.first_on_lane] or [0.0]
        start_s, again_s = fmean(first), min(fmean(later), fmean(first))
        run_s = again_s + epochs * (steps * step_s + self._drawn([s.epoch_end_s for s in near]))
        return Cost(start_s - again_s, run_s, k in by_k)

    def _drawn(self, values: Sequence[float]) -> float:
        if self._chance is None:
            return fmean(values)
        if len(values) == 1:
            return values[0] * max(0.1, self._chance.gauss(1, SPREAD_OF_ONE))
        return fmean(self._chance.choices(values, k=len(values)))

    def _inferred(self, by_k: dict[int, list[Sample]], k: int, batch: int) -> float:
        """T = a + b x local batch + all-reduce: a and b from the two nearest measured, or a = 0 from one."""
        near = sorted(by_k, key=lambda w: abs(w - k))[:2]
        points = []
        for workers in near:
            found = by_k[workers]
            sync_s = ring_s(found[0].num_parameters, workers)
            step_s = self._drawn([s.step_s for s in found])
            points.append((found[0].global_batch_size / workers, max(step_s - sync_s, step_s / 10)))
        local = batch / k
        (x, y), other = points[0], points[-1]
        slope = (other[1] - y) / (other[0] - x) if other[0] != x else y / x
        slope = min(max(slope, 0.0), y / x)  # neither faster with more samples nor with less than no fixed part
        found_s = y + slope * (local - x) + ring_s(by_k[near[0]][0].num_parameters, k)
        return found_s if self._chance is None else found_s * max(0.1, self._chance.gauss(1, SPREAD_UNMEASURED))


def _beside(samples: list[Sample], side_by_side: int) -> list[Sample]:
    """Those with the number of neighbours that is nearest."""
    least = min(abs(s.side_by_side - side_by_side) for s in samples)
    return [s for s in samples if abs(s.side_by_side - side_by_side) == least]
