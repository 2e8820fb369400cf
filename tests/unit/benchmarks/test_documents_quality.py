"""How the claims on documents are held to their intervals."""

import numpy as np
import pytest

from benchmarks.documents_quality.run import agreement, compare_hits, held


def against(difference: float, low: float, high: float) -> dict[str, float]:
    return {"difference": difference, "low": low, "high": high}


def test_better_must_hold_at_the_low_end() -> None:
    better = held("x", 0.5, against(0.1, 0.05, 0.15))
    assert better.met and better.ratio.median == pytest.approx(1.1)
    unsure = held("x", 0.5, against(0.1, -0.01, 0.2))
    assert not unsure.met and "+0.1000 (-0.0100 to +0.2000)" in str(unsure.what_binds)


def test_two_workers_agree_where_the_whole_interval_lies_within_the_tolerance() -> None:
    assert agreement(against(0.01, -0.01, 0.03), 1000).ratio.median == pytest.approx(0.6)
    assert agreement(against(0.01, -0.01, 0.03), 1000).met
    assert not agreement(against(-0.05, -0.07, -0.03), 1000).met
    assert not agreement(against(0.0, -0.08, 0.08), 30).met, "few pages hide a difference"
    assert agreement(against(0.0, 0.0, 0.0), 100).ratio.median == pytest.approx(0.6)  # 3 of 100 may be hidden
    assert not agreement(against(0.0, 0.0, 0.0), 20).met


def test_two_workers_that_are_five_points_worse_are_found_out() -> None:
    """Each of 640 pages is right with k = 1 in 80 % and with k = 2 in 75 %, most of them with both."""
    rng = np.random.default_rng(0)
    met = []
    for _ in range(100):
        drawn = rng.choice(4, 640, p=[0.72, 0.08, 0.03, 0.17])  # right in both, in the first alone, in the second alone
        one, two = np.isin(drawn, [0, 1]), np.isin(drawn, [0, 2])
        met.append(agreement(compare_hits([two], [one], [[str(page) for page in range(640)]]), 640).met)
    assert sum(met) <= 5
