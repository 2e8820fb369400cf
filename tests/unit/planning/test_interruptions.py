"""What lost workers and a queue's limit cost, by hand."""

import pytest

from app.errors import UsageError
from app.planning.interruptions import Jobs, checkpoint_interval_s, jobs_of, lost_by_failures_s


def test_young_s_interval_by_hand() -> None:
    """A checkpoint of 2 s and one failure in 10,000 s: 200 s."""
    assert checkpoint_interval_s(2.0, 1e-4) == pytest.approx(200.0)
    with pytest.raises(ValueError, match="expected above 0"):
        checkpoint_interval_s(0.0, 1.0)


def test_what_failures_cost() -> None:
    """In 10 hours 4 workers that each fail once in 20 hours fail twice: each time 150 s and 50 of restart."""
    assert lost_by_failures_s(36_000, 4, 1 / 72_000, 300, 50) == pytest.approx(2 * 200)


def test_how_many_jobs_of_limited_time_a_study_takes() -> None:
    """Ten hours in jobs of four: each but the first loses 150 + 50 s, so 4 h, 3 h 56 min 40 s, and the rest: 3 jobs."""
    assert jobs_of(36_000, 14_400, 300, 50) == Jobs(3, 36_000 + 2 * 200)
    assert jobs_of(14_400, 14_400, 300, 50) == Jobs(1, 14_400)
    assert jobs_of(14_401, 14_400, 300, 50) == Jobs(2, 14_601)
    assert jobs_of(14_400 + 14_200, 14_400, 300, 50) == Jobs(2, 28_800), "both are full"
    assert jobs_of(14_400 + 14_201, 14_400, 300, 50).number == 3
    with pytest.raises(UsageError, match=r"--job-limit-h: got 0\.05, expected more than 0\.0556"):
        jobs_of(36_000, 180, 300, 50)
