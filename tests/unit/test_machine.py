"""Limits of processes and threads, as this machine has them."""

import os
import resource
import subprocess
import sys

import pytest

from app import machine
from app.machine import process_limits

LIMITED = """
import os, resource
from app.machine import process_limits
os.setgroups([]); os.setgid(64123); os.setuid(64123)
resource.setrlimit(resource.RLIMIT_NPROC, (77, 77))
print(process_limits()[0])
"""


def test_the_limit_of_the_user_counts_unless_it_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_of_group", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 1000))
    monkeypatch.setattr(machine, "_num_tasks", lambda _: 600)
    assert [str(limit) for limit in process_limits()] == [
        "the limit of this user (ulimit -u) is 1000 processes and threads, of which 600 are taken"
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert process_limits() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_real_limit() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == "the limit of this user (ulimit -u) is 77 processes and threads, of which 1 are taken\n"


def test_tasks_are_counted() -> None:
    assert machine._num_tasks(os.getuid()) >= 1
    assert machine._num_tasks(2**31 - 7) == 0
