"""How far off a prediction may be: what was measured drawn anew, and what differs from run to run."""

import math
import random
from collections.abc import Iterable, Sequence
from statistics import fmean

from app.planning.profile import Sample

SPREAD_RUN = 0.08
"""Relative standard deviation between runs of the same command, where few were measured: what two runs of the same
studies on a quiet machine were apart (`python -m benchmarks plan`) ..."""
WEIGHT_RUN = 4.0
"""... and how many measured deviations it counts as."""
SPREAD_LOADED = 0.3
"""Assumed: the same, where other work kept all cores busy while it was measured; in proportion where it kept some."""
SPREAD_STEP = 0.03
"""Assumed, of the mean step of a training that was measured once."""
SPREAD_TRAINING, WEIGHT_TRAINING = 0.03, 8.0
"""Relative standard deviation between trainings alike in one run, where few were measured (assumed); and how many
measured deviations it counts as."""
SPREAD_START = 0.10
"""Assumed, of start-up from run to run."""


class Chance:
    """Draws for one resampled profile; without a seed nothing is drawn and everything is its mean.

    Each key has draws of its own, so that a number of workers that is asked for first or last gets the same.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed

    @property
    def draws(self) -> bool:
        return self._seed is not None

    def factor(self, key: str, spread: float) -> float:
        """Log-normal, its median 1."""
        return 1.0 if self._seed is None else math.exp(self._of(key).gauss(0.0, spread))

    def mean(self, key: str, values: Sequence[float], spread: float = SPREAD_STEP) -> float:
        """The mean of values drawn from these with replacement (bootstrap); of a single one, spread as assumed."""
        if self._seed is None:
            return fmean(values)
        if len(values) == 1:
            return values[0] * self.factor(key, spread)
        return fmean(self._of(key).choices(values, k=len(values)))

    def _of(self, key: str) -> random.Random:
        return random.Random(f"{self._seed} {key}")


def between_runs(samples: Sequence[Sample]) -> float:
    """Relative standard deviation of the same work between runs, pooled over what was measured in several; few of
    these are held to what is assumed."""
    means: dict[tuple[str, int, int], list[float]] = {}
    for work, logs in _by_run(samples).items():
        means.setdefault(work[:3], []).append(fmean(logs))
    return _pooled(means.values(), SPREAD_RUN, WEIGHT_RUN)


def between_trainings(samples: Sequence[Sample]) -> float:
    """The same between trainings alike that ran beside as many others in one run."""
    return _pooled(_by_run(samples).values(), SPREAD_TRAINING, WEIGHT_TRAINING)


def _by_run(samples: Sequence[Sample]) -> dict[tuple[str, int, int, str], list[float]]:
    """Logarithms of steps, by work and run."""
    found: dict[tuple[str, int, int, str], list[float]] = {}
    for s in samples:
        found.setdefault((s.groups[0], s.workers, s.side_by_side, s.run), []).append(math.log(s.step_s))
    return found


def _pooled(sets: Iterable[Sequence[float]], assumed: float, weight: float) -> float:
    """Standard deviation within sets, what is assumed counting as so many deviations."""
    squares, freedom = 0.0, 0
    for values in sets:
        squares += sum((value - fmean(values)) ** 2 for value in values)
        freedom += len(values) - 1
    return math.sqrt((weight * assumed**2 + squares) / (weight + freedom))
