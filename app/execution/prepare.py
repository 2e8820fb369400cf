"""Running one function over many items on Ray Data, a task an item; results come as they are done."""

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray

from app.execution import cluster

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_cases(
    function: Callable[[Item], Result], items: Sequence[Item], num_cpus: int | None = None
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in the order in which they are done.

    Runs on the cluster of RAY_ADDRESS, else on a Ray of this machine; `num_cpus` items at a time (None: all cores of
    the machine or cluster). Items, results and the function are pickled. What the function raises ends the run.
    """
    import ray.data

    if not items:
        return
    cluster.connect(num_workers=0)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the job shows its own
    logging.getLogger("ray.data").setLevel(logging.ERROR)

    def run_one(batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"result": [pickle.dumps(function(pickle.loads(item))) for item in batch["item"]]}

    rows = [{"item": pickle.dumps(item)} for item in items]
    tasks = ray.data.from_items(rows, override_num_blocks=len(rows))
    at_once = min(len(rows), num_cpus or _num_cores())
    results = tasks.map_batches(run_one, batch_size=1, num_cpus=1, compute=ray.data.TaskPoolStrategy(size=at_once))
    for row in results.iter_rows():
        yield pickle.loads(row["result"])


def _num_cores() -> int:
    """Real cores of a local Ray (its CPUs are a count with spare ones), else the cluster's CPUs."""
    cluster_resources: Callable[[], dict[str, float]] = ray.cluster_resources
    resources = cluster_resources()
    return max(1, int(resources.get("core", resources.get("CPU", 1))))
