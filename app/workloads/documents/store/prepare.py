"""Preparing a batch of pages: raw files in, one shard and its record in the store out. Pure Python, no cluster.

The record (`images/NNNNN.parquet`) is written after its shard; so whoever finds a record finds the shard whole, and an
interrupted preparation goes on with what has none.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from app.data import files
from app.data.inside import listed_path
from app.data.store.manifest import read_table, write_table
from app.data.store.quarantine import Quarantined
from app.errors import DataError
from app.strict_json import whole_number
from app.workloads.documents.pages.bad_page import BadPage
from app.workloads.documents.pages.reading import READING, num_pages, stored_page
from app.workloads.documents.source import parquet_source
from app.workloads.documents.source.listing import PageSource
from app.workloads.documents.store import shards
from app.workloads.documents.store.hashing import HASH, perceptual_hash

if TYPE_CHECKING:
    import pyarrow as pa

FINGERPRINT, BAD, NOTES = b"fingerprint", b"quarantined", b"notes"
"""Keys in the metadata of a record."""


@dataclass(frozen=True)
class ShardTask:
    """Pages that make one shard: what a worker is sent."""

    pages: tuple[PageSource, ...]
    shard: int
    source: str
    store: str
    image_size: int
    max_pixels: int | None = None
    """Most pixels that are decoded; None: reading.MAX_PIXELS."""


@dataclass(frozen=True)
class Shard:
    """What became of them; a row of `pages` is a store.Page. A file of several pages has a row of each."""

    pages: "pa.Table"
    bad: tuple[Quarantined, ...]
    notes: tuple[str, ...] = ()
    """What is odd about files that were read, a line each."""


def prepare_or_keep(task: ShardTask) -> Shard:
    """The shard as the store has it if its sources are still the same, else prepared anew."""
    fingerprint = _fingerprint(task)
    return _kept(task, fingerprint) or prepare_shard(task, fingerprint)


def prepare_shard(task: ShardTask, fingerprint: str) -> Shard:
    """Decode, shrink and compress a batch of pages and write them and their record into the store.

    A bad page never raises: it comes back as Quarantined, with the reason.

    Raises:
        DataError: the store cannot be written.
    """
    contents, rows, bad, offset = [], [], [], 0
    notes: list[str] = []
    for page, number, encoded in _each_page(task, notes):
        odd: list[str] = []
        try:
            if isinstance(encoded, BadPage):
                raise encoded
            pixels, width, height = stored_page(encoded, task.image_size, number, task.max_pixels, odd)
        except BadPage as error:
            bad.append(Quarantined(page.id, page.source, str(error)))
            continue
        notes += [f"{page.source}: {what}" for what in odd]
        content = shards.encode(pixels)
        facts = (perceptual_hash(pixels), page.source, width, height)
        place = (task.shard, offset, len(content), shards.checksum(content))
        rows.append((page.id, page.label, page.split, page.document_id, *facts, *place))
        contents.append(content)
        offset += len(content)
    table = _table(rows, fingerprint, bad, notes)
    files.write_bytes_atomic(_shard_path(task), b"".join(contents))
    write_table(_record_path(task), table)
    return Shard(table, tuple(bad), tuple(notes))


def page_of(page_source: str) -> tuple[str, int]:
    """File (or row of a table) and number of the page in it, from 0, of a page's source as the store has it."""
    path, mark, number = page_source.rpartition("#p")
    page = whole_number(number) if mark else None
    return (page_source, 0) if page is None else (path, page - 1)


def _each_page(task: ShardTask, notes: list[str]) -> Iterator[tuple[PageSource, int, bytes | BadPage]]:
    """Every page of every file, with its number in it; further pages have `#p2` after their source."""
    for page, encoded in _encoded(task):
        count = 1 if isinstance(encoded, BadPage) else num_pages(encoded)
        if count == 1:
            yield page, 0, encoded
            continue
        notes.append(f"{page.source}: {count} pages, a row each")
        for i in range(count):
            source = f"{page.source}#p{i + 1}" if i else page.source
            yield replace(page, id=f"{page.id}-p{i + 1}", source=source), i, encoded


def read_encoded(source: str, page_source: str) -> bytes:
    """The encoded file of one page as the data set has it; for reading a page larger than the store keeps it, by the
    number that `page_of` says.

    Raises:
        DataError: it is missing or cannot be read.
    """
    page_source = page_of(page_source)[0]
    path, row = _parquet_row(page_source)
    if not path:
        return files.read_bytes(_place(source, page_source))
    for content in parquet_source.read_images(source, path, [row]):
        if content is not None:
            return content
    raise DataError(f"{files.join(source, path)} has no image in row {row}")


