"""A worker of Ray Train as the training loop sees it; and the function that each worker runs."""

import os
from typing import Any

import ray.train.torch

from app.data import files
from app.errors import DataError, ResourceError, TrainingError, TwofoldError, UsageError
from app.execution.attempts import final_error, note_attempt
from app.execution.cluster import Feeding
from app.execution.ray_context import RayContext
from app.training.loop import TrainingJob, TrainingResult, train
from app.training.process import tune_process
from app.workloads.registry import find_workload

FAILURE_FILE = "failure.json"
"""In the trial's folder: an error that trying again would only repeat; restarted workers read it and stop."""


class TrainContext(RayContext):
    """In the process group that Ray Train has set up. Metrics go to the trial's files: ray.train.report is a
    barrier over all workers and the controller, measured at 1.5 s a call."""

    def __init__(self, feeding: Feeding) -> None:
        super().__init__(feeding, ray.train.torch.get_device())


def worker_function(config: dict[str, Any]) -> TrainingResult | None:
    """What each worker of the TorchTrainer runs. None when an earlier attempt left an error that would repeat."""
    job: TrainingJob = config["job"]
    failure_path = files.join(job.folder, FAILURE_FILE)
    if files.exists(failure_path):
        return None
    tune_process(config["num_threads"])
    context = TrainContext(config["feeding"])
    if context.rank == 0:
        job = note_attempt(job)
    try:
        return train(job, find_workload(job.experiment.workload), context)
    except Exception as error:
        final = final_error(error, job)
        if final is not None:
            files.write_json(failure_path, {"kind": type(final).__name__, "message": str(final)})
        raise


def recorded_failure(folder: str) -> TwofoldError | None:
    """The error that a worker left behind, if any."""
    path = files.join(folder, FAILURE_FILE)
    if not files.exists(path):
        return None
    found = files.read_json(path)
    kinds = {kind.__name__: kind for kind in (DataError, ResourceError, TrainingError, UsageError)}
    return kinds.get(found["kind"], TwofoldError)(found["message"])


def threads_per_worker(num_workers: int) -> int:
    """Cores of this machine shared among the workers (all of them counted as being here)."""
    return max(1, len(os.sched_getaffinity(0)) // num_workers)
