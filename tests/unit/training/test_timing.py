"""A timeline of few stretches: short ones belong to what is before them, gaps stay gaps."""

import time

import pytest

from app.records import Span
from app.training.timing import PhaseTimer, Stretches


def shown(*added: tuple[str, float, float]) -> list[tuple[str, float, float]]:
    stretches = Stretches()
    for phase, start_s, end_s in added:
        stretches.add(phase, start_s, end_s)
    return [(s.phase, s.start_s, s.end_s) for s in stretches.take() + stretches.take_open()]


def test_steps_and_short_waits_become_one_stretch() -> None:
    assert shown(("step", 0, 1), ("data_wait", 1, 1.4), ("step", 1.41, 2)) == [("step", 0, 2)]


def test_a_long_wait_an_evaluation_and_a_gap_are_seen() -> None:
    assert shown(
        ("first_batch", 0, 0.3), ("step", 0.3, 1), ("data_wait", 1, 1.6), ("step", 1.6, 2), ("evaluation", 2, 2.1),
        ("checkpoint", 2.1, 2.12), ("step", 2.12, 3), ("step", 4, 5),
    ) == [
        ("first_batch", 0, 0.3), ("step", 0.3, 1), ("data_wait", 1, 1.6), ("step", 1.6, 2), ("evaluation", 2, 2.12),
        ("step", 2.12, 3), ("step", 4, 5),
    ]  # fmt: skip


def test_what_has_ended_is_taken_once() -> None:
    stretches = Stretches()
    stretches.add("step", 0, 1)
    stretches.add("evaluation", 1, 2)
    assert stretches.take() == [Span("step", 0, 1)]
    assert stretches.take() == []
    assert stretches.take_open() == [Span("evaluation", 1, 2)]


def test_the_timer_shows_start_up_from_the_command_on_and_warm_up_as_steps() -> None:
    command_s = time.time() - 2
    timer = PhaseTimer(command_s)
    timer.startup_done()
    with timer.waiting():
        time.sleep(0.06)
    for _ in range(5):
        with timer.step():
            time.sleep(0.02)
    spans = timer.stretches.take() + timer.stretches.take_open()
    assert [span.phase for span in spans] == ["startup", "first_batch", "step"]
    assert spans[0].start_s == pytest.approx(command_s, abs=0.01)
    assert spans[0].end_s - spans[0].start_s == pytest.approx(timer.seconds["startup"], abs=0.01)
    assert spans[2].end_s == pytest.approx(time.time(), abs=0.1)
    assert spans[2].end_s - spans[2].start_s == pytest.approx(
        timer.seconds["warmup_steps"] + timer.seconds["step"], abs=0.05
    )


def test_how_much_steps_differ_with_the_waits_for_their_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three of warm-up steps of 1, 1, 2 and 4 s, the third with a wait of 2 s: 1, 1, 4 and 4, whose mean is 2.5
    and whose variance is 3."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    timer = PhaseTimer()
    for wait_s, step_s in [(9, 9), (9, 9), (0, 5), (0, 1), (0, 1), (2, 2), (0, 4)]:
        with timer.waiting():
            now[0] += wait_s
        with timer.step():
            now[0] += step_s
        now[0] += 0.5
    assert timer.timings().num_timed_steps == 4
    assert timer.timings().step_spread == pytest.approx(3**0.5 / 2.5)
    assert PhaseTimer().timings().step_spread == 0.0
