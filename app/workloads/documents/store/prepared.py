"""A prepared store of document pages opened for reading: rows by split, images by row, OCR text by row.

Layout of a store: `store.json` (StoreOptions), `manifest.parquet` (one row a page, see Page), `images/NNNNN.bin`
(grey pages of image_size x image_size, each compressed by itself, one after the other) with a record beside each,
`excluded.parquet` (ids that training leaves out, with the reason), `duplicates.parquet` (validation and test pages that
training pages look like) and `ocr/*.parquet` (text by id, made by jobs/ocr.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.configuration import from_dict
from app.data import files
from app.data.samples.splits import SPLITS, TEST, TRAIN, UNLABELLED, VALIDATION
from app.data.store.manifest import MANIFEST_NAME, STORE_NAME, read_claim, read_manifest_table, read_table
from app.errors import DataError, UsageError
from app.workloads.documents.source.grouping import shared_documents
from app.workloads.documents.store.leakage import DUPLICATES_NAME, EXCLUDED_NAME, NO_PARTITION
from app.workloads.documents.store.partitions import partition_splits
from app.workloads.documents.store.shards import Places, read_pages

if TYPE_CHECKING:
    import pyarrow as pa

Int64Array = npt.NDArray[np.int64]

WORKLOAD = "documents"
FORMAT = 1
"""Version of the format of shards, records and the manifest; a store of another format is not mixed with this one."""

OCR_FOLDER = "ocr"  # Parquet files; a row is a texts.PageText


@dataclass(frozen=True)
class StoreOptions:
    """All that a store's contents depend on besides the source's files."""

    workload: str
    format: int
    layout: str
    """`rvl-cdip`, `tobacco`, `folders`, `metadata` or `parquet`."""
    image_size: int
    """Pixels along each edge of a stored page."""
    classes: tuple[str, ...]
    num_partitions: int
    """Random partitions into train, validation and test (Tobacco3482: 10); 0 where the data set has its own split."""
    seed: int
    """Seed of the partitions, or of the split (or its validation pages alone) where the data set has none."""
    per_class: int
    """Pages of each class that train and validate in a partition; 0 without partitions."""
    groups: str = ""
    """How the pages of one document are known, which stay together: `names`, `file HASH`, `none`; empty: not asked."""


@dataclass(frozen=True)
class Page:
    """One row of the manifest."""

    id: str
    label: int
    """Index into the classes; -1: unlabelled."""
    split: str
    """The data set's own split; empty where partitions decide."""
    document_id: str
    """What pages of one document share; the same in both data sets."""
    phash: int
    """Perceptual hash, 64 bits as int64."""
    source: str
    """File, relative to the source."""
    width: int
    height: int
    shard: int
    offset: int
    num_bytes: int
    crc32: int


