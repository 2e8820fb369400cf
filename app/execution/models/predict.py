"""One function with a trained model over many items: on Ray Data with a worker a model, or in this process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import torch

from app.console import say
from app.data import files
from app.errors import ResourceError
from app.execution.models.model import TrainedModel, load_model
from app.execution.models.offline import without_hub
from app.execution.parallel.pipelines import on_pickles, run_items
from app.machine import num_cores
from app.training.context import default_device
from app.training.process import tune_process
from app.workloads.declaration import Launcher

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_DEATHS = 3
"""Workers that may be lost; assumed: a node, or a process that had no memory once, and no item that always kills."""


def map_with_model(
    path: str,
    apply: Callable[[TrainedModel, Item], Result],
    items: Sequence[Item],
    num_workers: int = 1,
    launcher: Launcher = "ray",
    task_options: Mapping[str, Any] | None = None,
    reads: Sequence[str] = (),
    writes: str | None = None,
) -> Iterator[Result]:
    """Yield `apply(model, item)` for every item exactly once, in the order in which they are done.

    Each of `num_workers` workers loads the model once and takes an item at a time, so a slow item delays no other.
    `apply`, items and results are pickled. What `apply` raises ends the run and keeps its class. `reads` beside
    the model, `writes`: as host_checks.check_hosts has them.

    Raises:
        DataError: the model cannot be loaded.
        ResourceError: the cluster has fewer slots than `num_workers`, a host of it does not see what is read, or
            workers died too often.
    """
    if not items:
        return
    load_model(path, task_options=task_options)  # here first: a worker's failure to start is a long trace, much later
    if launcher == "local":
        worker = _Worker(path, apply, task_options, num_threads=num_cores())
        yield from map(worker.apply, items)
        return
    yield from _map_on_ray(path, apply, items, min(num_workers, len(items)), task_options, [path, *reads], writes)


def _map_on_ray(
    path: str,
    apply: Callable[[TrainedModel, Item], Result],
    items: Sequence[Item],
    num_workers: int,
    task_options: Mapping[str, Any] | None,
    reads: Sequence[str],
    writes: str | None,
) -> Iterator[Result]:
    import ray.data
    from ray.exceptions import RayActorError

    from app.execution.cluster import connection, host_checks
    from app.training.process import threads_per_worker

    slots = connection.connect(num_workers)
    host_checks.check_hosts(reads, writes)
    use_gpu = slots.kind == "GPU"
    connection.wait_for({"GPU": float(num_workers)} if use_gpu else {"CPU": float(num_workers)})
    options = {
        "fn_constructor_args": (path, apply, task_options, threads_per_worker(num_workers)),
        "num_gpus": 1 if use_gpu else 0,
        "max_restarts": 0,  # Ray's are without end, and it warns of them whenever a worker starts
        "compute": ray.data.ActorPoolStrategy(size=num_workers, max_tasks_in_flight_per_actor=1),
    }
    left = dict(enumerate(items))
    for num_deaths in range(MAX_DEATHS + 1):
        try:
            for number, result in run_items(_Worker, list(left.items()), f"model:{files.name_of(path)}", **options):
                del left[number]
                yield result
            return
        except RayActorError as error:
            if "creation task" in str(error):  # it could not even start: an error of the code, not a death
                raise
            if num_deaths == MAX_DEATHS:
                raise ResourceError(
                    f"workers died {MAX_DEATHS + 1} times, {len(left)} of {len(items)} items are left; "
                    "most often memory is short: use fewer --workers, or more memory"
                ) from error
            say(f"a worker died; the {len(left)} items that are left are given out again")


class _Worker:
    """Holds a model. Ray Data calls it with batches of one pickled item."""

    def __init__(
        self,
        path: str,
        apply: Callable[[TrainedModel, Any], Any],
        task_options: Mapping[str, Any] | None,
        num_threads: int,
    ) -> None:
        tune_process(num_threads)
        self._apply = apply
        self._load = partial(load_model, path, default_device(), task_options)

    @cached_property
    def _model(self) -> TrainedModel:
        return self._load()  # with the first item: an error in __init__ would lose its class

    def apply(self, item: Any) -> Any:
        model = self._model
        with without_hub(), torch.inference_mode(), model.numerics.autocast(model.device):
            return self._apply(model, item)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return on_pickles(lambda numbered: (numbered[0], self.apply(numbered[1])))(batch)
