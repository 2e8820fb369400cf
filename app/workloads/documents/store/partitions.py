"""Random partitions into train, validation and test, as Tobacco3482 is evaluated: a pure function of ids and labels."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from app.data.samples.splits import EACH_ALONE, TEST, TRAIN, UNLABELLED, VALIDATION
from app.errors import UsageError

TRAIN_SHARE = 0.8
"""Share of the pages drawn from each class that train; the others validate."""


def check_classes(labels: npt.NDArray[np.int64], classes: Sequence[str], per_class: int) -> None:
    """Every class that has pages must leave some for the test.

    Raises:
        UsageError: one does not; says what --per-class can be.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    smallest = int(counts[counts > 0].min())
    if per_class < 2:
        raise UsageError(f"--per-class: got {per_class}, expected at least 2: one page to train, one to validate")
    if smallest <= per_class:
        names = ", ".join(f"{name} {n}" for name, n in zip(classes, counts.tolist(), strict=True) if 0 < n <= per_class)
        raise UsageError(
            f"--per-class: got {per_class} pages to train and validate, which leaves none to test of some classes "
            f"({names}); expected at most {smallest - 1}"
        )


def partition_splits(
    ids: Sequence[str],
    labels: npt.NDArray[np.int64],
    seed: int,
    partition: int,
    per_class: int,
    documents: Mapping[str, str] = EACH_ALONE,
) -> npt.NDArray[np.str_]:
    """The split of each page in one partition.

    From each class the `per_class` pages whose hash of seed, partition and id is lowest are drawn: the first 80 % of
    them train, the others validate; all other pages test. Pages without a label are in no split. Pages of one document
    (`documents`: id -> document, of pages that are not alone in theirs) stay together: a document ranks by the hash of
    its own name, and goes where all its pages still fit.
    """
    names = np.array([UNLABELLED, TRAIN, VALIDATION, TEST])
    units = [documents.get(i, i) for i in ids]
    drawn = np.array([hashlib.sha256(f"{seed}:{partition}:{u}".encode()).digest()[:16] for u in units], dtype="S16")
    num_train = int(TRAIN_SHARE * per_class + 0.5)
    if documents:
        return names[_whole_documents(units, labels, drawn, (num_train, per_class - num_train))]
    split = np.zeros(len(ids), np.int64)
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        ranked = members[np.argsort(drawn[members], kind="stable")]
        split[ranked] = 3
        split[ranked[:per_class]] = 2
        split[ranked[:num_train]] = 1
    return names[split]


def _whole_documents(
    units: Sequence[str], labels: npt.NDArray[np.int64], drawn: npt.NDArray[np.bytes_], room: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """1 to train, 2 to validate, 3 to test, 0 without label; `room`: pages of a class that may train and validate."""
    pages: dict[str, list[int]] = {}
    for row in np.argsort(drawn, kind="stable").tolist():
        if labels[row] >= 0:
            pages.setdefault(units[row], []).append(row)
    left = [Counter(dict.fromkeys(np.unique(labels).tolist(), number)) for number in room]
    split = np.zeros(len(units), np.int64)
    for rows in pages.values():
        wanted = Counter(labels[rows].tolist())
        place = next((i for i, free in enumerate(left) if all(free[k] >= n for k, n in wanted.items())), 2)
        if place < 2:
            left[place].subtract(wanted)
        split[rows] = place + 1
    return split
