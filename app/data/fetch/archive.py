"""Unpack a tar that came from elsewhere: only plain files below one folder, whole or not at all.

The standard library's extraction filters are missing in Python 3.11.2, which Debian 12 has; so members are written
here, by names that are checked first, and nothing but folders and plain files is made.
"""

import lzma
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from app.console import progress
from app.data.fetch.download import CHUNK_BYTES, require_space
from app.errors import DataError, TwofoldError

MAX_GROWTH = 100
"""Assumed: scans and pages are compressed, text grows fivefold; what is made to fill disks grows by 1000."""
ALWAYS_ALLOWED_BYTES = 2**30
LAST_S = 2**33
"""The year 2242."""
DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError),
    *(ValueError, LookupError, ArithmeticError, NotImplementedError, struct.error),  # by headers that make no sense
)
"""What the libraries raise that read an archive."""


def extract_tar(archive: Path, folder: Path, name: str, must_hold: str) -> Path:
    """Unpack the archive's folder `name` as folder/name, which must hold a file `must_hold`; skipped if it is there.

    Files gather in a hidden folder beside it; an interrupted call goes on with the file that it was at.

    Raises:
        DataError: the archive is damaged, holds something else, or a name or link that points outside the folder.
        ResourceError: the disk has too little room.
    """
    target = folder / name
    if target.exists():
        return target
    staging = folder / f".{name}.extracting"
    with explained(archive, staging), tarfile.open(archive) as tar:
        members = [member for member in tar.getmembers() if not _is_resource_fork(member)]
        paths = [_path_below(name, member, archive) for member in members]
        if PurePosixPath(name, must_hold) not in paths:
            raise DataError(f"{archive} has no {name}/{must_hold}: it is not the expected archive")
        todo = [(m, staging / p) for m, p in zip(members, paths, strict=True) if m.isfile()]
        todo = [(one, path) for one, path in todo if not is_unpacked(path, one.size, seconds_of(one.mtime))]
        staging.mkdir(parents=True, exist_ok=True)
        num_bytes = sum(member.size for member, _ in todo)
        check_growth(num_bytes, archive)
        require_space(folder, num_bytes, f"unpacking {archive.name}")
        with progress(f"unpack {archive.name}", len(todo)) as advance:
            for member, path in todo:
                write_file(member_content(tar, member), path, member.size, seconds_of(member.mtime), archive, sync=True)
                advance()
    os.replace(staging / name, target)
    shutil.rmtree(staging)
    return target


def check_growth(num_bytes: int, archive: Path) -> None:
    """Raises DataError when so many bytes cannot be of a data set in an archive of its size."""
    most = max(MAX_GROWTH * archive.stat().st_size, ALWAYS_ALLOWED_BYTES)
    if num_bytes > most:
        raise DataError(
            f"{archive} unpacks to {num_bytes / 1e9:.1f} GB or more, expected at most {MAX_GROWTH} times its size; "
            "it is no data set"
        )


def _is_resource_fork(member: tarfile.TarInfo) -> bool:
    """macOS writes `._x` beside each x; the Decathlon's archives are full of them."""
    return PurePosixPath(member.name).name.startswith("._")


def _path_below(name: str, member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    if not (member.isfile() or member.isdir()):
        raise DataError(f"{archive}: {member.name} is neither a file nor a folder; nothing was unpacked from it")
    path = safe_path(member.name, archive)
    if path.parts and path.parts[0] != name:
        raise DataError(f"{archive}: {member.name} is outside the folder {name}; it is not the expected archive")
    return path


def safe_path(name: str, archive: Path) -> PurePosixPath:
    """The path of a member; raises DataError for a name that no file has, or that leads out of the folder that it is
    unpacked into."""
    if "\0" in name:
        raise DataError(f"{archive}: got the name {name!r:.100}, expected one without NUL; it is no data set")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise DataError(f"{archive}: {name} points outside the folder; it is not the expected archive")
    return path


def seconds_of(modified: float) -> int:
    """The time of a member; 0 for one that no file has."""
    return int(modified) if 0 <= modified <= LAST_S else 0


def is_unpacked(path: Path, num_bytes: int, modified_s: int) -> bool:
    """The time is set last, so a file that has it is whole."""
    if not path.is_file():
        return False
    facts = path.stat()
    return facts.st_size == num_bytes and int(facts.st_mtime) == modified_s


def write_file(
    content: IO[bytes], path: Path, num_bytes: int, modified_s: int, archive: Path, sync: bool = False
) -> None:
    """Write a member, with `sync` onto the disk before it counts as whole.

    Raises:
        DataError: there is less of it than the archive said.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with removed_unless_whole(path), content, path.open("wb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    if path.stat().st_size != num_bytes:
        raise DataError(f"{archive} is damaged: {path.name} ends early; delete it and fetch it again")
    os.utime(path, (modified_s, modified_s))


def member_content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, member.name
    return content


@contextmanager
def removed_unless_whole(path: Path) -> Iterator[None]:
    """On a full disk half a file would only take its room."""
    try:
        yield
    except OSError:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def explained(archive: Path, staging: Path) -> Iterator[None]:
    """Whatever goes wrong with an archive or the folder that it is unpacked into becomes a DataError; of an archive
    that is none of a data set nothing stays, for what is unpacked next would take it over."""
    try:
        yield
    except DataError:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    except TwofoldError:
        raise
    except DAMAGED as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise DataError(f"{archive} is damaged or no archive ({error}); delete it and fetch it again") from error
    except FileNotFoundError as error:
        raise DataError(f"no such file: {archive}") from error
    except OSError as error:
        raise DataError(f"{archive}: cannot unpack {error.filename or 'it'}: {error.strerror or error}") from error
