"""Which trainings get the workers that nothing is left to begin for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_records import LIKE, record

from app.planning.cost import CostModel
from app.planning.lanes import makespan_s
from app.planning.measured import profile_of
from app.planning.plan import Stage
from app.planning.widening import assumed, free_lane, measured, wider, widths


def test_a_training_moves_where_start_up_is_paid_back() -> None:
    """Of 100 s left: on two 20 + 100 / 1.6 = 82.5, on four 20 + 100 / 2.56 = 59.06. Of 40 s: 45 and 35.6, less than a
    tenth of which is won only on four."""
    again = assumed(1, 0.0)
    assert wider(1, [2], 100.0, again) == (2, pytest.approx(17.5))
    assert wider(1, [2, 4], 100.0, again) == (4, pytest.approx(100 - 20 - 100 / 2.56))
    assert wider(1, [2], 40.0, again) is None
    assert wider(1, [2, 4], 40.0, again) == (4, pytest.approx(40 - 20 - 40 / 2.56))
    assert wider(1, [], 100.0, again) is None
    assert wider(1, [2], 100.0, assumed(1, 30.0)) is None, "92.5 s: this study's groups take longer to start"


def test_by_what_was_measured() -> None:
    """An epoch of ten steps and 2 s of evaluation and checkpoint: 22 s on one worker at 2 s a step, 14 s on two at
    1.2 s; a lane of them is there after 5 s."""
    model = CostModel(profile_of([], [record("a", 1), record("b", 2, step_s=1.2)]))
    start_s, share = measured(model, LIKE, 1, 2, 1)(2)
    assert start_s == pytest.approx(5.0)
    assert share == pytest.approx(14 / 22)
    assert measured(model, replace(LIKE, epochs=30), 1, 2, 1)(2) == pytest.approx((5.0, 14 / 22))


def test_widths_double_as_far_as_workers_are_free_and_the_batch_divides() -> None:
    assert widths(1, 8, num_free=1, num_workers=2, num_live=1) == [2]
    assert widths(1, 8, num_free=7, num_workers=8, num_live=1) == [2, 4, 8]
    assert widths(1, 8, num_free=6, num_workers=8, num_live=2) == [2, 4], "the other gets its share"
    assert widths(1, 8, num_free=1, num_workers=4, num_live=3) == [2], "what nobody else has is used"
    assert widths(2, 6, num_free=2, num_workers=4, num_live=1) == [], "6 samples do not divide by 4"
    assert widths(3, 12, num_free=3, num_workers=6, num_live=1) == [6]
    assert widths(1, 8, num_free=0, num_workers=2, num_live=2) == []


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([1, 2, 4])), max_size=6), st.sampled_from([1, 2, 4]))
def test_a_free_lane_shares_no_worker_and_is_the_first(taken: list[tuple[int, int]], width: int) -> None:
    def workers(lane: int, k: int) -> set[int]:
        return {lane * k + number for number in range(k)}

    held = {worker for lane, k in taken for worker in workers(lane, k)}
    found = free_lane(taken, width)
    assert not held & workers(found, width)
    assert all(held & workers(lane, width) for lane in range(found))


SPANS = {"short": 10.0, "long": 130.0, "other": 20.0}


def seconds(name: str, k: int, places: int, busy: int) -> tuple[float, float]:
    """Lanes are there after 5 s on one worker, after 20 on more; twice the workers halve the run."""
    return (5.0 if k == 1 else 20.0), SPANS[name] / k


def test_a_plan_is_shorter_by_what_its_last_trial_gains() -> None:
    """Side by side they end at 15 and 135 s. At 15 the longer one has 120 s to go, or 20 + 60 on both workers: 95."""
    stages = [Stage(1, 2, ("short", "long"))]
    assert makespan_s(stages, seconds) == 135.0
    assert makespan_s(stages, seconds, widen=True) == pytest.approx(95.0)
    assert makespan_s([Stage(1, 2, ("short", "other"))], seconds, widen=True) == 25.0, (
        "10 s are not worth a start of 20"
    )


def test_the_last_is_moved_as_often_as_it_pays() -> None:
    """Of four workers one is free from the start: on two the longest ends at 20 + 135 / 2 = 87.5. At 25 s the others
    have ended; on four the 62.5 s that it has to go are 20 + 31.25."""
    stages = [Stage(1, 4, ("short", "other", "long"))]
    assert makespan_s(stages, seconds) == 135.0
    assert makespan_s(stages, seconds, widen=True) == pytest.approx(25 + 20 + 31.25)


def test_stages_of_another_width_wait_and_so_do_their_workers() -> None:
    stages = [Stage(1, 2, ("short", "other")), Stage(2, 1, ("long",))]
    assert makespan_s(stages, seconds, widen=True) == makespan_s(stages, seconds) == 25.0 + 20.0 + 65.0