class DocumentStore:
    """The manifest of a store and access to its pages. Pickles to little: a process opens a store once.

    Raises:
        DataError: on opening when the store is missing, unfinished or damaged; on reading when a page is.
    """

    options: StoreOptions
    ids: list[str]
    labels: Int64Array
    """Indices into the classes; -1: unlabelled."""
    phashes: Int64Array

    def __init__(self, root: str) -> None:
        self.root = str(root)
        self._table = table = _checked(read_manifest_table(self.root), self.root)
        self.options = read_options(self.root)
        self.ids = _strings(table["id"])
        self.labels = table["label"].to_numpy()
        self.phashes = table["phash"].to_numpy()
        self._places = Places(*(table[name].to_numpy() for name in ("shard", "offset", "num_bytes", "crc32")))
        self._excluded = _is_in(table["id"], files.join(self.root, EXCLUDED_NAME))
        self._together = shared_documents(self.ids, _strings(table["document_id"]), self.options.groups)
        self._splits: dict[int, npt.NDArray[np.str_]] = {}
        self._row_of: dict[str, int] = {}
        self._duplicates: dict[int, dict[str, set[str]]] = {}

    def __len__(self) -> int:
        """Pages, of all splits."""
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return open_store, (self.root,)

    def rows(self, split: str, partition: int | None = None, with_excluded: bool = False) -> Int64Array:
        """Row numbers of a split (train, validation, test), ascending.

        A store with partitions wants a number of one; for others it must be None. Pages of excluded.parquet are left
        out of train and validation unless asked for; test keeps all.

        Raises:
            UsageError: no such split or partition.
        """
        if split not in (*SPLITS, UNLABELLED):
            raise UsageError(f"the store {self.root} has no split {split!r}; expected one of {', '.join(SPLITS)}")
        inside = self._split_of_rows(partition) == split
        if split in (TRAIN, VALIDATION) and not with_excluded:
            inside &= ~self._excluded
        return np.flatnonzero(inside)

    def row_of(self, page_id: str) -> int:
        """Raises DataError when the store has no such page."""
        if not self._row_of:
            self._row_of = {page_id: row for row, page_id in enumerate(self.ids)}
        if page_id not in self._row_of:
            raise DataError(f"the store {self.root} has no page {page_id!r}; it has {len(self)} pages")
        return self._row_of[page_id]

    def page(self, row: int) -> Page:
        """All that the manifest says of a page."""
        return Page(**{field.name: self._table[field.name][int(row)].as_py() for field in fields(Page)})

    def told(self, page_ids: Sequence[str]) -> str:
        """Pictures (their checksums) and labels of these pages, as one word for all of them."""
        rows = np.array([self.row_of(page_id) for page_id in page_ids], np.int64)
        return hashlib.sha256(self._places.crc32[rows].tobytes() + self.labels[rows].tobytes()).hexdigest()

    def read_images(self, rows: Int64Array) -> npt.NDArray[np.uint8]:
        """Pages [B, image_size, image_size], grey, 0 black; checksums are verified.

        Raises:
            DataError: a shard is missing or damaged.
        """
        return read_pages(self.root, self._places.take(np.asarray(rows, np.int64)), self.options.image_size)

    def read_texts(self, rows: Int64Array) -> list[str]:
        """OCR text of each page; "" for a page that Tesseract found empty or could not read.

        Raises:
            DataError: the store has no OCR text for a page; says to run jobs/ocr.py.
        """
        from app.workloads.documents.ocr.texts import read_texts

        found: list[str] = read_texts(self.root, [self.ids[row] for row in rows])
        return found

    def excluded_ids(self) -> dict[str, str]:
        """Pages that training leaves out, each with the reason."""
        path = files.join(self.root, EXCLUDED_NAME)
        return dict(zip(*read_table(path).to_pydict().values(), strict=True)) if files.exists(path) else {}

    def duplicated(self, rows: Int64Array, partition: int | None = None) -> list[bool | None]:
        """Whether each page looks like a training page (of the partition); None where nobody looked: training pages
        themselves, and validation pages in a store prepared before these were compared.

        Raises:
            UsageError: no such partition.
            DataError: the list is missing or damaged.
        """
        key = NO_PARTITION if partition is None else partition
        if key not in self._duplicates:
            self._duplicates[key] = self._read_duplicates(partition)
        listed, splits = self._duplicates[key], self._split_of_rows(partition)
        return [self.ids[row] in listed[splits[row]] if splits[row] in listed else None for row in rows]

    def _read_duplicates(self, partition: int | None) -> dict[str, set[str]]:
        """Pages that look like a training page, by the split that was compared."""
        self._check_partition(partition)
        found = read_table(files.join(self.root, DUPLICATES_NAME))
        found = found.filter(found["partition"].to_numpy() == (NO_PARTITION if partition is None else partition))
        if "split" not in found.column_names:
            return {TEST: set(found["test_id"].to_pylist())}
        pairs = list(zip(found["split"].to_pylist(), found["page_id"].to_pylist(), strict=True))
        return {name: {page for split, page in pairs if split == name} for name in (VALIDATION, TEST)}

    def _split_of_rows(self, partition: int | None) -> npt.NDArray[np.str_]:
        self._check_partition(partition)
        key = NO_PARTITION if partition is None else partition
        if key not in self._splits:
            if partition is None:
                self._splits[key] = np.asarray(_strings(self._table["split"]), dtype=np.str_)
            else:
                how = (self.options.seed, partition, self.options.per_class, self._together)
                self._splits[key] = partition_splits(self.ids, self.labels, *how)
        return self._splits[key]

    def _check_partition(self, partition: int | None) -> None:
        count = self.options.num_partitions
        if count == 0 and partition is not None:
            raise UsageError(f"the store {self.root} has its own split and no partitions; got partition {partition}")
        if count and (partition is None or not 0 <= partition < count):
            raise UsageError(
                f"the store {self.root} has {count} partitions: got {partition}, expected 0 to {count - 1}"
            )


