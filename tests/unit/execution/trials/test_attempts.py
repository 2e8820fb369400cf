"""Attempts at a trial: counted in its folder, and only those repeated that may end otherwise."""

import dataclasses
from pathlib import Path

import pytest

from app.errors import DataError, ResourceError, TrainingError, TwofoldError
from app.execution.trials import attempts
from app.execution.trials.attempts import failure_of, given_up, is_worth_another
from app.experiment import Experiment
from app.run_folder.contents import Failure
from app.training.order import Order

DEATH, PIPE, RESET, NAN = (
    Failure("death", "gone"),
    Failure("error", "broken pipe"),
    Failure("error", "reset"),
    Failure("final", "the loss is nan"),
)


@pytest.mark.parametrize(
    ("failures", "max_retries", "again"),
    [
        ([DEATH], 1, True),
        ([DEATH], 0, False),
        ([DEATH, DEATH], 3, True),
        ([PIPE], 3, True),
        ([PIPE, RESET], 3, True),
        ([PIPE, PIPE], 3, False),
        ([PIPE, DEATH, PIPE], 3, True),
        ([NAN], 3, False),
        ([DEATH, NAN], 3, False),
    ],
)
def test_only_what_another_attempt_can_mend_is_tried_again(
    failures: list[Failure], max_retries: int, again: bool
) -> None:
    assert is_worth_another(failures, max_retries) is again


def order(folder: Path, start_s: float = 100.0) -> Order:
    return Order(Experiment(name="a", workload="toy"), "", str(folder), start_s)


def test_the_failures_of_this_command_are_found_by_the_next_attempt(tmp_path: Path) -> None:
    before, now = order(tmp_path, 50.0), order(tmp_path)
    attempts.note_attempt(before)
    attempts.note_failure(before, NAN)
    assert attempts.failures_so_far(now) == [], "an earlier command's are no matter of this one's"
    assert attempts.note_attempt(now) == now
    attempts.note_failure(now, PIPE)
    again = attempts.note_attempt(now)
    assert again.start_s > now.start_s, "start-up counts from the second start"
    died = Failure("death", "a worker died")
    assert attempts.failures_so_far(now) == [PIPE, died], "the second could not say why it ended"
    attempts.note_failure(now, died)
    attempts.note_failure(now, RESET)  # of an attempt that failed before it was noted
    assert attempts.failures_so_far(now) == [PIPE, died, RESET]
    assert attempts.count_restarts(str(tmp_path)) == 3


def test_what_fails_before_it_is_noted_fails_after_the_pause(tmp_path: Path) -> None:
    attempts.note_attempt(order(tmp_path))
    attempts.note_pause(order(tmp_path))
    attempts.note_failure(order(tmp_path), NAN)
    assert attempts.failures_so_far(order(tmp_path)) == [NAN]


def test_what_follows_a_pause_is_no_restart_and_no_death(tmp_path: Path) -> None:
    for _ in range(3):
        attempts.note_attempt(order(tmp_path))
        attempts.note_pause(order(tmp_path))
    attempts.note_attempt(order(tmp_path))
    assert attempts.count_restarts(str(tmp_path)) == 0
    assert len(attempts.failures_so_far(order(tmp_path))) == 1, "the one under way"
    wider = dataclasses.replace(order(tmp_path), num_workers=2)
    attempts.note_attempt(wider)
    assert (attempts.earlier_widths(order(tmp_path)), attempts.earlier_widths(wider)) == ((2,), (1,))


def test_errors_are_told_apart(tmp_path: Path) -> None:
    o = order(tmp_path)
    assert failure_of(DataError("gone"), o) == Failure("final", "gone", "DataError")
    assert failure_of(ConnectionError("reset\nby peer"), o) == Failure("error", "ConnectionError: reset")
    memory = failure_of(RuntimeError("CUDA out of memory. Tried"), o)
    assert memory.kind == "final" and memory.error == "ResourceError" and "max_micro_batch_size" in memory.reason
    assert not memory.spares_workers and failure_of(TrainingError("nan"), o).spares_workers
    try:
        raise KeyError("x")
    except KeyError as error:
        bug = failure_of(error, o)
    assert bug.kind == "final" and bug.reason.startswith("a bug: KeyError: 'x' (") and not bug.spares_workers
    assert type(bug.as_error()) is TwofoldError and type(memory.as_error()) is ResourceError


def test_who_is_given_up_says_after_how_many_attempts() -> None:
    assert given_up([NAN]) == NAN
    assert given_up([DEATH, PIPE]) == dataclasses.replace(PIPE, reason="given up after 2 attempts: broken pipe")
