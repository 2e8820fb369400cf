"""What can be told of a training before any of it starts: the options, and whether the store fits. Without torch."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.configuration import from_dict, nearest
from app.data.samples.splits import TRAIN, VALIDATION
from app.errors import UsageError
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.store.prepared import classes_for, labelled_rows, open_store
from app.workloads.initial_weights_place import find_weights


def check(options: Mapping[str, Any], store: str) -> DocumentImageTask:
    """The task of these options with the store's classes, which the store can train and validate.

    Raises:
        UsageError: an option is unknown or wrong; timm does not know the network; the store has other classes, or not
            this partition.
        DataError: the store is missing or damaged, or lacks pages to train or to validate on.
    """
    task = from_dict(DocumentImageTask, options, "task")
    _check_name(task.model)
    if task.weights not in ("pretrained", "random"):
        find_weights(task.weights, ", `pretrained` or `random`")
    task = resolve(task, store)
    for split in (TRAIN, VALIDATION):
        labelled_rows(open_store(store), split, task.partition, task.with_excluded)
    return task


def resolve(task: DocumentImageTask, store: str) -> DocumentImageTask:
    """The task with the store's classes and the size of its pages.

    Raises:
        UsageError: the task has others.
    """
    classes, size = classes_for(task.classes, task.partition, store), open_store(store).options.image_size
    if task.stored_size not in (None, size):
        raise UsageError(
            f"the task is of pages stored at {task.stored_size} pixels, the store {store} keeps {size}: other "
            f"pictures; expected a store prepared with --image-size {task.stored_size}"
        )
    return replace(task, classes=classes, stored_size=size)


def _check_name(model: str) -> None:
    """Raises UsageError for a name that occurs nowhere in timm; `NAME.TAG` chooses among a network's weights."""
    if ":" in model or "/" in model:  # from a hub: only the network's own files tell
        return
    text = _timm_source()
    if not re.search(rf"\b{re.escape(model.split('.')[0])}\b", text):
        known = re.findall(r"^@register_model\s+def (\w+)\(", text, re.MULTILINE)
        close = nearest(model, known)
        raise UsageError(
            f"task.model: timm has no network {model!r}; "
            f"{close if close.startswith('did') else f'it has {len(known)}, see timm.list_models()'}"
        )


@lru_cache(maxsize=1)
def _timm_source() -> str:
    """Source code of timm's networks: to read it takes hundredths of a second, to import it almost two seconds."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("timm is not installed: run make setup")
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return "\n".join(path.read_text() for path in sorted(folder.glob("*.py")))