def read_options(root: str) -> StoreOptions:
    """Raises DataError when store.json is missing, damaged, or of another workload or format."""
    path = files.join(root, STORE_NAME)
    try:
        options = from_dict(StoreOptions, read_claim(root))
    except ValueError as error:
        raise DataError(f"{path} is not of a store of documents: {error}; run jobs/prepare.py documents") from error
    if (options.workload, options.format) != (WORKLOAD, FORMAT):
        found = f"of workload {options.workload!r}, format {options.format}"
        raise DataError(f"{path} is {found}; expected {WORKLOAD!r}, format {FORMAT}")
    return options


_OPENED: dict[str, tuple[files.FileStamp, DocumentStore]] = {}


def open_store(root: str) -> DocumentStore:
    """The store, opened once a process as long as its manifest is the same.

    Raises:
        DataError: as DocumentStore.
    """
    try:
        stamp = files.stamp(files.join(root, MANIFEST_NAME))
    except DataError:
        return DocumentStore(root)  # which says what is wrong
    if root not in _OPENED or _OPENED[root][0] != stamp:
        _OPENED[root] = stamp, DocumentStore(root)
    return _OPENED[root][1]


def labelled_rows(store: DocumentStore, split: str, partition: int | None, with_excluded: bool = False) -> Int64Array:
    """Rows of the split's pages that have a label.

    Raises:
        DataError: there is none.
        UsageError: no such split or partition.
    """
    rows = store.rows(split, partition, with_excluded)
    rows = rows[store.labels[rows] >= 0]
    if not len(rows):
        raise DataError(f"the store {store.root} has no labelled page in its {split!r} split")
    return rows


def classes_for(task_classes: tuple[str, ...], partition: int | None, root: str) -> tuple[str, ...]:
    """The classes of the store that a task is to be trained or scored on.

    Raises:
        UsageError: the task has other classes, or the store no such partition.
        DataError: as DocumentStore.
    """
    store = open_store(root)
    store.rows(TRAIN, partition)
    classes = store.options.classes
    if task_classes and task_classes != classes:
        raise UsageError(
            f"the task has the classes {', '.join(task_classes)}; the store {root} has {', '.join(classes)}"
        )
    return classes


def _checked(table: "pa.Table", root: str) -> "pa.Table":
    missing = {field.name for field in fields(Page)} - set(table.column_names)
    if missing:
        raise DataError(f"{root}/{MANIFEST_NAME} lacks {', '.join(sorted(missing))}; it is not of a store of documents")
    return table.combine_chunks()


def _strings(column: "pa.ChunkedArray") -> list[str]:
    values: list[str] = column.to_numpy().tolist()  # several times as fast as to_pylist
    return values


def _is_in(ids: "pa.ChunkedArray", path: str) -> npt.NDArray[np.bool_]:
    """Which pages a list names; none where there is no list."""
    import pyarrow.compute as pc

    if not files.exists(path):
        return np.zeros(len(ids), np.bool_)
    found: npt.NDArray[np.bool_] = pc.is_in(ids, value_set=read_table(path)["id"]).to_numpy()
    return found
