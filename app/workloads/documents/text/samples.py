"""The pages of a split as tokens and labels. Shapes: B batch, L tokens of a page."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.samples.feeding import HostBatch, Samples
from app.data.samples.splits import TRAIN
from app.errors import DataError
from app.workloads.documents.ocr.texts import unread_pages
from app.workloads.documents.store.prepared import DocumentStore, labelled_rows, open_store
from app.workloads.documents.text.task import DocumentTextTask
from app.workloads.documents.text.tokens import open_tokens, read_tokens


@dataclass(frozen=True)
class TextSamples(Samples):
    """Labelled pages of a store; what is pickled is small, tokens are read once a process."""

    tokens_path: str
    store_rows: npt.NDArray[np.int64]
    """Row in the store of each sample."""
    labels: npt.NDArray[np.int64]
    max_length: int
    lengths: npt.NDArray[np.int32]
    """Tokens of each sample: batches are of like length (app.data.samples.feeding)."""

    def __len__(self) -> int:
        return len(self.store_rows)

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        """{"ids": int32 [B, L = max_length], "length": int32 [B], "label": int64 [B]}; nothing is random."""
        ids = read_tokens(self.tokens_path).padded(self.store_rows[rows], self.max_length)
        return {"ids": ids, "length": self.lengths[rows], "label": self.labels[rows]}


def open_samples(task: DocumentTextTask, store: str, split: str = TRAIN) -> TextSamples:
    """The labelled pages of a split that have a text.

    Raises:
        DataError: the store is missing or damaged, lacks OCR text, or has no labelled page in the split.
        UsageError: no such split or partition.
    """
    opened = open_store(store)
    rows = rows_with_text(opened, split, task.partition)
    path = open_tokens(store, task.model, task.max_length)
    return TextSamples(path, rows, opened.labels[rows], task.max_length, read_tokens(path).lengths[rows])


def rows_with_text(store: DocumentStore, split: str, partition: int | None) -> npt.NDArray[np.int64]:
    """Rows of the split's labelled pages but for those whose OCR failed.

    Raises:
        DataError: there is none.
        UsageError: no such split or partition.
    """
    rows = labelled_rows(store, split, partition)
    unread = unread_pages(store.root)
    kept = rows[[store.ids[row] not in unread for row in rows]] if unread else rows
    if not len(kept):
        raise DataError(
            f"OCR failed on all {len(rows)} labelled pages of the {split!r} split of {store.root}: run jobs/ocr.py "
            "with --again failed timeout"
        )
    return kept


def load_pages(task: DocumentTextTask, store: str, page_ids: list[str]) -> HostBatch:
    """As TextSamples.load, for pages by id; the label of an unlabelled one is -1."""
    opened = open_store(store)
    rows = np.array([opened.row_of(page_id) for page_id in page_ids], np.int64)
    table = read_tokens(open_tokens(store, task.model, task.max_length))
    return {
        "ids": table.padded(rows, task.max_length),
        "length": table.lengths[rows],
        "label": opened.labels[rows],
    }
