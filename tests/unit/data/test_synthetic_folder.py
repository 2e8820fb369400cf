"""Items written by several processes."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from app.data.synthetic_folder import open_folder, write_in_processes
from app.errors import ResourceError, UsageError


def test_where_no_thread_can_be_started_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool starts its processes first, and these would wait for work that never comes."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        list(write_in_processes(abs, [1, 2], 2, 0.0))
    left = multiprocessing.active_children()
    for process in left:
        process.join(30)
    assert len(left) <= 2 and not any(process.is_alive() for process in left)


def test_a_seed_that_could_not_be_read_back_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="got a number of 133 bits, expected at most 63"):
        open_folder(str(tmp_path / "set"), {"seed": 10**40})
    assert not (tmp_path / "set").exists()


def test_an_item_larger_than_memory_is_refused_before_it_is_made() -> None:
    with pytest.raises(ResourceError, match=r"takes 1,048,576 GiB of memory, this machine has [0-9,]+: "):
        list(write_in_processes(abs, [1], 1, 2.0**50))
