"""A prepared store of document pages opened for reading: rows by split, images by row, OCR text by row.

Layout of a store: `store.json` (StoreOptions), `manifest.parquet` (one row a page, see Page), `images/NNNNN.bin`
(grey pages of image_size x image_size, each compressed by itself, one after the other), `excluded.parquet` (ids that
training leaves out, with the reason) and `ocr/*.parquet` (text by id, made by jobs/ocr.py).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]

STORE_NAME = "store.json"
OCR_FOLDER = "ocr"
"""Parquet files with columns id, text, confidence (mean of words, 0 to 100, null if none), status, reason."""


@dataclass(frozen=True)
class StoreOptions:
    """All that a store's contents depend on besides the source's files."""

    workload: str
    format: int
    layout: str
    """`rvl-cdip`, `tobacco`, `folders` or `parquet`."""
    image_size: int
    """Pixels along each edge of a stored page."""
    classes: tuple[str, ...]
    num_partitions: int
    """Random partitions into train, validation and test (Tobacco3482: 10); 0 where the data set has its own split."""
    seed: int
    """Of the partitions."""


@dataclass(frozen=True)
class Page:
    """One row of the manifest."""

    id: str
    label: int
    """Index into the classes; -1: unlabelled."""
    split: str
    """Of the data set; empty where partitions decide."""
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
    """The manifest of a store and access to its pages. Pickles to little.

    Raises:
        DataError: on opening when the store is missing, unfinished or damaged; on reading when a page is.
    """

    options: StoreOptions
    ids: list[str]
    labels: Int64Array

    def __init__(self, root: str) -> None:
        self.root = root
        raise NotImplementedError

    def __len__(self) -> int:
        """Pages, of all splits."""
        raise NotImplementedError

    def rows(self, split: str, partition: int | None = None, with_excluded: bool = False) -> Int64Array:
        """Row numbers of a split (train, validation, test), ascending.

        A store with partitions wants a number of one; for others it must be None. Pages of excluded.parquet are left
        out of train and validation unless asked for; test keeps all.

        Raises:
            UsageError: no such split or partition.
        """
        raise NotImplementedError

    def row_of(self, page_id: str) -> int:
        """Raises DataError when the store has no such page."""
        raise NotImplementedError

    def read_images(self, rows: Int64Array) -> npt.NDArray[np.uint8]:
        """Pages [B, image_size, image_size], grey, 0 black; checksums are verified.

        Raises:
            DataError: a shard is missing or damaged.
        """
        raise NotImplementedError

    def read_texts(self, rows: Int64Array) -> list[str]:
        """OCR text of each page; "" for a page that Tesseract found empty or could not read.

        Raises:
            DataError: the store has no OCR text for a page; says to run jobs/ocr.py.
        """
        raise NotImplementedError

    def duplicated_test_ids(self) -> set[str]:
        """Test pages of which a near-duplicate is in the training split."""
        raise NotImplementedError
