"""What can be told of a training before any of it starts, without torch."""

from collections.abc import Mapping
from typing import Any

from app.configuration import from_dict
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.checks import check_task


def check(options: Mapping[str, Any], store: str) -> BratsTask:
    """The task of these options, which the store can train and validate.

    Raises:
        UsageError: an option is unknown or wrong.
        DataError: the store is missing or damaged, or lacks cases to train or to validate on.
    """
    return check_task(from_dict(BratsTask, options, "task"), store)
