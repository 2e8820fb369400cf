"""When strategies agree, with numbers that can be checked by hand."""

import numpy as np
import pytest

from app.reporting.study_parity import compare, difference_interval, largest_curve_difference


@pytest.mark.parametrize(
    ("values", "agrees"),
    [([0.80, 0.805], True), ([0.80, 0.82], False), ([0.8, None, 0.8], True), ([0.8, None], None), ([], None)],
)
def test_without_cases_the_tolerance_decides(values: list[float | None], agrees: bool | None) -> None:
    assert compare("t", "validation", "dice", values, tolerance=0.01).agrees is agrees


def test_the_difference_is_that_of_the_farthest_two() -> None:
    found = compare("t", "validation", "dice", [0.75, None, 0.8, 0.7], tolerance=0.2)
    assert found.difference == pytest.approx(0.1) and found.agrees is True


def test_scores_that_are_no_shares_are_shown_and_not_judged() -> None:
    found = compare("t", "validation", "hd95_mm_WT", [4.0, 9.0], tolerance=0.01)
    assert found.difference == 5.0 and found.agrees is None


def test_with_cases_the_interval_decides() -> None:
    scores = np.linspace(0.3, 0.9, 30)
    same = {str(case): float(score) for case, score in enumerate(scores)}
    noise = np.random.default_rng(1).normal(0, 0.05, 30)
    noise -= noise.mean()
    noisy = {str(case): float(score) for case, score in enumerate(scores + noise)}
    lower = {str(case): float(score) - 0.002 for case, score in enumerate(scores)}
    agreeing = compare("t", "test", "dice", [0.6, 0.601], 0.0, [same, noisy])
    assert agreeing.agrees is True and agreeing.num_cases == 30
    assert agreeing.low is not None and agreeing.high is not None and agreeing.low < 0 < agreeing.high
    differing = compare("t", "test", "dice", [0.6, 0.598], 1.0, [same, lower])
    assert differing.agrees is False  # every case is lower by the same amount: no chance about it
    assert (differing.low, differing.high) == pytest.approx((0.002, 0.002))
    assert compare("t", "test", "dice", [0.6, 0.6], 0.0, [same, same]).agrees is True


def test_cases_are_paired_and_those_without_a_score_left_out() -> None:
    first = {"a": 0.5, "b": None, "c": 0.25, "d": 0.5}
    second = {"c": 0.5, "a": 0.75, "b": 0.5}
    found = compare("t", "test", "dice", [0.4, 0.6], 0.0, [first, second])
    assert (found.num_cases, found.low, found.high) == (2, 0.25, 0.25)


def test_a_single_case_says_nothing_about_spread() -> None:
    found = compare("t", "test", "dice", [0.4, 0.5], 0.2, [{"a": 0.4}, {"a": 0.5}])
    assert found.low is None and found.agrees is True


def test_the_interval_is_about_that_of_the_normal_distribution() -> None:
    sample = np.random.default_rng(0).normal(0.1, 1.0, 400)
    low, high = difference_interval([float(v) for v in sample])
    half = 1.96 * sample.std() / 20
    assert (low, high) == pytest.approx((sample.mean() - half, sample.mean() + half), abs=0.1 * half)


def test_largest_distance_of_curves() -> None:
    curves = [{1: 1.0, 2: 0.5}, {1: 1.0, 2: 0.5625, 3: 9.0}, {}]
    assert largest_curve_difference(curves) == 0.0625
    assert largest_curve_difference([{1: 1.0}, {}]) is None
