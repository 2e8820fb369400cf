"""What can be told of a training before any of it starts: the options, and whether the store fits. Without torch."""

from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from app.data import files
from app.data.samples.splits import TRAIN, VALIDATION
from app.data.store.manifest import MANIFEST_NAME
from app.errors import DataError, UsageError
from app.workloads.initial_weights_place import find_weights
from app.workloads.volumes.spacing import in_words
from app.workloads.volumes.store.prepared import VolumeStore, store_labels, store_spacing
from app.workloads.volumes.task import VolumeTask

Task = TypeVar("Task", bound=VolumeTask)


def check_task(task: Task, store: str) -> Task:
    """The task, which the store can train and validate.

    Raises:
        DataError: the store is missing or damaged, or lacks cases to train or to validate on.
    """
    if task.weights is not None:
        find_weights(task.weights)
    path = files.join(store, MANIFEST_NAME)
    _check_splits(store, files.stamp(path) if files.exists(path) else None)
    return resolve(task, store)


def resolve(task: Task, store: str) -> Task:
    """The task with the voxel size that the store's training cases have, and with what the store's labels mean unless
    it says what those of its training meant.

    Raises:
        DataError: the store is missing or damaged.
        UsageError: the task has another one.
    """
    spacing_mm = store_spacing(store)
    if task.spacing_mm is not None and task.spacing_mm != spacing_mm:
        seen = "several" if spacing_mm is None else in_words(spacing_mm)
        raise UsageError(
            f"task.spacing_mm: got {in_words(task.spacing_mm)}, the store {store} has {seen}; leave it out: the store "
            "fills it in"
        )
    return replace(task, spacing_mm=spacing_mm, labels=store_labels(store) if task.labels is None else task.labels)


@lru_cache(maxsize=16)
def _check_splits(store: str, stamp: files.FileStamp | None) -> None:
    """Once for all trials of a study, as long as the manifest is the same."""
    opened = VolumeStore(store)
    for split in (TRAIN, VALIDATION):
        if not any(case.has_label for case in opened.split(split)):
            raise DataError(
                f"the store {store} has no labelled case in its {split!r} split, of {len(opened.cases)} cases"
            )
