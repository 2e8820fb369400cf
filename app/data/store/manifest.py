"""The table of a prepared store: one row a case or document, `manifest.parquet`. Written last: it says "complete"."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app import checksum
from app.data import files
from app.errors import DataError, UsageError
from app.printable import redacted
from app.strict_json import DamagedFileError, fault, parse

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST_NAME = "manifest.parquet"
STORE_NAME = "store.json"
"""How a store is made."""
CONTENT_COLUMNS = ("id", "split", "label", "num_voxels", "crc32")
"""The columns of a manifest that a training depends on, as far as it has them."""


def write_manifest(store: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all rows at once, atomically; rows are plain values and lists.

    Raises:
        DataError: the store cannot be written.
    """
    import pyarrow as pa

    write_table(files.join(store, MANIFEST_NAME), pa.Table.from_pylist([dict(row) for row in rows]))


def read_manifest(store: str) -> list[dict[str, Any]]:
    """All rows.

    Raises:
        DataError: the store is missing, was never finished, or its manifest is damaged.
    """
    rows: list[dict[str, Any]] = read_manifest_table(store).to_pylist()
    return rows


def read_manifest_table(store: str) -> "pa.Table":
    """All rows as Arrow columns: 400,000 of them are open in well under a second.

    Raises:
        DataError: as `read_manifest`.
    """
    path = files.join(store, MANIFEST_NAME)
    if not files.exists(path):
        state = "was never finished" if files.exists(store) else "does not exist"
        raise DataError(f"the prepared store {store} {state} (no {MANIFEST_NAME}): run jobs/prepare.py with it")
    return read_table(path)


def has_manifest(store: str) -> bool:
    return files.exists(files.join(store, MANIFEST_NAME))


def fingerprint(store: str) -> str:
    """What tells apart the cases that a store has now, their splits, labels and samples from any others; a copy of the
    store has the same.

    Raises:
        DataError: as `read_manifest`.
    """
    path = files.join(store, MANIFEST_NAME)
    return _fingerprint(store, files.stamp(path) if files.exists(path) else None)


@lru_cache(maxsize=64)
def _fingerprint(store: str, _: files.FileStamp | None) -> str:
    table = read_manifest_table(store)
    table = table.select([name for name in CONTENT_COLUMNS if name in table.column_names]).sort_by("id")
    digest = hashlib.sha256()
    for name in table.column_names:
        digest.update(json.dumps([name, table[name].to_pylist()]).encode())
    return digest.hexdigest()


def write_table(path: str, table: "pa.Table") -> None:
    """Write a Parquet file with its checksum, atomically. Raises DataError when the place cannot be written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = pa.BufferOutputStream()
    notes = {**(table.schema.metadata or {}), checksum.KEY: checksum.PLACEHOLDER}
    pq.write_table(table.replace_schema_metadata(notes), stream, compression="zstd")
    files.write_bytes_atomic(path, checksum.sealed(stream.getvalue().to_pybytes()))


def read_table(path: str, columns: list[str] | None = None) -> "pa.Table":
    """A Parquet file of a store, or some columns of it. Raises DataError when it is missing or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = files.read_bytes(path)
    try:
        checksum.check(content, path)
    except DamagedFileError as error:
        raise DataError(
            f"{error.file} is damaged: it was changed after it was written; run jobs/prepare.py again"
        ) from error
    try:
        # In this thread: one of Arrow's own that lets go of Python's bytes as the process ends aborts it.
        with pq.ParquetFile(pa.BufferReader(content), pre_buffer=False) as file:
            return file.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}; run jobs/prepare.py again") from error


def claim_store(store: str, options: Mapping[str, Any]) -> None:
    """Note how the store is made, in its store.json; every later call has to say the same.

    Raises:
        UsageError: it was made otherwise, or an option has a value that could not be read back.
        DataError: store.json is damaged.
    """
    path, options = files.join(store, STORE_NAME), redacted(options)
    if (found := fault(options)) is not None:
        raise UsageError(f"the options of the store: {found}")
    seen = redacted(read_claim(store)) if files.exists(path) else options
    if seen != options:
        keys = [key for key in {**options, **seen} if seen.get(key) != options.get(key)]
        pairs = [f"{key} {seen.get(key)!r}, now {options.get(key)!r}" for key in keys]
        raise UsageError(f"the store {store} was made with {'; '.join(pairs)}: use another --store or delete it")
    content = (json.dumps({**options, checksum.KEY: checksum.PLACEHOLDER}, indent=1) + "\n").encode()
    if not files.exists(path) or files.read_bytes(path) != checksum.sealed(content):  # stores had no checksums once
        files.write_bytes_atomic(path, checksum.sealed(content))


def read_claim(store: str) -> dict[str, Any]:
    """How a store is made, as its store.json says.

    Raises:
        DataError: it is missing or damaged.
    """
    path = files.join(store, STORE_NAME)
    content = files.read_bytes(path)
    checksum.check(content, path)
    found = parse(content, path)
    if not isinstance(found, dict):
        raise DataError(
            f"{path} is damaged: got {found!r:.40}, expected an object; run jobs/prepare.py into a new folder"
        )
    return {key: value for key, value in found.items() if key != checksum.KEY}
