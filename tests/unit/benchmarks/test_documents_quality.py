"""How the claims on documents are held to their intervals."""

import pytest

from benchmarks.documents_quality import agreement, held


def against(difference: float, low: float, high: float) -> dict[str, float]:
    return {"difference": difference, "low": low, "high": high}


def test_better_must_hold_at_the_low_end() -> None:
    better = held("x", 0.5, against(0.1, 0.05, 0.15))
    assert better.met and better.ratio.median == pytest.approx(1.1)
    unsure = held("x", 0.5, against(0.1, -0.01, 0.2))
    assert not unsure.met and "+0.1000 (-0.0100 to +0.2000)" in str(unsure.what_binds)


def test_two_workers_agree_where_the_interval_holds_zero() -> None:
    assert agreement(against(0.01, -0.01, 0.03), 100).ratio.median == pytest.approx(0.5)
    assert not agreement(against(-0.05, -0.07, -0.03), 100).met
    assert agreement(against(0.0, 0.0, 0.0), 100).met  # not one page differs
