"""Training pages by row, as the store has them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.samples.feeding import HostBatch
from app.workloads.documents.store.prepared import DocumentStore


@dataclass(frozen=True)
class PageSamples:
    """Pages of one split of a store; random changes happen on the device."""

    store: DocumentStore
    rows: npt.NDArray[np.int64]
    """Rows of the store."""

    def __len__(self) -> int:
        return len(self.rows)

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        """`image` uint8 [B, 1, S, S] grey, `label` int64 [B]."""
        wanted = self.rows[rows]
        return {"image": self.store.read_images(wanted)[:, None], "label": self.store.labels[wanted]}
