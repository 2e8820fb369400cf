"""Entries of list files: a path that leaves the data set is not read unless the user says so.

A data set from elsewhere may name any file of this machine: by an absolute path, by `..`, or by a link among its files.
"""

import os
from functools import lru_cache

from app.data import files
from app.errors import DataError

ALLOW = "--allow-outside"


def listed_path(root: str, name: str, listing: str, allow_outside: bool = False) -> str:
    """The path of what a list file of the data set at `root` names.

    Args:
        root: folder or URL of the data set.
        name: as it is listed.
        listing: the list file, for the message.
        allow_outside: take absolute paths, `..` and links that lead out as well.

    Raises:
        DataError: the path leaves the data set; says how, and how to allow it.
    """
    reason = None if allow_outside else outside_reason(root, name)
    if reason is not None:
        raise DataError(
            f"{listing} names {name}, which {reason}; if that is meant, say so with {ALLOW}, else correct the list"
        )
    return name if _is_absolute(name) else files.join(root, name)


def outside_reason(root: str, name: str) -> str | None:
    """Why a path of a data set is none inside its folder; None: it is inside, or is not there at all."""
    if _is_absolute(name):
        return "is an absolute path"
    depth = 0
    for part in name.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            return f"leads out of {root}"
    if files.is_url(root):
        return None
    return link_reason(root, files.join(root, name))


def link_reason(root: str, path: str) -> str | None:
    """Why a local file, found in the folder `root`, is none of it: a link leads out. None also of a URL."""
    if files.is_url(root):
        return None
    real, inside = _real_path(path), _real_folder(root)
    return None if real == inside or real.startswith(inside.rstrip("/") + "/") else f"is a link to {real}"


def place_inside(root: str, path: str) -> str | None:
    """Where a local file, found in the folder `root`, really lies below it; None: elsewhere, or it is a URL."""
    if files.is_url(root):
        return None
    start = _real_folder(root).rstrip("/") + "/"
    real = _real_path(path)
    return real[len(start) :] if real.startswith(start) else None


def _real_path(path: str) -> str:
    folder, name = os.path.split(path)
    if folder in ("", path) or name in ("", ".", ".."):
        return os.path.realpath(path)
    real = os.path.join(_real_folder(folder), name)
    return os.path.realpath(real) if os.path.islink(real) else real


def _is_absolute(name: str) -> bool:
    return files.is_url(name) or name.startswith("/")


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    """A list of 400,000 files has few folders or deep ones, and each part of a path costs a call of the system."""
    return _real_path(folder)
