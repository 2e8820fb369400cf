"""Limits of processes, told before Ray waits for those that cannot start."""

import os
import resource

import pytest

from app.errors import ResourceError
from app.execution.cluster import limits
from app.execution.cluster.limits import check_processes

NONE = ("", None, 0)


def test_the_limit_of_the_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_of_group", lambda: NONE)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 1000))
    monkeypatch.setattr(limits, "_num_tasks", lambda _: 600)
    check_processes(4)  # 320 of 400
    monkeypatch.setattr(limits, "_num_tasks", lambda _: 700)
    with pytest.raises(ResourceError, match=r"\(ulimit -u\) is 1000 .* 700 are taken; .* with 4 CPUs has some 320"):
        check_processes(4)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    check_processes(4)


def test_the_limit_of_a_control_group_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_of_user", lambda: NONE)
    monkeypatch.setattr(limits, "_of_group", lambda: ("the limit of this control group (pids.max)", 512, 300))
    check_processes(0)
    with pytest.raises(ResourceError, match=r"pids\.max\) is 512 processes and threads, of which 300 are taken"):
        check_processes(1)


def test_tasks_are_counted() -> None:
    assert limits._num_tasks(os.getuid()) >= 1
    assert limits._num_tasks(2**31 - 7) == 0
