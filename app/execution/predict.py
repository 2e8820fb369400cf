"""One function with a trained model over many items: on Ray Data with a worker a model, or in this process."""

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import torch

from app.execution.model import TrainedModel, load_model
from app.training.context import default_device
from app.training.process import tune_process

Item = TypeVar("Item")
Result = TypeVar("Result")
Launcher = Literal["ray", "local"]


def map_with_model(
    path: str,
    apply: Callable[[TrainedModel, Item], Result],
    items: Sequence[Item],
    num_workers: int = 1,
    launcher: Launcher = "ray",
    task_options: Mapping[str, Any] | None = None,
) -> Iterator[Result]:
    """Yield `apply(model, item)` for every item exactly once, in the order in which they are done.

    Each of `num_workers` workers loads the model once and takes an item at a time, so a slow item delays no other.
    `apply`, items and results are pickled. What `apply` raises ends the run.

    Raises:
        DataError: the model can not be loaded.
        ResourceError: the cluster has fewer slots than `num_workers`.
    """
    if not items:
        return
    load_model(path, task_options=task_options)  # here first: a worker's failure to start is a long trace, much later
    if launcher == "local":
        worker = _Worker(path, apply, task_options, num_threads=len(os.sched_getaffinity(0)))
        yield from map(worker.apply, items)
        return
    yield from _map_on_ray(path, apply, items, min(num_workers, len(items)), task_options)


def _map_on_ray(
    path: str,
    apply: Callable[[TrainedModel, Item], Result],
    items: Sequence[Item],
    num_workers: int,
    task_options: Mapping[str, Any] | None,
) -> Iterator[Result]:
    import ray.data

    from app.execution import cluster
    from app.training.process import threads_per_worker

    slots = cluster.connect(num_workers)
    use_gpu = slots.kind == "GPU"
    cluster.wait_for({"GPU": float(num_workers)} if use_gpu else {"CPU": float(num_workers)})
    ray.data.DataContext.get_current().enable_progress_bars = False  # the job shows its own
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [{"item": pickle.dumps(item)} for item in items]
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Worker,
        fn_constructor_args=(path, apply, task_options, threads_per_worker(num_workers)),
        batch_size=1,
        num_cpus=1,
        num_gpus=1 if use_gpu else 0,
        compute=ray.data.ActorPoolStrategy(size=num_workers, max_tasks_in_flight_per_actor=1),
    )
    for row in results.iter_rows():
        yield pickle.loads(row["result"])


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
        self._model = load_model(path, default_device(), task_options)

    def apply(self, item: Any) -> Any:
        model = self._model
        with torch.inference_mode(), model.numerics.autocast(model.device):
            return self._apply(model, item)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"result": [pickle.dumps(self.apply(pickle.loads(item))) for item in batch["item"]]}
