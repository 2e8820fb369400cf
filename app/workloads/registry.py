"""The workloads by name: an explicit table, each imported only when asked for; `module:Class` names one of your own."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from app.configuration import nearest
from app.data.samples.splits import VALIDATION
from app.errors import UsageError

if TYPE_CHECKING:
    from app.workloads.base import Workload

WORKLOADS = {
    "brats": "app.workloads.brats.workload:BratsWorkload",
    "document_image": "app.workloads.documents.image.workload:DocumentImageWorkload",
    "document_text": "app.workloads.documents.text.workload:DocumentTextWorkload",
}

CHECKS = {
    "brats": "app.workloads.brats.checks",
    "document_image": "app.workloads.documents.image.checks",
    "document_text": "app.workloads.documents.text.checks",
}
"""What each can tell without torch, so that a job with a wrong input ends at once."""

EXPORTS = {
    "brats": "app.workloads.brats.inference.export",
    "document_image": "app.workloads.documents.image.export",
}
"""How each is exported: a module with `form(task)`."""

LATER_FACTS = ("stored_size", "ocr", "spacing_mm", "resampling")
"""Options of tasks that the store fills in, and that runs lack which are older than they are."""


def find_workload(name: str) -> "Workload":
    """The workload of that name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    place = WORKLOADS.get(name, name)
    if ":" not in place:
        raise UsageError(f"unknown workload {name!r}: {nearest(name, list(WORKLOADS))}")
    module, _, attribute = place.partition(":")
    return cast("Workload", getattr(import_module(module), attribute)())


def find_check(name: str) -> Callable[[Mapping[str, Any], str], Any]:
    """`check(options, store)` of the workload of that name: the task, resolved, when the store can train and validate
    it. A workload of one's own is asked itself.

    Raises:
        UsageError: there is no such workload; names the nearest.
    """
    if name in CHECKS:
        return cast(Callable[[Mapping[str, Any], str], Any], import_module(CHECKS[name]).check)
    workload = find_workload(name)

    def check(options: Mapping[str, Any], store: str) -> Any:
        task = workload.resolve_task(workload.parse_task(options), store)
        workload.open_samples(task, store)
        workload.validation_ids(task, store, VALIDATION)
        return task

    return check
