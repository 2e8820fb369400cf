"""Ctrl-C on a terminal ends a training with a line that says how to go on, and with exit code 130."""

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest
from running import ROOT, users_environment
from small_scans import make_store

CTRL_C = b"\x03"
START_WITHIN_S = 120
STOP_WITHIN_S = 30
"""Wanted: 10 s. Assumed for a machine that other work shares; measured there: 4 s."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("small"))


def typed_into_a_terminal(command: list[str], awaited: str, keys: bytes) -> tuple[int, str, float]:
    """Start a command on a terminal of its own and type `keys` once it has shown `awaited`: its exit code, all that it
    showed, and the seconds that it still took."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests themselves run in the background
        os.execve(command[0], command, users_environment())
    shown, typed_s, deadline_s = b"", 0.0, time.monotonic() + START_WITHIN_S
    try:
        while time.monotonic() < deadline_s:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                read = os.read(terminal, 65536)
            except OSError:  # how Linux says that nobody is left at the other end
                break
            shown += read
            if not typed_s and awaited.encode() in shown:
                os.write(terminal, keys)
                typed_s = time.monotonic()
                deadline_s = typed_s + STOP_WITHIN_S
        else:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(), time.monotonic() - typed_s
    finally:
        os.close(terminal)


@pytest.mark.parametrize(
    ("launcher", "awaited"),
    [("local", "best"), ("ray", "starting workers, first samples")],
    ids=["amid its steps", "while Ray's workers start"],
)
def test_ctrl_c_ends_a_training_with_the_line_that_says_how_to_go_on(
    store: Path, tmp_path: Path, launcher: str, awaited: str
) -> None:
    flags = ["--store", str(store), "--runs", str(tmp_path), "--launcher", launcher]
    small = ["--epochs", "3000", "--batch-size", "1", "--task.filters", "4", "8", "--task.patch-size", "8", "8", "8"]
    command = [sys.executable, "jobs/train.py", "brats", *flags, *small]
    code, shown, took_s = typed_into_a_terminal(command, awaited, CTRL_C)
    assert code == 130, shown[-2000:]
    assert shown.count("error: stopped; run the same command to resume") == 1
    assert "Traceback" not in shown
    assert took_s < STOP_WITHIN_S
    assert (tmp_path / "train" / "checkpoint" / "last.pt").exists() == (launcher == "local")


def test_jobs_find_the_environment_that_a_user_has() -> None:
    found = users_environment()
    assert found["PATH"] == os.environ["PATH"]
    assert not {"OMP_NUM_THREADS", "RAY_USAGE_STATS_ENABLED", "MALLOC_ARENA_MAX"} & set(found)