def schema() -> "pa.Schema":
    """Columns of the manifest: the fields of prepared.Page."""
    import pyarrow as pa

    kinds: dict[str, Any] = {name: pa.string() for name in ("id", "split", "document_id", "source")}
    order = "id label split document_id phash source width height shard offset num_bytes crc32"
    return pa.schema([(name, kinds.get(name, pa.int64())) for name in order.split()])


def _table(
    rows: Sequence[tuple[Any, ...]], fingerprint: str, bad: Sequence[Quarantined], told: Sequence[str]
) -> "pa.Table":
    import pyarrow as pa

    notes = {FINGERPRINT: fingerprint.encode(), BAD: json.dumps([asdict(b) for b in bad]).encode()}
    notes[NOTES] = json.dumps(told).encode()
    wanted = schema()
    columns = list(zip(*rows, strict=True)) or [()] * len(wanted)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, wanted, strict=True)]
    return pa.Table.from_arrays(arrays, schema=wanted.with_metadata(notes))


def _encoded(task: ShardTask) -> Iterator[tuple[PageSource, bytes | BadPage]]:
    """Each page with its encoded image, files one by one, the rows of a Parquet file by their row groups."""
    for path, group in groupby(task.pages, key=lambda page: _parquet_row(page.source)[0]):
        pages = list(group)
        if path:
            yield from _encoded_rows(task.source, path, pages)
            continue
        for page in pages:
            try:
                yield page, files.read_bytes(_place(task.source, page.source))
            except DataError as error:
                yield page, BadPage(str(error))


def _encoded_rows(source: str, path: str, pages: list[PageSource]) -> Iterator[tuple[PageSource, bytes | BadPage]]:
    contents = parquet_source.read_images(source, path, [_parquet_row(page.source)[1] for page in pages])
    failure = BadPage("the row has no image")
    for page in pages:
        try:
            content = next(contents, None)
        except DataError as error:  # the rest of the file is lost with it
            content, failure = None, BadPage(str(error))
        yield page, failure if content is None else content


def _place(source: str, path: str) -> str:
    """Path of a file of the data set; of one outside it where whoever listed it was allowed to."""
    return listed_path(source, path, "", allow_outside=True)


def _parquet_row(source: str) -> tuple[str, int]:
    """File and row of a page of a mirror; "" and 0 for a file of its own."""
    path, _, number = source.rpartition("#")
    row = whole_number(number) if path.endswith(".parquet") else None
    return ("", 0) if row is None else (path, row)


def _kept(task: ShardTask, fingerprint: str) -> Shard | None:
    """The shard already in the store, if it is whole and its sources have not changed."""
    record = _record_path(task)
    if not files.exists(record):
        return None
    try:
        table = read_table(record)
        notes = table.schema.metadata or {}
        if notes.get(FINGERPRINT) != fingerprint.encode() or not table.schema.equals(schema()):
            return None
        num_bytes = int(np.sum(table["num_bytes"].to_numpy()))
        if files.stamp(_shard_path(task)).num_bytes != num_bytes:
            return None
        bad = tuple(Quarantined(**entry) for entry in json.loads(notes[BAD]))
        return Shard(table, bad, tuple(json.loads(notes[NOTES])))
    except (DataError, TypeError, ValueError, KeyError):
        return None  # whatever is wrong with it, preparing it anew puts it right or says why not


def _fingerprint(task: ShardTask) -> str:
    """Digest of all that the shard depends on: pages, size, hash, and the files as they are now.

    In an object store the files are taken to be what they were: asking for each costs a request.
    """
    digest = hashlib.sha256(f"{task.image_size} {HASH} {READING} {task.max_pixels}".encode())
    stamps: dict[str, str] = {}
    for page in task.pages:
        path = _parquet_row(page.source)[0] or page.source
        if path not in stamps:
            stamps[path] = "" if files.is_url(task.source) else _stamp(_place(task.source, path))
        digest.update(f"{page!r} {stamps[path]}\n".encode())
    return digest.hexdigest()


def _stamp(path: str) -> str:
    try:
        found = files.stamp(path)
    except DataError:
        return "missing"
    return f"{found.num_bytes} {found.modified}"


def _shard_path(task: ShardTask) -> str:
    return files.join(task.store, shards.shard_name(task.shard))


def _record_path(task: ShardTask) -> str:
    return _shard_path(task).removesuffix(".bin") + ".parquet"
