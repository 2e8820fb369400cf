"""The workloads by name: an explicit table, each imported only when asked for; `module:Class` names one of your own."""

from importlib import import_module

from app.configuration import nearest
from app.errors import UsageError
from app.workloads.base import Workload

WORKLOADS = {
    "brats": "app.workloads.brats.workload:BratsWorkload",
    "document_image": "app.workloads.document_image.workload:DocumentImageWorkload",
    "document_text": "app.workloads.document_text.workload:DocumentTextWorkload",
}


def find_workload(name: str) -> Workload:
    """The workload of that name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    place = WORKLOADS.get(name, name)
    if ":" not in place:
        raise UsageError(f"unknown workload {name!r}: {nearest(name, list(WORKLOADS))}")
    module, _, attribute = place.partition(":")
    workload: Workload = getattr(import_module(module), attribute)()
    return workload
