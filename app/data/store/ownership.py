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
BEGUN_S, LEFTOVER_AGE_S = 5.0, 600.0
"""A file that is half written is of a process that was killed when nobody has it locked and it is no longer just begun,
or, where locks are not known, when it is as old as this: whoever does not hold the folder (a report, an evaluation) may
be writing one. Assumed."""


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
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)  # a link's file would be written over
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
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if name.startswith(".") and name.endswith(files.PART_SUFFIX):
                with suppress(OSError):
                    if _is_left(path):
                        os.unlink(path)


def _is_left(path: str) -> bool:
    """Whether nobody writes the file any longer."""
    age_s = time.time() - os.lstat(path).st_mtime
    if age_s > LEFTOVER_AGE_S or age_s < BEGUN_S:
        return age_s > LEFTOVER_AGE_S
    part = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:  # it is written, or there are no locks
        return False
    finally:
        os.close(part)
