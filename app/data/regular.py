"""Local files that can be read to their end: a pipe that nobody writes into would be waited for, forever, and a device
may have no end."""

import os
import stat

KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class IrregularFileError(OSError):
    """What is at a path is neither a file nor a folder."""


def check_regular(path: str) -> str:
    """The path itself; one with nothing there is left to whoever opens it.

    Raises:
        IrregularFileError: a pipe, a socket or a device is there; says which.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return path
    for is_kind, name in KINDS:
        if is_kind(mode):
            raise IrregularFileError(f"it is {name}; expected a regular file: copy what it gives into one")
    return path
