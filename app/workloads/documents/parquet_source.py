"""Parquet mirrors of document sets: a column of encoded images, bytes or a struct {bytes, path}, and one of labels."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.data import files
from app.errors import DataError

LABELS = ("label", "labels", "class", "category")


@dataclass(frozen=True)
class Rows:
    """What a file's rows are, their images left unread."""

    path: str
    """Relative to the source."""
    image_paths: tuple[str | None, ...]
    labels: tuple[int, ...]
    """-1: none."""
    class_names: tuple[str, ...]
    """Empty where the file names none."""


def list_rows(source: str, path: str) -> Rows:
    """Labels and file names of all rows of a file.

    Raises:
        DataError: it is damaged, or has no column of images or of integer labels.
    """
    import pyarrow as pa

    with _opened(files.join(source, path)) as (file, where):
        schema = file.schema_arrow
        image, label = _image_column(schema, where), _label_column(schema, where)
        column_type = schema.field(image).type
        has_path = pa.types.is_struct(column_type) and any(field.name == "path" for field in column_type)
        table = file.read(columns=[label, *([f"{image}.path"] if has_path else [])], use_threads=False)
        names = table[image].combine_chunks().field("path").to_pylist() if has_path else [None] * table.num_rows
        numbers = table[label].cast(pa.int64()).fill_null(-1).to_pylist()
        return Rows(path, tuple(names), tuple(numbers), _class_names(schema, label))


def read_images(source: str, path: str, rows: Sequence[int]) -> Iterator[bytes | None]:
    """The encoded images of ascending rows of a file; None where a row has none. Only row groups that hold them are
    read, one at a time.

    Raises:
        DataError: the file can not be read or is damaged.
    """
    wanted = list(rows)
    with _opened(files.join(source, path)) as (file, where):
        image = _image_column(file.schema_arrow, where)
        first = 0
        for group in range(file.num_row_groups):
            end = first + file.metadata.row_group(group).num_rows
            inside = [row - first for row in wanted if first <= row < end]
            if inside:
                column = file.read_row_group(group, columns=[image], use_threads=False).column(image).take(inside)
                for value in column.to_pylist():
                    yield value.get("bytes") if isinstance(value, dict) else value
            first = end


@contextmanager
def _opened(where: str) -> Iterator[tuple[Any, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if files.is_url(where):
            yield pq.ParquetFile(pa.BufferReader(files.read_bytes(where)), pre_buffer=False), where
            return
        with pq.ParquetFile(where) as file:
            yield file, where
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{where} can not be read as Parquet: {error}") from error


def _image_column(schema: Any, where: str) -> str:
    import pyarrow as pa

    def holds_images(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(field.name == "bytes" and holds_images(field.type) for field in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    found = [field.name for field in schema if holds_images(field.type)]
    if "image" in found or len(found) == 1:
        return "image" if "image" in found else str(found[0])
    raise DataError(
        f"{where} has the columns {_columns(schema)}; wanted one column of images (bytes, or a struct with `bytes`), "
        f"saw {len(found)}"
    )


def _label_column(schema: Any, where: str) -> str:
    import pyarrow as pa

    for name in LABELS:
        if name in schema.names and pa.types.is_integer(schema.field(name).type):
            return name
    raise DataError(f"{where} has the columns {_columns(schema)}; wanted an integer column `label`")


def _columns(schema: Any) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _class_names(schema: Any, label: str) -> tuple[str, ...]:
    """As the `datasets` library notes them in the file's metadata."""
    try:
        notes = json.loads((schema.metadata or {})[b"huggingface"])
        return tuple(str(name) for name in notes["info"]["features"][label]["names"])
    except (KeyError, TypeError, ValueError):
        return ()
