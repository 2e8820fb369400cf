"""Scores of classified pages, shared by image and text."""

from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from app.workloads.documents.store.prepared import DocumentStore

Scores = dict[str, float | None]

UNKNOWN = -1
"""Label of a page that has none."""

CONVENTIONS = (
    "accuracy_deduplicated, of validation and test, leaves out pages with a near-duplicate in the training split",
    "pages whose OCR failed are in no score by text",
    "intervals are over pages of this split; they do not say how another training would end",
)


def page_scores(
    logits: torch.Tensor,
    store: DocumentStore,
    rows: npt.NDArray[np.int64],
    classes: tuple[str, ...],
    partition: int | None,
    thorough: bool,
) -> list[Scores]:
    """accuracy (0 or 1) and cross-entropy of each page from its logits [B, K]; if thorough also accuracy_deduplicated
    (None for a page with a near-duplicate in training, left out where the store does not say whether it has one) and
    the probability p_CLASS of each class.

    A page without label has probabilities alone; its scores are None.
    """
    labels = torch.from_numpy(store.labels[rows])
    losses = functional.cross_entropy(logits, labels, reduction="none", ignore_index=UNKNOWN)
    right = logits.argmax(1) == labels
    scores: list[Scores] = [
        {"accuracy": None, "cross_entropy": None}
        if label == UNKNOWN
        else {"accuracy": float(hit), "cross_entropy": float(loss)}
        for label, hit, loss in zip(labels, right, losses, strict=True)
    ]
    if thorough:
        duplicated = store.duplicated(rows, partition)
        for score, is_duplicate, shares in zip(scores, duplicated, logits.softmax(1), strict=True):
            if is_duplicate is not None:
                score["accuracy_deduplicated"] = None if is_duplicate else score["accuracy"]
            score |= {f"p_{name}": float(share) for name, share in zip(classes, shares, strict=True)}
    return scores


def summarize(cases: list[Scores]) -> dict[str, float]:
    """Means over the pages for which a score is defined; probabilities are left out."""
    names = [name for name in dict.fromkeys(n for case in cases for n in case) if not name.startswith("p_")]
    means = {}
    for name in names:
        values = [value for case in cases if (value := case.get(name)) is not None]
        means[name] = fmean(values) if values else float("nan")
    return means
