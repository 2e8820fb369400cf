"""OCR text of a store: the rows that jobs/ocr.py writes as `ocr/part-NNNNN.parquet`, and their reading by page id."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from app.data import files
from app.data.manifest import read_table, write_table
from app.errors import DataError
from app.workloads.documents.store import OCR_FOLDER

COLUMNS = ("id", "text", "status")
"""What is held in memory."""
_PART_NAME = re.compile(r"part-(\d+)\.parquet")

Status = Literal["ok", "empty", "failed", "timeout"]


@dataclass(frozen=True)
class PageText:
    """What OCR found on one page."""

    id: str
    text: str
    confidence: float | None
    """Mean over the words, 0 to 100; None where there is no word."""
    status: Status
    reason: str = ""
    """Why it failed, or what was done to the page."""


class TextTable:
    """All text of a store in memory; where parts hold the same page, the newest counts."""

    def __init__(self, parts: Sequence[str]) -> None:
        import pyarrow as pa

        empty = pa.table({name: pa.array([], pa.string()) for name in COLUMNS})
        self._table: Any = pa.concat_tables([empty, *map(_read_part, parts)]).combine_chunks()
        ids = self._table.column("id").to_pylist()
        self._rows = {page_id: row for row, page_id in enumerate(ids)}

    @property
    def ids(self) -> list[str]:
        return list(self._rows)

    def texts(self, ids: Sequence[str]) -> list[str]:
        """Raises KeyError for a page that is not there."""
        found: list[str] = self._column("text", [self._rows[page_id] for page_id in ids])
        return found

    def statuses(self) -> dict[str, Status]:
        """Of each page."""
        return dict(zip(self._rows, self._column("status", list(self._rows.values())), strict=True))

    def _column(self, name: str, rows: list[int]) -> list[Any]:
        column: list[Any] = self._table.column(name).take(rows).to_pylist() if rows else []
        return column


def read_texts(root: str, ids: Sequence[str]) -> list[str]:
    """Text of each page; "" for a page that was found empty or could not be read. The table is read once a process.

    Raises:
        DataError: the store has no OCR text for a page, or a part is damaged.
    """
    table = open_texts(root)
    try:
        return table.texts(ids)
    except KeyError:
        known = set(table.ids)
        missing = [page_id for page_id in ids if page_id not in known]
        raise DataError(
            f"the store {root} has no OCR text for {len(missing)} of {len(ids)} pages (the first: {missing[0]}); "
            f"run jobs/ocr.py with --store {root}"
        ) from None


def open_texts(root: str) -> TextTable:
    """The table as the store has it now."""
    return _open(text_parts(root))


def text_parts(root: str) -> tuple[tuple[str, str], ...]:
    """Paths of the parts in the order of their numbers, each with its stamp: together they tell the texts apart."""
    folder = files.join(root, OCR_FOLDER)
    if not files.is_folder(folder):
        return ()
    paths = [path for path in files.list_files(folder) if path.endswith(".parquet")]
    return tuple((path, str(files.stamp(path))) for path in paths)


def write_part(root: str, pages: Sequence[PageText]) -> str:
    """Write one more part, atomically; its path.

    Raises:
        DataError: the store can not be written.
    """
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in ("id", "text", "status", "reason")]).insert(
        2, pa.field("confidence", pa.float32())
    )
    numbers = [_PART_NAME.fullmatch(files.name_of(path)) for path, _ in text_parts(root)]
    number = max((int(found[1]) for found in numbers if found), default=-1) + 1
    path = files.join(root, OCR_FOLDER, f"part-{number:05d}.parquet")
    write_table(path, pa.Table.from_pylist([asdict(page) for page in pages], schema))
    return path


@lru_cache(maxsize=2)
def _open(parts: tuple[tuple[str, str], ...]) -> TextTable:
    return TextTable([path for path, _ in parts])


def _read_part(path: str) -> Any:
    try:
        found = read_table(path, list(COLUMNS))
    except DataError as error:
        raise DataError(f"{str(error).split(';')[0]}; delete it and run jobs/ocr.py again") from error
    missing = sorted(set(COLUMNS) - set(found.column_names))
    if missing:
        raise DataError(f"{path} is damaged: it lacks {', '.join(missing)}; delete it and run jobs/ocr.py again")
    return found
