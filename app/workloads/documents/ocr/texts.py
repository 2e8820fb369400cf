"""OCR text of a store: the rows that jobs/ocr.py writes as `ocr/part-NNNNN.parquet`, and their reading by page id."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from app.data import files
from app.data.store.manifest import read_table, write_table
from app.errors import DataError
from app.workloads.documents.store.prepared import OCR_FOLDER

COLUMNS = ("id", "text")
"""What is held in memory."""
IMPORTED = "import"
"""How a page was read whose text was taken over."""
NOTES = ("id", "status", "asked", "picture")
"""What is told of a text without reading it; parts of before lack the last two."""
_PART_NAME = re.compile(r"part-(\d+)\.parquet")

Status = Literal["ok", "empty", "failed", "timeout"]
UNREAD = ("failed", "timeout")
"""Statuses of pages that have no text because OCR did not come to an end; `empty` is a page without any."""
WITHOUT_TEXT = (*UNREAD, "empty")


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
    asked: str = ""
    """How it was to be read: OcrOptions.asked, or IMPORTED; empty where an older version did not note it."""
    picture: int | None = None
    """Checksum of the stored page that was read, as the manifest has it; None as for `asked`."""


class Note(NamedTuple):
    """What a row says but for its text."""

    status: Status
    asked: str
    picture: int | None


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

    def _column(self, name: str, rows: list[int]) -> list[Any]:
        column: list[Any] = self._table.column(name).take(rows).to_pylist() if rows else []
        return column


def read_texts(root: str, ids: Sequence[str]) -> list[str]:
    """Text of each page; "" for a page that was found empty or could not be read (`unread_pages` tells them apart). The
    table is read once a process.

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


def read_notes(root: str) -> Mapping[str, Note]:
    """What is noted of each page that was read, whatever came of it; texts are not loaded.

    Raises:
        DataError: a part is damaged.
    """
    return _notes(text_parts(root))


def unread_pages(root: str) -> frozenset[str]:
    """Pages whose OCR failed: they have no text, and nobody may take them for empty ones."""
    return frozenset(page_id for page_id, note in read_notes(root).items() if note.status in UNREAD)


def blank_pages(root: str) -> frozenset[str]:
    """Pages on which OCR found no text."""
    return frozenset(page_id for page_id, note in read_notes(root).items() if note.status == "empty")


def most_asked(root: str) -> str:
    """How most of the store's pages were read; empty where none says so."""
    counts = Counter(note.asked for note in read_notes(root).values())
    return max(counts, key=lambda asked: (counts[asked], asked), default="")


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


def fingerprint(root: str) -> str:
    """What tells apart the texts that a store has now from any others; a copy of the store has the same."""
    return _fingerprint(text_parts(root))


def write_part(root: str, pages: Sequence[PageText]) -> str:
    """Write one more part, atomically; its path.

    Raises:
        DataError: the store cannot be written.
    """
    import pyarrow as pa

    kinds = {"confidence": pa.float32(), "picture": pa.int64()}
    schema = pa.schema([(field.name, kinds.get(field.name, pa.string())) for field in fields(PageText)])
    numbers = [_PART_NAME.fullmatch(files.name_of(path)) for path, _ in text_parts(root)]
    number = max((int(found[1]) for found in numbers if found), default=-1) + 1
    path = files.join(root, OCR_FOLDER, f"part-{number:05d}.parquet")
    write_table(path, pa.Table.from_pylist([asdict(page) for page in pages], schema))
    return path


@lru_cache(maxsize=8)
def _fingerprint(parts: tuple[tuple[str, str], ...]) -> str:
    told = [(files.name_of(path), hashlib.sha256(files.read_bytes(path)).hexdigest()) for path, _ in parts]
    return hashlib.sha256(repr(told).encode()).hexdigest()


@lru_cache(maxsize=2)
def _open(parts: tuple[tuple[str, str], ...]) -> TextTable:
    return TextTable([path for path, _ in parts])


@lru_cache(maxsize=2)
def _notes(parts: tuple[tuple[str, str], ...]) -> dict[str, Note]:
    found: dict[str, Note] = {}
    for path, _ in parts:
        table = _read_part(path, NOTES[:2], NOTES)
        columns = {name: table[name].to_pylist() if name in table.column_names else None for name in NOTES}
        nothing = [None] * len(table)
        rows = zip(*(columns[name] or nothing for name in NOTES), strict=True)
        found.update({page_id: Note(status, asked or "", picture) for page_id, status, asked, picture in rows})
    return found


def _read_part(path: str, needed: Sequence[str] = COLUMNS, columns: Sequence[str] = COLUMNS) -> Any:
    try:
        found = read_table(path, list(columns))
    except DataError as error:
        raise DataError(f"{str(error).split(';')[0]}; delete it and run jobs/ocr.py again") from error
    missing = sorted(set(needed) - set(found.column_names))
    if missing:
        raise DataError(f"{path} is damaged: it lacks {', '.join(missing)}; delete it and run jobs/ocr.py again")
    return found
