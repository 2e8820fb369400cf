"""Intervals and tests of paired differences, against scipy and numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from app.intervals import MAX_ERROR, holm, mean_interval, p_value


@pytest.mark.parametrize("num_cases", [2, 3, 20, 400])
def test_interval_and_p_value_are_those_of_scipy_s_paired_t_test(num_cases: int) -> None:
    rng = np.random.default_rng(num_cases)
    a, b = rng.normal(0.0, 1.0, num_cases), rng.normal(0.3, 1.0, num_cases)
    expected = stats.ttest_rel(b, a)
    found = [float(v) for v in b - a]
    assert mean_interval(found) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert p_value(found) == pytest.approx(expected.pvalue)


def test_a_mean_is_held_against_the_tolerance() -> None:
    found = [0.4, 0.5, 0.6, 0.7]
    beyond = stats.ttest_1samp(found, 0.2, alternative="greater").pvalue
    assert p_value(found, 0.2) == pytest.approx(2 * beyond)
    assert p_value([-v for v in found], 0.2) == pytest.approx(2 * beyond)
    assert p_value(found, 0.6) == 1.0


def test_differences_without_spread() -> None:
    assert mean_interval([0.1, 0.1, 0.1]) == (0.1, 0.1)
    assert (p_value([0.1] * 3, 0.05), p_value([0.1] * 3, 0.2), p_value([0.0] * 3)) == (0.0, 1.0, 1.0)


def test_holm_by_hand() -> None:
    # in rising order 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, and none below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []
    assert pytest.approx(0.05) == MAX_ERROR, "of what is held against it"
