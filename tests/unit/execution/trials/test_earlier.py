"""Timings over several attempts, added up by hand."""

import json
from pathlib import Path

import pytest

from app.execution.trials.earlier import waited_s, with_earlier
from app.records import Timings

LAST = Timings(startup_s=5.0, step_s=10.0, checkpoint_s=1.0, total_s=16.0, num_timed_steps=7)


def write(folder: Path, attempts: list[dict[str, float]], spans: list[tuple[str, float, float]]) -> str:
    (folder / "attempts.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in attempts))
    lines = [json.dumps({"phase": phase, "start_s": start, "end_s": end}) for phase, start, end in spans]
    (folder / "spans.jsonl").write_text("".join(f"{line}\n" for line in lines) + '{"phase": "st')
    return str(folder)


def attempt(start_s: float, trained_s: float, **more: float) -> dict[str, float]:
    return {
        "command_start_s": 0.0,
        "attempt_start_s": start_s,
        "counted_from_s": start_s,
        "trained_s": trained_s,
        **more,
    }


def test_one_attempt_is_as_it_was_measured(tmp_path: Path) -> None:
    assert with_earlier(LAST, write(tmp_path, [attempt(100, 0)], [("step", 100, 116)])) == LAST
    assert with_earlier(LAST, str(tmp_path / "nothing")) == LAST


def test_what_a_checkpoint_kept_counts_by_its_phase_and_the_rest_is_lost(tmp_path: Path) -> None:
    """Two attempts before the last. The first works from 1000 to 1060 and is gone on with from a checkpoint at 1040;
    the second from 2000 to 2030 (its last 4 s are known by its status alone), kept up to 2020."""
    attempts = [attempt(1000, 0), attempt(2000, 40, last_sign_s=2030), attempt(5000, 60)]
    spans = [
        *(("startup", 1000, 1010), ("step", 1010, 1030), ("evaluation", 1030, 1035), ("step", 1036, 1060)),
        *(("startup", 2000, 2008), ("step", 2008, 2026)),
        *(("startup", 5000, 5005), ("step", 5005, 5015), ("checkpoint", 5015, 5016)),
    ]
    found = with_earlier(LAST, write(tmp_path, attempts, spans))
    assert found.startup_s == pytest.approx(5 + 10 + 8)
    assert found.step_s == pytest.approx(10 + 20 + 4 + 12)
    assert found.evaluation_s == pytest.approx(5)
    assert found.other_s == pytest.approx(1)  # between 1035 and 1036
    assert found.checkpoint_s == 1.0
    assert found.lost_s == pytest.approx(20 + 10)
    assert found.total_s == pytest.approx(16 + 60 + 30), "the pauses between attempts are in none"
    phases = [value for name, value in vars(found).items() if name.endswith("_s") and name != "total_s"]
    assert sum(phases) == pytest.approx(found.total_s)
    assert found.num_timed_steps == 7


def test_what_began_anew_has_lost_all(tmp_path: Path) -> None:
    attempts = [attempt(1000, 0), attempt(2000, 0)]
    found = with_earlier(LAST, write(tmp_path, attempts, [("startup", 1000, 1010), ("step", 1010, 1025)]))
    assert (found.lost_s, found.step_s, found.total_s) == (25, 10, 41)


def test_where_nobody_noted_what_was_kept_nothing_is_called_lost(tmp_path: Path) -> None:
    attempts = [{"command_start_s": 0.0, "attempt_start_s": start} for start in (1000.0, 2000.0)]
    found = with_earlier(LAST, write(tmp_path, attempts, [("step", 1000, 1025)]))
    assert (found.lost_s, found.step_s, found.total_s) == (0, 35, 41)


def test_the_time_without_workers_is_from_the_last_sign_to_the_next_attempt_of_the_same_command(tmp_path: Path) -> None:
    """Lost at 1025 and at 1310 (known by its status), begun again at 1100 and 1400; then by another command."""
    attempts = [
        attempt(1000, 0),
        attempt(1100, 20, last_sign_s=1310),
        attempt(1400, 100),
        attempt(9000, 100, command_start_s=8990.0),
    ]
    folder = write(tmp_path, attempts, [("step", 1000, 1025), ("step", 1100, 1300), ("step", 1400, 1500)])
    assert waited_s(folder) == pytest.approx(75 + 90)
    paused = [{**attempts[0], "paused": True}, attempt(2000, 25)]
    assert waited_s(write(tmp_path, paused, [("step", 1000, 1025)])) == 0, "a scheduler's pause"
    assert waited_s(write(tmp_path, attempts[:1], [("step", 1000, 1025)])) == 0
