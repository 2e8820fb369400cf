"""Random partitions into train, validation and test, as Tobacco3482 is evaluated: a pure function of ids and labels."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.data.splits import TEST, TRAIN, UNLABELLED, VALIDATION
from app.errors import UsageError

TRAIN_SHARE = 0.8
"""Of the pages drawn from each class; the others of them validate."""


def check_classes(labels: npt.NDArray[np.int64], classes: Sequence[str], per_class: int) -> None:
    """Every class that has pages must leave some for the test.

    Raises:
        UsageError: one does not; says what --per-class can be.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    smallest = int(counts[counts > 0].min())
    if per_class < 2:
        raise UsageError(f"--per-class: got {per_class}, wanted at least 2: one page to train, one to validate")
    if smallest <= per_class:
        names = ", ".join(f"{name} {n}" for name, n in zip(classes, counts.tolist(), strict=True) if 0 < n <= per_class)
        raise UsageError(
            f"--per-class: got {per_class} pages to train and validate, which leaves none to test of some classes "
            f"({names}); wanted at most {smallest - 1}"
        )


def partition_splits(
    ids: Sequence[str], labels: npt.NDArray[np.int64], seed: int, partition: int, per_class: int
) -> npt.NDArray[np.str_]:
    """The split of each page in one partition.

    From each class the `per_class` pages whose hash of seed, partition and id is lowest are drawn: the first 80 % of
    them train, the others validate; all other pages test. Pages without a label are in no split.
    """
    drawn = np.array([hashlib.sha256(f"{seed}:{partition}:{i}".encode()).digest()[:16] for i in ids], dtype="S16")
    names = np.array([UNLABELLED, TRAIN, VALIDATION, TEST])
    split = np.zeros(len(ids), np.int64)
    num_train = int(TRAIN_SHARE * per_class + 0.5)
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        ranked = members[np.argsort(drawn[members], kind="stable")]
        split[ranked] = 3
        split[ranked[:per_class]] = 2
        split[ranked[:num_train]] = 1
    return names[split]
