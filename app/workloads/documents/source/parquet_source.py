"""Parquet mirrors of document sets: a column of encoded images, bytes or a struct {bytes, path}, or of paths alone, and
one of labels, numbers or words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.data import files
from app.data.regular import check_regular
from app.errors import DataError
from app.strict_json import DamagedFileError, parse

LABELS = ("label", "labels", "class", "category")
PATHS = ("file_name", "image", "image_path", "path", "file")
"""Columns of text that may say where an image is."""
SPLITS = ("split", "subset")
"""Columns of text that may say the split of a row."""


@dataclass(frozen=True)
class Rows:
    """What a file's rows are, their images left unread."""

    path: str
    """Relative to the source."""
    image_paths: tuple[str | None, ...]
    labels: tuple[int | str, ...]
    """-1: none."""
    class_names: tuple[str, ...]
    """Empty where the file names none."""
    has_bytes: bool = True
    """Whether the images are in the file; else they are at their paths."""
    splits: tuple[str | None, ...] = ()
    """As a column of it has them; empty where there is none."""


def list_rows(source: str, path: str, class_column: str | None = None) -> Rows:
    """Labels and file names of all rows of a file.

    Raises:
        DataError: it is damaged, or has no column of images or paths, or of labels that are numbers or words.
    """
    import pyarrow as pa

    with _opened(files.join(source, path)) as (file, where):
        schema = file.schema_arrow
        image, label = _image_column(schema, where), _label_column(schema, where, class_column)
        is_struct = pa.types.is_struct(schema.field(image).type)
        has_path = is_struct and any(field.name == "path" for field in schema.field(image).type)
        is_path = _is_text(schema.field(image).type)
        inner = [f"{image}.path"] if has_path else [image] if is_path else []
        texts = [field.name for field in schema if _is_text(field.type) and field.name != label]
        split = next((name for name in SPLITS if name in texts), None)
        table = file.read(columns=[label, *inner, *([split] if split else [])], use_threads=False)
        splits = tuple(table[split].to_pylist()) if split else ()
        column = table[image].combine_chunks() if inner else None
        names = (
            [None] * table.num_rows if column is None else (column.field("path") if has_path else column).to_pylist()
        )
        has_bytes = not is_path and not (has_path and any(names) and _is_all_null(file, f"{image}.bytes"))
        return Rows(path, tuple(names), _labels(table[label]), _class_names(schema, label), has_bytes, splits)


def read_images(source: str, path: str, rows: Sequence[int]) -> Iterator[bytes | None]:
    """The encoded images of ascending rows of a file; None where a row has none. Only row groups that hold them are
    read, one at a time.

    Raises:
        DataError: the file cannot be read or is damaged.
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
        with pq.ParquetFile(check_regular(where)) as file:
            yield file, where
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{where} cannot be read as Parquet: {error}") from error


def _image_column(schema: Any, where: str) -> str:
    import pyarrow as pa

    def holds_images(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(field.name == "bytes" and holds_images(field.type) for field in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    found = [field.name for field in schema if holds_images(field.type)]
    if "image" in found or len(found) == 1:
        return "image" if "image" in found else str(found[0])
    paths = [name for name in PATHS if name in schema.names and _is_text(schema.field(name).type)]
    if not found and paths:
        return paths[0]
    raise DataError(
        f"{where} has the columns {_columns(schema)}; expected one column of images (bytes, or a struct with `bytes`), "
        f"saw {len(found)}, or one of their paths ({', '.join(PATHS)})"
    )


def _label_column(schema: Any, where: str, asked: str | None) -> str:
    import pyarrow as pa

    for name in LABELS if asked is None else (asked,):
        if name in schema.names:
            kind = schema.field(name).type
            if pa.types.is_integer(kind) or _is_text(kind):
                return name
    wanted = (
        "an integer column `label`, or one of words; --class-column names another"
        if asked is None
        else f"a column {asked} of integers or words"
    )
    raise DataError(f"{where} has the columns {_columns(schema)}; expected {wanted}")


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _labels(column: Any) -> tuple[int | str, ...]:
    """As they stand there; -1 where there is none, an empty word or a negative number."""
    import pyarrow as pa

    if not _is_text(column.type):
        return tuple(max(-1, number) for number in column.cast(pa.int64()).fill_null(-1).to_pylist())
    return tuple(word.strip() or -1 if word is not None else -1 for word in column.to_pylist())


def _is_all_null(file: Any, column: str) -> bool:
    """By the file's own statistics; False where it has none."""
    metadata = file.metadata
    for group in range(metadata.num_row_groups):
        parts = [metadata.row_group(group).column(i) for i in range(metadata.num_columns)]
        part = next((p for p in parts if p.path_in_schema == column), None)
        if part is None or part.statistics is None or part.statistics.null_count != metadata.row_group(group).num_rows:
            return False
    return bool(metadata.num_row_groups)


def _columns(schema: Any) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _class_names(schema: Any, label: str) -> tuple[str, ...]:
    """As the `datasets` library notes them in the file's metadata."""
    try:
        notes = parse((schema.metadata or {})[b"huggingface"], "")
        return tuple(str(name) for name in notes["info"]["features"][label]["names"])
    except (KeyError, TypeError, DamagedFileError):
        return ()
