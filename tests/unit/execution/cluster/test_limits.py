"""Limits of processes, told before Ray waits for those that cannot start."""

import pytest

from app.errors import ResourceError
from app.execution.cluster import limits
from app.execution.cluster.limits import check_processes
from app.machine import ProcessLimit


def test_a_limit_that_is_too_near_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "process_limits", lambda: [ProcessLimit("the limit of this user", 1000, 600)])
    check_processes(4)  # 320 of 400
    monkeypatch.setattr(limits, "process_limits", lambda: [ProcessLimit("the limit of this user", 1000, 700)])
    with pytest.raises(ResourceError, match=r"user is 1000 .* 700 are taken; .* with 4 CPUs has some 320"):
        check_processes(4)
    near = [ProcessLimit("the limit of this user", 1000, 0), ProcessLimit("a control group (pids.max)", 512, 300)]
    monkeypatch.setattr(limits, "process_limits", lambda: near)
    check_processes(0)
    with pytest.raises(ResourceError, match=r"pids\.max\) is 512 processes and threads, of which 300 are taken"):
        check_processes(1)
