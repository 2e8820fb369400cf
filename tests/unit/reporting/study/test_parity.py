"""When strategies agree, with numbers that can be checked by hand and by simulation."""

import numpy as np
import pytest
from scipy import stats

from app.reporting.study.parity import Parity, compare, corrected, largest_curve_difference


def cases(values: "list[float] | np.ndarray") -> dict[str, float | None]:
    return {str(number): float(value) for number, value in enumerate(values)}


def compared(differences: "list[float] | np.ndarray", tolerance: float = 0.01, score: str = "dice") -> Parity:
    """Of a score that is 0.5 in every case under the first strategy."""
    second = 0.5 + np.asarray(differences)
    values = [0.5, float(second.mean())]
    return compare("t", "test", score, values, tolerance, [cases([0.5] * len(second)), cases(second)])


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.80, 0.805], "equivalent"),
        ([0.80, 0.82], "differ"),
        ([0.8, None, 0.8], "identical"),
        ([0.8, None], None),
        ([], None),
    ],
)
def test_without_cases_the_values_decide(values: list[float | None], verdict: str | None) -> None:
    assert compare("t", "validation", "dice", values, tolerance=0.01).verdict == verdict


def test_the_difference_is_that_of_the_farthest_two() -> None:
    assert compare("t", "validation", "dice", [0.5, 0.75], tolerance=0.25).verdict == "equivalent", (
        "the tolerance itself"
    )
    found = compare("t", "validation", "dice", [0.75, None, 0.8, 0.7], tolerance=0.2)
    assert found.difference == pytest.approx(0.1) and found.verdict == "equivalent"


def test_scores_that_are_no_shares_are_shown_and_not_judged() -> None:
    found = compare("t", "validation", "hd95_mm_WT", [4.0, 9.0], tolerance=0.01)
    assert found.difference == 5.0 and found.verdict is None


@pytest.mark.parametrize(
    ("values", "verdict"), [([2.00, 2.01], "equivalent"), ([0.0200, 0.0205], "differ"), ([0.3, 0.31], "differ")]
)
def test_losses_count_by_their_size(values: list[float], verdict: str) -> None:
    assert compare("t", "validation", "cross_entropy", values, tolerance=0.01).verdict == verdict
    by_case = [cases([values[0] * factor for factor in (0.5, 1.0, 1.5)]), cases([v + values[1] for v in (0, 0, 0)])]
    assert compare("t", "test", "cross_entropy", values, 0.01, by_case).allowed == pytest.approx(0.01 * values[1])


def test_few_cases_are_no_agreement_and_a_difference_without_weight_is_no_disagreement() -> None:
    three = compared([0.80, 0.01, 0.0])  # a mean of 0.27, whose interval holds 0
    assert three.verdict == "undecided" and three.num_cases == 3
    fifty = compared(np.full(50, 0.0001) + np.linspace(-1e-5, 1e-5, 50))  # without 0, and next to nothing
    assert fifty.verdict == "equivalent" and fifty.low is not None and fifty.low > 0
    assert compared([0.3, 0.28, 0.32, 0.29]).verdict == "differ"
    assert compared([0.0] * 3).verdict == "identical"
    assert compared([-0.002, 0.002, 0.001, -0.001]).p_value == 1.0


def test_the_interval_is_scipy_s() -> None:
    differences = [0.012, -0.03, 0.02, 0.005, 0.018]
    found = compared(differences)
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_how_often_strategies_at_the_tolerance_are_called_equivalent_and_equal_ones_different() -> None:
    rng = np.random.default_rng(0)
    at_tolerance = [compared(rng.normal(0.01, 0.01, 30)).verdict for _ in range(1000)]
    assert at_tolerance.count("equivalent") <= 0.045 * 1000 and at_tolerance.count("differ") <= 0.045 * 1000
    equal = [compared(rng.normal(0.0, 0.01, 30), tolerance=0.0).verdict for _ in range(1000)]
    assert 0.03 <= equal.count("differ") / 1000 <= 0.07


def test_of_many_comparisons_one_in_twenty_pages_errs() -> None:
    rng = np.random.default_rng(0)
    alone, together = 0, 0
    for _ in range(600):
        page = [compared(rng.normal(0.0, 0.01, 20), tolerance=0.0) for _ in range(10)]
        alone += any(one.verdict == "differ" for one in page)
        together += any(one.verdict == "differ" for one in corrected(page))
    assert alone / 600 > 0.3  # 1 - 0.95^10 = 0.40
    assert 0.03 <= together / 600 <= 0.07


def test_of_three_strategies_each_pair_counts() -> None:
    rng = np.random.default_rng(2)
    near, noisy = rng.normal(0, 0.001, 40), rng.normal(0, 0.2, 40)
    noisy -= noisy.mean() - near.mean() / 2  # its mean lies between, its cases far away
    found = compare(
        "t", "test", "dice", [0.5, 0.5 + near.mean(), 0.5 + noisy.mean()], 0.01,
        [cases([0.5] * 40), cases(0.5 + near), cases(0.5 + noisy)],
    )  # fmt: skip
    assert found.verdict == "undecided"
    assert compared(near).verdict == "equivalent"


def test_cases_are_paired_and_those_without_a_score_left_out() -> None:
    first = {"a": 0.5, "b": None, "c": 0.25, "d": 0.5}
    second = {"c": 0.5, "a": 0.75, "b": 0.5}
    found = compare("t", "test", "dice", [0.4, 0.6], 0.0, [first, second])
    assert (found.num_cases, found.low, found.high) == (2, 0.25, 0.25)


def test_a_single_case_says_nothing_about_spread() -> None:
    found = compare("t", "test", "dice", [0.4, 0.5], 0.2, [{"a": 0.4}, {"a": 0.5}])
    assert found.low is None and found.verdict == "undecided" and found.num_cases == 1
    assert compare("t", "test", "dice", [0.4, 0.4], 0.2, [{"a": 0.4}, {"a": 0.4}]).verdict == "identical"


def test_largest_distance_of_curves_is_a_share_of_the_loss() -> None:
    curves = [{1: 1.0, 2: 0.5}, {1: 1.0, 2: 0.5625, 3: 9.0}, {}]
    assert largest_curve_difference(curves) == pytest.approx(1 / 9)
    assert largest_curve_difference([{1: 1.0}, {}]) is None
    assert largest_curve_difference([{1: 0.0}, {1: 0.0}]) == 0.0
