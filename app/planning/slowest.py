"""Workers that train together wait in every step for the slowest of them."""

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

from app.planning.profile import Sample
from app.planning.spread import Chance

FAR, NUM_POINTS = 9.0, 3_600
"""Where integrals end, in standard deviations, and the points that they are summed over."""
MAX_SPREAD = 1.0
"""Largest spread of single steps that is believed, as a share of their mean."""


@cache
def largest_of(k: int) -> tuple[float, float]:
    """Mean and standard deviation of the largest of k independent standard normal numbers (normal order statistics,
    Harter 1961), by summing over their density k phi(x) Phi(x)^(k-1)."""
    normal, step = NormalDist(), 2 * FAR / NUM_POINTS
    points = [-FAR + step * number for number in range(NUM_POINTS + 1)]
    weights = [step * k * normal.pdf(x) * normal.cdf(x) ** (k - 1) for x in points]
    mean = sum(weight * x for weight, x in zip(weights, points, strict=True))
    square = sum(weight * (x - mean) ** 2 for weight, x in zip(weights, points, strict=True))
    return mean, math.sqrt(square)


def slower(k: int, spread: float) -> float:
    """How much longer the mean step takes on k workers than on one, each of which differs so much from step to step."""
    return 1 + spread * largest_of(k)[0]


def spread_of(key: str, samples: Sequence[Sample], chance: Chance) -> float:
    """How much one worker differs from step to step, as a share of its mean step: from the fewest workers that steps
    were measured on one by one. On several the slowest was measured, which differs less."""
    known = [s for s in samples if s.step_spread > 0]
    if not known:
        return 0.0
    k = min(s.workers for s in known)
    seen = chance.mean(f"{key} spread", [s.step_spread for s in known if s.workers == k])
    mean, deviation = largest_of(k)
    # seen = spread x deviation / (1 + spread x mean)
    return min(MAX_SPREAD, seen / max(1e-9, deviation - seen * mean)) if seen * mean < deviation else MAX_SPREAD
