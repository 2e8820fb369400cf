"""What paired differences of scores can tell: the interval of their mean, a test, and the correction for many tests."""

import math
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95
MAX_ERROR = 1 - CONFIDENCE
"""How often a difference may be declared, among all that are tested together, where there is none."""


def mean_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Ends of Student's two-sided interval of the mean; of two values or more."""
    from scipy import special

    mean, error = _mean_and_error(differences)
    half = float(special.stdtrit(len(differences) - 1, (1 + CONFIDENCE) / 2)) * error
    return mean - half, mean + half


def p_value(differences: Sequence[float], tolerance: float = 0.0) -> float:
    """P value of a mean that lies within +-`tolerance`: two-sided paired t test; two values or more."""
    from scipy import special

    mean, error = _mean_and_error(differences)
    beyond = abs(mean) - tolerance
    if error == 0:
        return 0.0 if beyond > 0 else 1.0
    return min(1.0, 2 * float(special.stdtr(len(differences) - 1, -beyond / error)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given: held against MAX_ERROR, they err so often over all of them together (Holm
    1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _mean_and_error(differences: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    sample = np.asarray(differences, np.float64)
    if np.all(sample == sample[0]):
        return float(sample[0]), 0.0  # a mean of equal values may miss them by its rounding
    return float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(len(sample))
