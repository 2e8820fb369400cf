"""Files by path or URL: local folders, and everything that fsspec knows (s3://, gs://, memory://).

Whatever goes wrong with a path becomes a DataError that names it, so that a store that vanishes or a bucket that can
not be reached is one clear line. A write is never seen half done: locally a temporary name, fsync and rename; in an
object store a single put.
"""

import errno
import fcntl
import itertools
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from app.data.regular import check_regular
from app.data.remote import SILENT_S, open_remote, open_with_folder
from app.data.walking import walk
from app.errors import DataError
from app.machine import memory_bytes
from app.printable import redacted
from app.strict_json import parse

WITHOUT_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that have no hard links."""
PART_SUFFIX = ".part"


@dataclass(frozen=True)
class FileStamp:
    """What tells that a file is still the same: size and time of last change (None: the store does not say)."""

    num_bytes: int
    modified: str | None


def is_url(path: str) -> bool:
    return "://" in path


def join(root: str, *parts: str) -> str:
    """Append path parts; `.` and a leading `./` in them are dropped."""
    cleaned = [piece for part in parts for piece in part.split("/") if piece not in ("", ".")]
    return "/".join([root.rstrip("/"), *cleaned]) if cleaned else root


def name_of(path: str) -> str:
    """The last part of a path."""
    return path.rstrip("/").rsplit("/", 1)[-1]


def parent_of(path: str) -> str:
    """The folder that holds a path; `.` for a bare name."""
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head or ("/" if slash else ".")


def read_bytes(path: str) -> bytes:
    """The whole file.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    with explained("read", path):
        if not is_url(path):
            with open(check_regular(path), "rb") as file:
                if (size := os.fstat(file.fileno()).st_size) > (most := memory_bytes()):
                    raise OSError(errno.EFBIG, f"it has {size:,} bytes, this machine a memory of {most:,}")
                return file.read()
        system, key = open_remote(path)
        content: bytes = system.cat_file(key)
        return content


