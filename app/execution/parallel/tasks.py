"""Running one function over many items on Ray Data, a task an item; results come as they are done."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import ray

from app.execution.cluster import connection, host_checks
from app.execution.parallel.pipelines import on_pickles, run_items

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_cases(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    num_cpus: int | None = None,
    name: str = "cases",
    reads: Sequence[str] = (),
    writes: str | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in the order in which they are done.

    Where the cluster has several hosts, each must see what the function reads and the folder that it writes to, as
    host_checks.check_hosts has it; with neither nothing is looked at.

    Runs on the cluster of RAY_ADDRESS, else on a Ray of this machine; `num_cpus` items at a time (None: all cores of
    the machine or cluster). Ray's dashboard shows the pipeline by `name`. Items, results and the function are pickled.
    What the function raises ends the run and keeps its class.
    """
    import ray.data

    if not items:
        return
    connection.connect(num_workers=0)
    if reads or writes is not None:
        host_checks.check_hosts(reads, writes)
    at_once = min(len(items), num_cpus or _num_cores())
    yield from run_items(on_pickles(function), items, name, compute=ray.data.TaskPoolStrategy(size=at_once))


def _num_cores() -> int:
    """Real cores of a local Ray (its CPUs are a count with spare ones), else the cluster's CPUs."""
    cluster_resources: Callable[[], dict[str, float]] = ray.cluster_resources
    resources = cluster_resources()
    return max(1, int(resources.get("core", resources.get("CPU", 1))))
