"""Why the same trial may come to other scores under another strategy, as far as the records show it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from app.records import TrialRecord
from app.reporting.page import formatting

T = TypeVar("T")
Labelled = Sequence[tuple[str, TrialRecord]]
"""One trial's records under each strategy that finished it, with the strategies' labels."""


def numerics(records: Labelled) -> str:
    """In which numerics the trial was trained under each strategy; empty where they were the same in all."""
    return _unlike(records, _numerics)


def reasons(records: Labelled) -> list[str]:
    """What else was not the same, or cannot be: each a few words."""
    found = []
    if devices := _unlike(records, lambda record: formatting.device(record.device)):
        found.append(f"trained on {devices}")
    if sizes := _unlike(records, lambda record: record.global_batch_size):
        found.append(f"global batch of {sizes}")
    if _unlike(records, lambda record: record.num_workers):
        task: Any = records[0][1].experiment.get("task") or {}
        shares = _unlike(records, lambda record: record.global_batch_size // record.num_workers)
        if task.get("norm") == "batch" and shares:
            found.append(f"batch norm over the samples on one worker: {shares}")
        if task.get("dropout"):
            found.append("each worker draws its own dropout")
        if all(record.numerics.get("precision") == "bf16" for _, record in records):
            found.append("bf16 keeps 8 bits of each number, and parts of a batch round otherwise than the whole")
    return found


def _numerics(record: TrialRecord) -> str:
    layout = "+channels_last" if record.numerics.get("channels_last") else ""
    return f"{record.numerics.get('precision', '?')}{layout}"


def _unlike(records: Labelled, value_of: Callable[[TrialRecord], T]) -> str:
    """A value under each strategy where it is not the same under all, else nothing."""
    values = [(label, value_of(record)) for label, record in records]
    if len({value for _, value in values}) < 2:
        return ""
    return ", ".join(f"{value} {label}" for label, value in values)