def read_ranges(ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
    """Parts of files of one file system: path, first byte, the byte after the last. Remote ones come at the same time
    where the file system can; consecutive parts of a local file open it once.

    Raises:
        DataError: a file does not exist, cannot be read, or ends within its part.
    """
    parts: list[bytes] = []
    if ranges and is_url(ranges[0][0]):
        with explained("read", ranges[0][0]):
            system, _ = open_remote(ranges[0][0])
            keys = [system._strip_protocol(path) for path, _, _ in ranges]
            parts = system.cat_ranges(keys, [r[1] for r in ranges], [r[2] for r in ranges], on_error="raise")
    for path, group in () if parts else itertools.groupby(ranges, key=lambda r: r[0]):
        with explained("read", path), open(check_regular(path), "rb", buffering=0) as file:
            parts += [os.pread(file.fileno(), end - start, start) for _, start, end in group]
    for (path, start, end), part in zip(ranges, parts, strict=True):
        if len(part) != end - start:
            raise DataError(f"{path} is damaged: it ends before byte {end}")
    return parts


def write_bytes_atomic(path: str, content: bytes) -> None:
    """Write a file that is there whole or not at all; makes its folder.

    Raises:
        DataError: the place cannot be written, or is full.
    """
    with explained("write", path):
        if is_url(path):
            system, key = open_with_folder(path)
            system.pipe_file(key, content)
            return
        with _written_beside(path, content) as temporary:
            os.replace(temporary, path)


def write_new(path: str, content: bytes) -> bool:
    """Write a file that is there whole or not at all, unless it is there: False, and it stays as it is. Of several that
    write at the same moment one is told True, as far as the store can tell them apart.

    Raises:
        DataError: the place cannot be written, or is full.
    """
    with explained("write", path):
        if is_url(path):
            return _create_remote(path, content)
        with _written_beside(path, content) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in WITHOUT_LINKS:
                    raise
                if os.path.exists(path):
                    return False
                os.replace(temporary, path)
        return True


def _create_remote(path: str, content: bytes) -> bool:
    system, key = open_with_folder(path)
    if system.exists(key):  # some take `mode` and overwrite all the same
        return False
    try:
        system.pipe_file(key, content, mode="create")
    except FileExistsError:
        return False
    except TypeError:  # one that does not know `mode`
        system.pipe_file(key, content)
    return True


@contextmanager
def _written_beside(path: str, content: bytes) -> Iterator[str]:
    """A file of another name in the folder of `path`, whole and on the disk; gone afterwards unless it was renamed."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".{uuid.uuid4().hex}{PART_SUFFIX}")
    try:
        with open(temporary, "xb") as file:  # as the user's umask has it: mkstemp's 0600 would hide a shared store
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)  # until it is renamed: by this app.data.store.ownership spares it
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            yield temporary
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def check_folder(path: str) -> None:
    """Whether a folder is there or can be made, and takes files; nothing is made. Of a URL only that it is reached.

    Raises:
        DataError: it is a file, lies in one, or may not be written.
    """
    if is_url(path):
        exists(path)
        return
    there = os.path.abspath(path)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise DataError(f"cannot write {path}: {there} is not a folder; name another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"cannot write {path}: {there} does not allow it; name another place")


def remove(path: str) -> None:
    """Remove a file; one that is not there is no error.

    Raises:
        DataError: the store cannot be reached or does not allow it.
    """
    with explained("remove", path):
        if not is_url(path):
            with suppress(FileNotFoundError):
                os.unlink(path)
            return
        system, key = open_remote(path)
        if system.exists(key):
            system.rm_file(key)


def exists(path: str) -> bool:
    """Whether a file or folder is there.

    Raises:
        DataError: the store cannot be reached.
    """
    with explained("look for", path):
        if not is_url(path):
            return os.path.exists(path)
        system, key = open_remote(path)
        return bool(system.exists(key))


def is_folder(path: str) -> bool:
    with explained("look for", path):
        if not is_url(path):
            return os.path.isdir(path)
        system, key = open_remote(path)
        return bool(system.isdir(key))


def stamp(path: str) -> FileStamp:
    """Size and time of change of a file.

    Raises:
        DataError: it does not exist or cannot be reached.
    """
    with explained("look at", path):
        if not is_url(path):
            facts = os.stat(path)
            return FileStamp(facts.st_size, str(facts.st_mtime_ns))
        system, key = open_remote(path)
        info = system.info(key)
        changed = next((info[k] for k in ("etag", "ETag", "mtime", "LastModified", "updated") if info.get(k)), None)
        return FileStamp(int(info["size"]), None if changed is None else str(changed))


def list_files(root: str) -> list[str]:
    """All files below a folder, whole paths, sorted; hidden files and folders (a leading dot) are left out, and links
    to a folder that they lie in.

    Raises:
        DataError: the folder does not exist or cannot be read.
    """
    with explained("list", root):
        found = _list_remote(root) if is_url(root) else walk(root)
    return sorted(found)


def read_json(path: str) -> Any:
    """Raises DataError when the file is missing or damaged (app.strict_json)."""
    return parse(read_bytes(path), path)


def write_json(path: str, value: Any) -> None:
    """Passwords in URLs are hidden: what is read back compares with `redacted` values alone."""
    write_bytes_atomic(path, (json.dumps(redacted(value), indent=1) + "\n").encode())


def _list_remote(root: str) -> list[str]:
    system, key = open_remote(root)
    keys = [k for k in system.find(key) if "/." not in k[len(key) :]]
    if not keys and not system.exists(key):
        raise FileNotFoundError("no such folder")
    return [system.unstrip_protocol(k) for k in keys]


@contextmanager
def explained(action: str, path: str) -> Iterator[None]:
    """Whatever goes wrong with a path within becomes a DataError that names it."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise DataError(f"cannot {action} {path}: not found") from error
    except TimeoutError as error:
        raise DataError(f"cannot {action} {path}: its server said nothing for {SILENT_S:.0f} s; try later") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file system takes
        raise DataError(f"cannot {action} {path}: {getattr(error, 'strerror', None) or error}") from error
    except ImportError as error:
        raise DataError(f"cannot {action} {path}: {error}; install the fsspec package for this protocol") from error
    except Exception as error:  # each remote file system raises classes of its own; none is a bug of ours
        if not is_url(path):
            raise
        raise DataError(f"cannot {action} {path}: {type(error).__name__}: {error}") from error
