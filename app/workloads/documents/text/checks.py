"""What can be told of a training before any of it starts: the options, and whether the store fits. Without torch."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from app.configuration import from_dict
from app.console import say
from app.data.samples.splits import TRAIN, VALIDATION
from app.data.store.manifest import read_table
from app.errors import UsageError
from app.workloads.documents.ocr.texts import most_asked, read_texts, text_parts
from app.workloads.documents.store.prepared import classes_for, labelled_rows, open_store
from app.workloads.documents.text.samples import rows_with_text
from app.workloads.documents.text.task import DocumentTextTask
from app.workloads.initial_weights_place import find_weights


def check(options: Mapping[str, Any], store: str) -> DocumentTextTask:
    """The task of these options as `resolve` has it, which the store can train and validate.

    Raises:
        UsageError: an option is unknown or wrong; the model is a folder that is not there; the store has other
            classes, or not this partition.
        DataError: the store is missing or damaged, lacks OCR text, or lacks pages to train or to validate on.
    """
    task = from_dict(DocumentTextTask, options, "task")
    hub_id = not os.path.isabs(task.model) and not task.model.startswith(".") and task.model.count("/") <= 1
    if not os.path.isdir(task.model) and not hub_id:
        raise UsageError(f"task.model: the folder {task.model} does not exist; jobs/vocabulary.py makes a small BERT")
    if task.weights is not None:
        find_weights(task.weights)
    task = resolve(task, store)
    for split in (TRAIN, VALIDATION):
        labelled_rows(open_store(store), split, task.partition)
    _check_texts(store, tuple(open_store(store).ids), text_parts(store))
    _tell_unread(store, task.partition, text_parts(store))
    return task


def resolve(task: DocumentTextTask, store: str) -> DocumentTextTask:
    """The task with the store's classes and the way its texts were read, and with the whole path of a local model: what
    is trained is used from other folders too."""
    model = os.path.abspath(task.model) if os.path.isdir(task.model) else task.model
    classes = classes_for(task.classes, task.partition, store)
    return replace(task, classes=classes, model=model, ocr=task.ocr or most_asked(store))


@lru_cache(maxsize=64)
def _tell_unread(store: str, partition: int | None, parts: tuple[tuple[str, str], ...]) -> None:
    """Once a process and partition.

    Raises:
        DataError: none is left to train or to validate on.
    """
    opened, lost = open_store(store), []
    for split in (TRAIN, VALIDATION):
        num_all, num_kept = len(labelled_rows(opened, split, partition)), len(rows_with_text(opened, split, partition))
        if num_kept < num_all:
            lost.append(f"{num_all - num_kept} of {num_all} {split} pages")
    if lost:
        say(f"{store}: OCR failed on {' and '.join(lost)}, which are left out: jobs/ocr.py --again failed timeout")


@lru_cache(maxsize=4)
def _check_texts(store: str, ids: tuple[str, ...], parts: tuple[tuple[str, str], ...]) -> None:
    """Whether every page has a text, by the ids alone: the texts of a large store take long to read."""
    known = {page_id for path, _ in parts for page_id in read_table(path, ["id"])["id"].to_pylist()}
    if not known.issuperset(ids):
        read_texts(store, ids)  # which says what is missing
