"""Running a function over many items in threads of this process."""

import threading
import time

import pytest

from app.execution.parallel.in_process import run_cases


def test_every_item_is_done_once_and_errors_end_the_run() -> None:
    assert sorted(run_cases(lambda n: n * n, [1, 2, 3], 2)) == [1, 4, 9]
    with pytest.raises(ZeroDivisionError):
        list(run_cases(lambda n: 1 // n, [1, 0, 2], 2))


def test_after_an_error_no_further_item_is_begun() -> None:
    begun = []

    def fail(n: int) -> None:
        begun.append(n)
        time.sleep(0.01)
        if n == 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(run_cases(fail, range(200), 1))
    assert len(begun) < 200


def test_so_many_items_at_a_time_as_asked() -> None:
    both = threading.Barrier(2)
    assert list(run_cases(lambda _: both.wait(30) >= 0, ["a", "b"], 2)) == [True, True]  # each waits for the other
