"""Who works in a folder: one process at a time, until it ends, however it ends."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.data import files
from app.errors import DataError, UsageError

LOCK_NAME = ".lock"
LEFTOVER_AGE_S = 600.0
"""A file that is half written for longer than this is of a process that was killed: whoever does not hold the folder
(a report, an evaluation) may be writing a younger one."""


@contextmanager
def held(folder: str, what: str) -> Iterator[None]:
    """Nobody else holds this folder meanwhile. The lock is the kernel's and goes with the process.

    It holds between hosts where their shared file system passes locks on (NFS from version 4, Lustre with `flock`);
    object stores and file systems without locks cannot tell, and let everybody in. Folders made for this and left
    empty are removed, and so is what a killed process left half written.

    Args:
        what: the folder holds, as in "the run", for the message.

    Raises:
        UsageError: another process holds it; says which, where and since when.
        DataError: the folder cannot be written to.
    """
    if files.is_url(folder):
        yield
        return
    files.check_folder(folder)
    made, path = _missing(folder), files.join(folder, LOCK_NAME)
    try:
        os.makedirs(folder, exist_ok=True)
        lock = _lock(path, folder, what)
    except OSError as error:
        raise DataError(f"{folder} cannot be written to: {error.strerror}; expected a folder that can") from error
    try:
        _remove_leftovers(folder)
        yield
    finally:
        with suppress(OSError):  # a full or read-only disk: the lock is let go of all the same
            os.unlink(path)
        os.close(lock)
        with suppress(OSError):  # no longer empty
            for place in made:
                os.rmdir(place)


def _lock(path: str, folder: str, what: str) -> int:
    """Descriptor of the file, locked and with its owner in it."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _take(lock, folder, what)
            if _is_at(lock, path):
                owner = {"host": socket.gethostname(), "pid": os.getpid(), "since_s": int(time.time())}
                os.ftruncate(lock, 0)
                os.pwrite(lock, json.dumps(owner).encode(), 0)
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # its owner removed it at its end, between our opening and our locking


def _take(lock: int, folder: str, what: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"{what} {folder} is in use by {_owner(lock)}: wait for it to end, or use another") from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise


def _owner(lock: int) -> str:
    try:
        owner = json.loads(os.pread(lock, 4096, 0))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(owner["since_s"])))
        return f"process {int(owner['pid'])} on {owner['host']!s:.64} since {since}"
    except (ValueError, TypeError, KeyError, OSError):
        return "another process"


def _is_at(lock: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.stat(path))
    except FileNotFoundError:
        return False


def _missing(folder: str) -> list[str]:
    """The folder and those above it that are not there, innermost first."""
    place, missing = os.path.abspath(folder), []
    while not os.path.lexists(place):
        missing.append(place)
        place = os.path.dirname(place)
    return missing


def _remove_leftovers(folder: str) -> None:
    before_s = time.time() - LEFTOVER_AGE_S
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if name.startswith(".") and name.endswith(files.PART_SUFFIX) and os.lstat(path).st_mtime < before_s:
                with suppress(OSError):
                    os.unlink(path)
