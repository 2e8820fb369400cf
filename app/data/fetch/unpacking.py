"""Unpack a data set from an archive (tar, compressed or not, or zip) in which it may lie some folders deep.

One pass, in the archive's order: a compressed tar of 400,000 files is read once. As in app.data.fetch.archive, only
plain files below one folder are made, whole or not at all, and an interrupted call writes only what is missing.
"""

import os
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from app.console import progress
from app.data.fetch.archive import (
    check_growth,
    explained,
    is_unpacked,
    member_content,
    safe_path,
    seconds_of,
    write_file,
)
from app.data.fetch.download import CHUNK_BYTES, require_space
from app.errors import DataError

MAX_DEPTH = 3
"""Folders around a data set in an archive (assumed; known ones have up to two)."""


@dataclass(frozen=True)
class _Entry:
    """A file of an archive; `open` reads it, `position` is how far into the archive it is, in bytes."""

    name: str
    num_bytes: int
    modified_s: int
    open: Callable[[], IO[bytes]]
    position: int


def extract_data_set(archive: Path, target: Path, must_hold: tuple[str, ...]) -> Path:
    """Unpack the folder that holds all of `must_hold`, wherever it is in the archive, as `target`; skipped if there.

    Raises:
        DataError: the archive is damaged or no tar or zip, holds no such folder, or a name or link that leads out.
        ResourceError: the disk has too little room.
    """
    if target.exists():
        return target
    staging = target.with_name(f".{target.name}.extracting")
    num_bytes = archive.stat().st_size if archive.is_file() else 0
    num_written = unpacked_bytes = 0
    with explained(archive, staging), _opened(archive) as entries:
        staging.mkdir(parents=True, exist_ok=True)
        there_bytes = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())  # of an earlier call
        require_space(staging, num_bytes - there_bytes, f"unpacking {archive.name}")  # at least: images do not compress
        with progress(f"unpack {archive.name} (MiB)", -(-num_bytes // CHUNK_BYTES)) as advance:
            shown = 0
            for entry in entries:
                path = staging / safe_path(entry.name, archive)
                if path.name.startswith("._"):  # macOS writes one beside each file
                    continue
                unpacked_bytes += entry.num_bytes
                check_growth(unpacked_bytes, archive)
                if not is_unpacked(path, entry.num_bytes, entry.modified_s):
                    if entry.num_bytes > CHUNK_BYTES:  # it may be larger than its share of the archive
                        require_space(staging, entry.num_bytes, f"unpacking {archive.name}")
                    write_file(entry.open(), path, entry.num_bytes, entry.modified_s, archive)
                num_written += 1
                advance(entry.position // CHUNK_BYTES - shown, f"{num_written} files")
                shown = entry.position // CHUNK_BYTES
            advance(-(-num_bytes // CHUNK_BYTES) - shown)
    root = find_root(staging, must_hold)
    if root is None:
        there = sorted(path.name for path in staging.iterdir())[:5]
        shutil.rmtree(staging)
        raise DataError(f"{archive} has no folder with {', '.join(must_hold)} (it holds {', '.join(there)} …)")
    os.sync()  # once for all: a sync of each of 400,000 small files takes longer than to write them
    os.replace(root, target)
    shutil.rmtree(staging, ignore_errors=True)
    return target


def find_root(folder: Path, must_hold: tuple[str, ...]) -> Path | None:
    """The first folder, breadth first, that holds all of these files or folders; None: there is none."""
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        for path in level:
            if all((path / name).exists() for name in must_hold):
                return path
        level = [child for path in level for child in sorted(path.iterdir()) if child.is_dir()]
    return None


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[_Entry]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_entries(opened, archive)
        return
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as tar:
        yield _tar_entries(tar, raw, archive)


def _tar_entries(tar: tarfile.TarFile, raw: IO[bytes], archive: Path) -> Iterator[_Entry]:
    for member in tar:
        if member.isdir():
            continue
        if not member.isfile():
            raise DataError(f"{archive}: {member.name} is neither a file nor a folder; unpack it by hand")
        open_member = partial(member_content, tar, member)
        yield _Entry(member.name, member.size, seconds_of(member.mtime), open_member, raw.tell())


def _zip_entries(opened: zipfile.ZipFile, archive: Path) -> Iterator[_Entry]:
    for info in opened.infolist():
        if info.is_dir():
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DataError(f"{archive}: {info.filename} is neither a file nor a folder; unpack it by hand")
        modified_s = seconds_of(time.mktime((*info.date_time, 0, 0, -1)))
        open_member = partial(_open_zipped, opened, info, archive)
        yield _Entry(info.filename, info.file_size, modified_s, open_member, info.header_offset)


def _open_zipped(opened: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> IO[bytes]:
    try:
        return opened.open(info)
    except RuntimeError as error:  # encrypted, or compressed in a way that Python does not know
        raise DataError(f"{archive}: {info.filename} cannot be read: {error}; unpack it by hand") from error
