"""Which trainings get the workers that nothing is left to begin for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_records import LIKE, record

from app.experiment import Study
from app.planning.cost import CostModel
from app.planning.forecast import forecasts
from app.planning.lanes import Seconds, makespan_s
from app.planning.measured import profile_of
from app.planning.plan import Stage
from app.planning.profile import Failed, group_of
from app.planning.widening import assumed, free_lane, measured, wider, widths
from app.scheduling import Scheduler


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


SPANS = {"short": 10.0, "long": 130.0, "other": 20.0, "odd": 130.0}


def seconds_on(num_workers: int, most: int) -> Seconds:
    """Lanes are there after 5 s on one worker, of which `most` run at a time, after 20 on more; twice the workers halve
    the run, and each trial that runs beside another makes it a tenth longer."""

    def seconds(name: str, k: int, places: int, busy: int) -> tuple[float, float] | None:
        assert places == (most if k == 1 else num_workers // k) and 1 <= busy <= places
        if name == "odd" and k > 1:
            return None
        return (5.0 if k == 1 else 20.0), SPANS[name] / k * (1 + (busy - 1) / 10)

    return seconds


def test_a_plan_is_shorter_by_what_its_last_trial_gains() -> None:
    """Side by side they end at 5 + 11 = 16 and 5 + 143 s. From 16 on the longer one has 132 s to go, alone 120; on both
    workers 20 + 60: 96 s."""
    stages, seconds = [Stage(1, 2, ("short", "long"))], seconds_on(2, 2)
    assert makespan_s(stages, seconds) == pytest.approx(16 + 120)
    assert makespan_s(stages, seconds, widen_over=2) == pytest.approx(16 + 20 + 60)
    little = [Stage(1, 2, ("short", "other"))]
    assert makespan_s(little, seconds, widen_over=2) == pytest.approx(16 + 10), "10 s are not worth a start of 20"
    odd = [Stage(1, 2, ("short", "odd"))]
    assert makespan_s(odd, seconds, widen_over=2) == pytest.approx(136), "its batch does not divide"


def test_the_last_is_moved_as_often_as_it_pays() -> None:
    """Three on four workers end at 5 + 12 = 17, 29 and 161 s. One worker is free from the start: on two, where two have
    room, the longest takes half of 161 x 1.1 / 1.2 beside another, so that it ends at 93.8. The second ends at
    17 + 12 x 1.1 / 1.2 = 28; then the longest has 65.8 s to go, alone 59.8, and half of that on four."""
    stages, seconds = [Stage(1, 3, ("short", "other", "long"))], seconds_on(4, 3)
    assert makespan_s(stages, seconds) == pytest.approx(28 + (161 - 17 - 12) * (1.1 / 1.2) / 1.1)
    end_s = 20 + 161 * (1.1 / 1.2) / 2
    assert makespan_s(stages, seconds, widen_over=4) == pytest.approx(28 + 20 + (end_s - 28) / 1.1 / 2)


def test_nothing_is_moved_while_a_trial_waits() -> None:
    """One lane on three workers: `other` begins at 15 and ends at 35; `long` begins then, and has 130 s or 20 + 65."""
    stages, seconds = [Stage(1, 1, ("short", "other", "long"))], seconds_on(2, 1)
    assert makespan_s(stages, seconds) == pytest.approx(165)
    assert makespan_s(stages, seconds, widen_over=2) == pytest.approx(35 + 20 + 65)


def test_stages_of_another_width_wait_and_so_do_their_workers() -> None:
    stages, seconds = [Stage(1, 2, ("short", "other")), Stage(2, 1, ("long",))], seconds_on(2, 2)
    assert makespan_s(stages, seconds, widen_over=2) == makespan_s(stages, seconds) == pytest.approx(26 + 20 + 65)


def test_fewer_neighbours_make_no_trial_longer_whatever_was_measured() -> None:
    def noisy(name: str, k: int, places: int, busy: int) -> tuple[float, float]:
        return 0.0, SPANS[name] * (1.0 if busy == 2 else 1.5)

    assert makespan_s([Stage(1, 2, ("short", "other"))], noisy) == 20.0


def test_a_batch_that_does_not_divide_is_planned_as_it_runs() -> None:
    """Without the others' workers: 3 samples do not divide by 2."""
    odd = replace(LIKE, batch_size=3)
    ran = record("a", 1, step_s=20.0, experiment=odd.to_dict(), global_batch_size=3)
    short, long = (replace(odd, name=name, epochs=epochs) for name, epochs in (("short", 2), ("long", 50)))
    profile = profile_of([], [ran])
    (plain,) = forecasts(Study("s", (short, long)), profile, 2)
    (wide,) = forecasts(Study("s", (short, long), scheduler=Scheduler("fifo", widen=True)), profile, 2)
    assert wide.makespan_s == plain.makespan_s


def test_the_forecast_of_a_study_that_widens_is_shorter() -> None:
    profile = profile_of([], [record("a", 1), record("b", 2, step_s=1.2)])
    some = tuple(replace(LIKE, name=name, epochs=epochs) for name, epochs in (("short", 2), ("long", 50)))
    plain, wide = (
        {f.plan.strategy: f.makespan_s for f in forecasts(Study("s", some, scheduler=scheduler), profile, 2)}
        for scheduler in (None, Scheduler("fifo", widen=True))
    )
    assert wide["experiment-parallel"] < 0.8 * plain["experiment-parallel"]
    assert wide["data-parallel"] == plain["data-parallel"], "nothing is free"
    failed = replace(profile, failed=(Failed(group_of(LIKE), 2, "no memory"),))
    (only,) = forecasts(Study("s", some, scheduler=Scheduler("fifo", widen=True)), failed, 2)
    assert only.makespan_s == pytest.approx(plain["experiment-parallel"]), "two failed when they were measured"
