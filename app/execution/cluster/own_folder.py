"""A folder of one process alone: closed to other users, removed at its end or, had it no time for that, by the next
process that makes one."""

import fcntl
import os
import shutil
import signal
import socket
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "tf-own-"
LOCK_NAME = "lock"
MAX_PLACE = 25
"""Characters of the folder's parent: the sockets that Ray makes within it may have paths of 107."""
MAKING_S = 3600.0
"""Assumed: a folder without a lock is being made for this long at most."""


class OwnFolder:
    """The folder; its lock is the kernel's and goes with the process."""

    def __init__(self) -> None:
        _remove_dead()
        self.path = tempfile.mkdtemp(prefix=PREFIX, dir=_places()[0])  # with mode 700
        self._lock = os.open(os.path.join(self.path, LOCK_NAME), os.O_RDWR | os.O_CREAT, 0o600)
        with suppress(OSError):  # a file system without locks: then nobody takes it for dead, as nobody can lock it
            fcntl.flock(
                self._lock, fcntl.LOCK_EX
            )  # waits for who looks whether it is dead, which without a name it is not
        os.write(self._lock, socket.gethostname().encode())

    def remove(self) -> None:
        """End the other processes that write into it, and remove it."""
        _end_processes(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)


def _places() -> list[str]:
    """Where such folders are made: in the first that has a short name and can be written to."""
    named = [os.environ.get(name) for name in ("RAY_TMPDIR", "TMPDIR")]
    short = [place for place in named if place and len(os.path.abspath(place)) <= MAX_PLACE]
    return [*(os.path.abspath(place) for place in short if os.access(place, os.W_OK | os.X_OK)), "/tmp"]


def _remove_dead() -> None:
    """Remove the folders of this user's processes on this host that have ended, with the processes that they left."""
    for place in dict.fromkeys(_places()):
        for folder in Path(place).glob(f"{PREFIX}*"):
            with suppress(OSError):
                _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        if time.time() - found.st_mtime > MAKING_S:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError: its process lives
        if os.pread(lock, 256, 0).decode(errors="replace") == socket.gethostname():
            _end_processes(str(folder))
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _end_processes(folder: str) -> None:
    for pid in processes_of(folder) - {os.getpid()}:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def processes_of(folder: str) -> set[int]:
    """The processes of this user that have a file of the folder open for writing, as all have that Ray starts: the log
    of their output. (What marks they were given in their environment they overwrite with their names.)"""
    found = set()
    for opened in Path("/proc").glob("[0-9]*/fd/*"):  # none where there is no such folder
        with suppress(OSError):  # it is closed by now, or another user's
            if os.readlink(opened).startswith(folder + os.sep) and opened.lstat().st_mode & stat.S_IWUSR:
                found.add(int(opened.parts[2]))
    return found
