"""Whether a study came to the same results under each strategy: the same trial's scores side by side."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

UNIT_RANGE = (0.0, 1.0)
CONFIDENCE = 0.95
NUM_RESAMPLES = 2000
"""Ends of the interval vary by about 2 % of its width from seed to seed (measured on 200 cases)."""
NOT_SCORES = ("epoch", "step", "loss")

CaseScores = Mapping[str, float | None]
"""Of one score: values by case; None where it is not defined."""


@dataclass(frozen=True)
class Parity:
    """One score of one trial under each strategy."""

    trial: str
    split: str
    score: str
    values: tuple[float | None, ...]
    """In the order of the studies; None where it is not known."""
    difference: float | None = None
    """Largest less smallest."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval of the mean difference over cases, between the two strategies that lie farthest apart."""
    num_cases: int | None = None
    agrees: bool | None = None
    """None where it is not judged: fewer than two values, or a score that does not lie between 0 and 1 and has no
    scores by case, or other numerics."""
    numerics: str = ""
    """In which the trial was trained under each strategy, where they are not the same: the scores do not compare."""
    reasons: tuple[str, ...] = ()
    """Why the scores may differ, where they do."""


def compare(
    trial: str,
    split: str,
    score: str,
    values: Sequence[float | None],
    tolerance: float,
    cases: Sequence[CaseScores] | None = None,
) -> Parity:
    """Judged by the interval of the paired difference where there are scores by case, else by the tolerance.

    Args:
        values: under each strategy.
        cases: of each strategy, in the same order.
    """
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return Parity(trial, split, score, tuple(values))
    (smallest, low_index), (largest, high_index) = min(known), max(known)
    difference = largest - smallest
    paired = paired_differences(cases[low_index], cases[high_index]) if cases is not None else []
    if len(paired) >= 2:
        low, high = difference_interval(paired)
        agrees = low <= 0 <= high
        return Parity(trial, split, score, tuple(values), difference, low, high, len(paired), agrees)
    is_share = all(UNIT_RANGE[0] <= value <= UNIT_RANGE[1] for value, _ in known)
    return Parity(trial, split, score, tuple(values), difference, agrees=difference <= tolerance if is_share else None)


def paired_differences(smaller: CaseScores, larger: CaseScores) -> list[float]:
    """Case by case, where both are defined; rounded to the digits that the tables of cases have."""
    both = [(a, b) for case, a in smaller.items() if a is not None and (b := larger.get(case)) is not None]
    return [round(b - a, 6) for a, b in both]


def difference_interval(differences: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Ends of the percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13)."""
    sample = np.asarray(differences, np.float64)
    draws = np.random.default_rng(seed).integers(0, len(sample), (NUM_RESAMPLES, len(sample)))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(sample[draws].mean(1), [tail, 100 - tail])
    return float(low), float(high)


def is_score(name: str) -> bool:
    """Whether a key of a record's metrics is a score."""
    return name not in NOT_SCORES


def largest_curve_difference(curves: Sequence[Mapping[int, float]]) -> float | None:
    """Of loss curves {epoch: loss}: the largest distance of two at the same epoch; None when no two share one."""
    distances = [
        abs(a[epoch] - b[epoch]) for a, b in itertools.combinations(curves, 2) for epoch in a.keys() & b.keys()
    ]
    return max(distances, default=None)
