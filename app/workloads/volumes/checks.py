"""What can be told of a training before any of it starts: the options, and whether the store fits. Without torch."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from app.data import files
from app.data.samples.splits import TRAIN, VALIDATION
from app.data.store.manifest import MANIFEST_NAME
from app.errors import DataError, UsageError
from app.workloads.initial_weights_place import find_weights
from app.workloads.volumes.anatomy import Anatomy
from app.workloads.volumes.labels import described_meanings
from app.workloads.volumes.spacing import in_words
from app.workloads.volumes.store.prepared import VolumeStore, store_labels, store_spacing
from app.workloads.volumes.task import VolumeTask

Task = TypeVar("Task", bound=VolumeTask)


def check_task(task: Task, store: str) -> Task:
    """The task, which the store can train and validate.

    Raises:
        DataError: the store is missing or damaged, or lacks cases to train or to validate on.
        UsageError: it is of another anatomy, or the task has another voxel size.
    """
    if task.weights is not None:
        find_weights(task.weights)
    check_anatomy(task.anatomy, store)
    found = _contents(store)
    for split in (TRAIN, VALIDATION):
        if split not in found.labelled_splits:
            raise DataError(
                f"the store {store} has no labelled case in its {split!r} split, of {found.num_cases} cases"
            )
    return resolve(task, store)


def check_anatomy(anatomy: Anatomy, store: str) -> None:
    """Raises UsageError where the store's scans have other modalities, or its labels stand for what the anatomy does
    not have: the store of another workload."""
    found = _contents(store)
    if strange := found.num_modalities - {anatomy.num_modalities}:
        raise UsageError(
            f"the store {store} is of another workload: images a scan: got {min(strange)}, expected "
            f"{anatomy.num_modalities} ({', '.join(anatomy.modalities)})"
        )
    if unknown := sorted(found.meanings - anatomy.meanings.keys()):
        raise UsageError(
            f"the store {store} is of another workload: its labels are of {', '.join(unknown)}, expected some of "
            f"{', '.join(anatomy.meanings)}"
        )


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


@dataclass(frozen=True)
class _Contents:
    """What a store has, by its manifest."""

    num_cases: int
    labelled_splits: frozenset[str]
    num_modalities: frozenset[int]
    meanings: frozenset[str]


def _contents(store: str) -> _Contents:
    path = files.join(store, MANIFEST_NAME)
    return _read_contents(store, files.stamp(path) if files.exists(path) else None)


@lru_cache(maxsize=16)
def _read_contents(store: str, stamp: files.FileStamp | None) -> _Contents:
    """Once for all trials of a study, as long as the manifest is the same."""
    cases = VolumeStore(store).cases
    return _Contents(
        len(cases),
        frozenset(case.split for case in cases if case.has_label),
        frozenset(case.num_modalities for case in cases),
        frozenset(meaning for labels in {case.labels for case in cases} for meaning in described_meanings(labels)),
    )
