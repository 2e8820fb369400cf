"""The time of a step on k workers beside neighbours: as measured, between what was measured, or inferred from it."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median

from app.planning.profile import Profile, Sample
from app.planning.slowest import slower, spread_of
from app.planning.spread import Chance

BYTES_PER_WEIGHT = 4
LINK_BYTES_PER_S = 1e9
LINK_LATENCY_S = 1e-4
"""Assumed where no training on so many workers was measured: 10 Gbit/s with its overhead, TCP between two hosts."""
SPREAD_DOUBLING = 0.12
"""Assumed, for each factor of two between a number of workers and the nearest that was measured."""
SPREAD_NEIGHBOURS = 0.08
"""Assumed, for a number of neighbours that was not measured."""
GAIN_THREADS = 0.8
"""Assumed, where a worker has another number of threads than was measured: its step takes 1 / threads^0.8."""
SPREAD_THREADS = 0.10
"""Assumed, for each factor of two between them."""
MAX_SLOWDOWN = 1.0
"""Largest slowdown by each further worker that is busy: no neighbour takes more than the time of a worker alone."""


def ring_s(num_parameters: int, k: int) -> float:
    """Least time of a ring all-reduce of the gradients over k workers (Patarasuk and Yuan 2009)."""
    share = (k - 1) / k
    return 2 * (k - 1) * LINK_LATENCY_S + 2 * share * num_parameters * BYTES_PER_WEIGHT / LINK_BYTES_PER_S


def nearest_width(samples: Sequence[Sample], k: int) -> int:
    """The measured number of workers that is nearest, by their ratio."""
    return min(sorted({s.workers for s in samples}), key=lambda w: abs(math.log(w / k)))


class StepTimes:
    """Times of a step by one profile, under one draw."""

    def __init__(self, profile: Profile, chance: Chance) -> None:
        self._chance = chance
        self._on_node = profile.workers_on_node or profile.setting.num_cores
        self._num_cores = profile.setting.num_cores if profile.setting.device == "cpu" else 0
        self._slowdown = _slowdown(profile.samples, self._on_node, self.threads)

    def threads(self, k: int, places: int) -> int:
        """That a worker computes with: the cores of a node are shared among the workers that it has room for. A GPU's
        worker has its GPU."""
        return max(1, self._num_cores // self._busy(k * places)) if self._num_cores else 1

    def of(
        self, group: str, samples: Sequence[Sample], k: int, batch: int, places: int, busy: int | None = None
    ) -> tuple[float, bool]:
        """Seconds, and whether k was measured.

        Args:
            busy: of the trials that there is room for, how many run; all if not given.
        """
        busy = places if busy is None else busy
        widths = {s.workers for s in samples}
        if k in widths:
            return self._measured(group, samples, k, places, busy), True
        far = min(abs(math.log2(w / k)) for w in widths)
        factor = self._chance.factor(f"{group} width {k}", SPREAD_DOUBLING * max(1.0, far))
        return self._inferred(group, samples, k, batch, places, busy) * factor, False

    def alike(self, samples: Sequence[Sample], k: int, places: int) -> tuple[int, list[Sample]]:
        """The samples on k workers with as many threads as there are where so many trials have room, or with the
        nearest number; that number."""
        threads = self.threads(k, places)
        by_threads: dict[int, list[Sample]] = {}
        for s in samples:
            if s.workers == k:
                by_threads.setdefault(self.threads(k, s.places or s.side_by_side), []).append(s)
        nearest = min(sorted(by_threads), key=lambda t: abs(math.log(t / threads)))
        return nearest, by_threads[nearest]

    def _measured(self, group: str, samples: Sequence[Sample], k: int, places: int, busy: int) -> float:
        wanted, (threads, same) = self.threads(k, places), self.alike(samples, k, places)
        step_s = self._beside(self._by_beside(group, same, threads), k, busy)
        if threads == wanted:
            return step_s
        factor = self._chance.factor(f"{group} threads {wanted}", SPREAD_THREADS * abs(math.log2(threads / wanted)))
        return step_s * math.pow(threads / wanted, GAIN_THREADS) * factor

    def _by_beside(self, group: str, same: Sequence[Sample], threads: int) -> dict[int, float]:
        found: dict[int, list[float]] = {}
        for s in same:
            found.setdefault(s.side_by_side, []).append(s.step_s)
        key = f"{group} {same[0].workers} {threads}"
        means = {c: self._chance.mean(f"{key} {c}", values) for c, values in found.items()}
        return _rising(means, {c: len(values) for c, values in found.items()})

    def _beside(self, by_beside: dict[int, float], k: int, side_by_side: int) -> float:
        """Between two measured numbers of busy workers of a node on their line; beyond them by the profile's
        slowdown."""
        if side_by_side in by_beside:
            return by_beside[side_by_side]
        by_busy = {self._busy(k * c): step_s for c, step_s in sorted(by_beside.items())}
        busy = self._busy(k * side_by_side)
        below = max((w for w in by_busy if w <= busy), default=None)
        above = min((w for w in by_busy if w >= busy), default=None)
        if below is not None and above is not None:
            share = (busy - below) / (above - below) if above > below else 0.0
            return by_busy[below] * (1 - share) + by_busy[above] * share
        near = below if below is not None else above
        assert near is not None
        ratio = self._slow(busy) / self._slow(near)
        return by_busy[near] * ratio * self._chance.factor(f"beside {k} {busy}", SPREAD_NEIGHBOURS)

    def _busy(self, num_workers: int) -> int:
        """How many of a node's workers are busy, where so many are in all."""
        return min(num_workers, self._on_node)

    def _slow(self, busy: int) -> float:
        return 1 + self._slowdown * (busy - 1)

    def _inferred(self, group: str, samples: Sequence[Sample], k: int, batch: int, places: int, busy: int) -> float:
        """T = (a + b x local batch) x slowest + all-reduce: a and b from the two nearest measured, or a = 0 from one;
        each where as many workers are busy, and less what it waited for its own slowest. Over several nodes, where
        training on one and on several was measured, a and b are those of one, and the all-reduce is what several took
        beyond that, as much more as the ring's bound grows."""
        widths = sorted({s.workers for s in samples}, key=lambda w: abs(math.log(w / k)))
        within, across = ([w for w in widths if (w > self._on_node) == far] for far in (False, True))
        num_parameters, spread = max(s.num_parameters for s in samples), spread_of(group, samples, self._chance)

        def step_s(workers: int) -> tuple[float, float]:
            """Its local batch, and its step where as many workers are busy."""
            found = [s for s in samples if s.workers == workers]
            room, run = (max(1, num * k // workers) for num in (places, busy))
            return found[0].global_batch_size / workers, self._measured(group, found, workers, room, run)

        def point(workers: int) -> tuple[float, float]:
            """Its local batch, and what each worker computed of a step."""
            local, whole_s = step_s(workers)
            computing_s = max(whole_s - ring_s(num_parameters, workers), whole_s / 10)
            return local, computing_s / slower(workers, spread)

        is_known = k > self._on_node and bool(within) and bool(across)
        points = [point(w) for w in (within if is_known else widths)[:2]]
        factor = 1.0
        if is_known:
            local, measured_s = step_s(across[0])
            beyond_s = measured_s - _computing_s(points, local) * slower(across[0], spread)
            factor = max(1.0, beyond_s / ring_s(num_parameters, across[0]))
        return _computing_s(points, batch / k) * slower(k, spread) + factor * ring_s(num_parameters, k)


def _computing_s(points: Sequence[tuple[float, float]], local: float) -> float:
    """What a worker computes of a step with so many samples, on the line of those measured.

    Args:
        points: samples a worker and seconds of the nearest, and of another.
    """
    (x, y), other = points[0], points[-1]
    slope = (other[1] - y) / (other[0] - x) if other[0] != x else y / x
    slope = min(max(slope, 0.0), y / x)  # neither faster with more samples nor with less than no fixed part
    return y + slope * (local - x)


def _rising(means: Mapping[int, float], counts: Mapping[int, int]) -> dict[int, float]:
    """More neighbours never make a step faster: where it was so measured, both are their common mean (isotonic
    regression by pooling adjacent violators)."""
    pools: list[tuple[float, int, list[int]]] = []
    for c in sorted(means):
        pools.append((means[c], counts[c], [c]))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (low, num_low, first), (high, num_high, then) = pools[-2:]
            num = num_low + num_high
            pools[-2:] = [((low * num_low + high * num_high) / num, num, [*first, *then])]
    return {c: mean for mean, _, some in pools for c in some}


def _slowdown(samples: Sequence[Sample], on_node: int, threads: Callable[[int, int], int]) -> float:
    """By what share each further busy worker of a host makes a step longer: the median over all work that was measured
    beside different numbers of neighbours, with as many threads."""
    found: dict[tuple[str, int, int], dict[int, list[float]]] = {}
    for s in samples:
        key = s.groups[0], s.workers, threads(s.workers, s.places or s.side_by_side)
        found.setdefault(key, {}).setdefault(s.side_by_side, []).append(s.step_s)
    shares = []
    for (_, k, _), by_beside in found.items():
        counts = sorted(by_beside)
        for few, more in pairwise(counts):
            low, high = min(few * k, on_node), min(more * k, on_node)
            if high > low:
                ratio = fmean(by_beside[more]) / fmean(by_beside[few])
                # (1 + s (high - 1)) / (1 + s (low - 1)) = ratio
                shares.append((ratio - 1) / max(1e-9, (high - 1) - ratio * (low - 1)))
    return min(max(median(shares), 0.0), MAX_SLOWDOWN) if shares else 0.0
