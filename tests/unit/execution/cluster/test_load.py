"""How busy a machine is, from two readings of /proc/stat by hand."""

import pytest

from app.execution.cluster.load import busy_between, busy_cores, times

BEFORE = "cpu  100 10 40 800 50 0 0 0 60 0\ncpu0 1 2 3\n"
AFTER = "cpu  130 10 60 840 60 0 0 0 90 0\n"


def test_what_is_not_idle_is_busy() -> None:
    """Of 100 ticks 40 were idle and 10 waited for a disk; guests' 30 are in user's already."""
    assert times(BEFORE) == (850, 1000)
    assert busy_between(times(BEFORE), times(AFTER)) == pytest.approx(0.5)
    assert busy_between(times(BEFORE), times(BEFORE)) == 0.0


def test_this_machine_has_some_busy_cores_or_none() -> None:
    assert 0.0 <= busy_cores(0.02) < 10_000
