"""How many pages a training has."""

from collections.abc import Collection, Mapping
from typing import Any

from app.data.samples.splits import SPLITS
from app.workloads.documents.ocr import texts
from app.workloads.documents.store import prepared


def num_cases(task: Mapping[str, Any], store: str) -> dict[str, int]:
    """Labelled pages of the task's partition by split, as its training takes them: without those that it leaves out.

    Raises:
        DataError: the store is gone.
        UsageError: it has no such partition.
    """
    return _counted(task, store, ())


def num_cases_with_text(task: Mapping[str, Any], store: str) -> dict[str, int]:
    """As `num_cases`, of a training by text: nor are pages counted whose OCR failed."""
    return _counted(task, store, texts.unread_pages(store))


def _counted(task: Mapping[str, Any], store: str, unread: Collection[str]) -> dict[str, int]:
    opened = prepared.open_store(store)
    counts = {}
    for split in SPLITS:
        rows = opened.rows(split, task.get("partition"), bool(task.get("with_excluded", False)))
        labelled = rows[opened.labels[rows] >= 0]
        counts[split] = sum(opened.ids[row] not in unread for row in labelled) if unread else len(labelled)
    return {split: count for split, count in counts.items() if count}
