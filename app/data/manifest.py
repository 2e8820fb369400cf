"""The table of a prepared store: one row a case or document, `manifest.parquet`. Written last: it says "complete"."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from app.data import files
from app.errors import DataError

MANIFEST_NAME = "manifest.parquet"


def write_manifest(store: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all rows at once, atomically; rows are plain values and lists.

    Raises:
        DataError: the store can not be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), buffer, compression="zstd")
    files.write_bytes_atomic(files.join(store, MANIFEST_NAME), buffer.getvalue())


def read_manifest(store: str) -> list[dict[str, Any]]:
    """All rows.

    Raises:
        DataError: the store is missing, was never finished, or its manifest is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = files.join(store, MANIFEST_NAME)
    if not files.exists(path):
        state = "was never finished" if files.exists(store) else "does not exist"
        raise DataError(f"the prepared store {store} {state} (no {MANIFEST_NAME}): run jobs/prepare.py with it")
    try:
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(files.read_bytes(path))).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}; run jobs/prepare.py again") from error
    return rows
