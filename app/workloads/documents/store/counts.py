"""How many pages a training has."""

from collections.abc import Mapping
from typing import Any

from app.data.samples.splits import SPLITS
from app.workloads.documents.store import prepared


def num_cases(task: Mapping[str, Any], store: str) -> dict[str, int]:
    """Labelled pages of the task's partition by split, as its training takes them: without those that it leaves out.

    Raises:
        DataError: the store is gone.
        UsageError: it has no such partition.
    """
    opened = prepared.open_store(store)
    rows = {s: opened.rows(s, task.get("partition"), bool(task.get("with_excluded", False))) for s in SPLITS}
    counts = {split: int((opened.labels[found] >= 0).sum()) for split, found in rows.items()}
    return {split: count for split, count in counts.items() if count}
