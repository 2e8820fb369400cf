"""A worker of Ray Train as the training loop sees it; and the function that each worker runs."""

import dataclasses
import json
import os
import time
import traceback
from collections.abc import Iterator
from typing import Any

import ray.train.torch

from app.data import files
from app.data.feeding import HostBatch, StepReader
from app.data.ray_feeding import ray_steps
from app.errors import DataError, ResourceError, TrainingError, TwofoldError, UsageError, find_user_error
from app.training.context import ProcessGroupContext
from app.training.loop import TrainingJob, TrainingResult, train
from app.training.process import tune_process
from app.workloads.registry import find_workload

FAILURE_FILE = "failure.json"
"""In the trial's folder: an error that trying again would only repeat; restarted workers read it and stop."""

ATTEMPTS_FILE = "attempts.jsonl"


class TrainContext(ProcessGroupContext):
    """Samples come through Ray Data; sums and gradients go through the process group that Ray Train has set up.

    Metrics go to the trial's files: ray.train.report is a barrier over all workers and the controller, measured at
    1.5 s a call."""

    launcher = "ray"

    def __init__(self) -> None:
        super().__init__(ray.train.torch.get_device())

    def _read(self, reader: StepReader, start: int, end: int) -> Iterator[HostBatch]:
        if start >= end:
            return iter(())
        return ray_steps(reader, start, end)


def worker_function(config: dict[str, Any]) -> TrainingResult | None:
    """What each worker of the TorchTrainer runs. None when an earlier attempt left an error that would repeat."""
    job: TrainingJob = config["job"]
    failure_path = files.join(job.folder, FAILURE_FILE)
    if files.exists(failure_path):
        return None
    tune_process(config["num_threads"])
    context = TrainContext()
    if context.rank == 0:
        job = note_attempt(job)
    try:
        return train(job, find_workload(job.experiment.workload), context)
    except Exception as error:
        final = final_error(error, job)
        if final is not None:
            files.write_json(failure_path, {"kind": type(final).__name__, "message": str(final)})
        raise


def note_attempt(job: TrainingJob) -> TrainingJob:
    """Count this start of the workers. After a restart start-up is counted from now: the time before went into steps
    that were lost, and into the time that the checkpoint knows."""
    path = files.join(job.folder, ATTEMPTS_FILE)
    lines = files.read_bytes(path).decode().splitlines() if files.exists(path) else []
    restarted = any(json.loads(line)["command_start_s"] == job.start_s for line in lines)
    lines.append(json.dumps({"command_start_s": job.start_s, "attempt_start_s": time.time()}))
    files.write_bytes_atomic(path, "".join(f"{line}\n" for line in lines).encode())
    return dataclasses.replace(job, start_s=time.time()) if restarted else job


def recorded_failure(folder: str) -> TwofoldError | None:
    """The error that a worker left behind, if any."""
    path = files.join(folder, FAILURE_FILE)
    if not files.exists(path):
        return None
    found = files.read_json(path)
    kinds = {kind.__name__: kind for kind in (DataError, ResourceError, TrainingError, UsageError)}
    return kinds.get(found["kind"], TwofoldError)(found["message"])


def final_error(error: Exception, job: TrainingJob) -> TwofoldError | None:
    """The error as the user should see it when trying again would only repeat it; None for what a restart may mend:
    a RuntimeError is what the others see when a worker dies, an OSError what a network does."""
    found = find_user_error(error)  # Ray Data wraps what reading a sample raised
    if found is not None:
        return found
    memory = out_of_memory(error, job)
    if memory is not None:
        return memory
    if isinstance(error, RuntimeError | OSError):
        return None
    last = traceback.extract_tb(error.__traceback__)[-1]
    return TwofoldError(f"a bug: {type(error).__name__}: {error} ({last.filename}:{last.lineno}); please report it")


def out_of_memory(error: BaseException, job: TrainingJob) -> ResourceError | None:
    """What to do about an allocation that failed, or None for an error of another kind."""
    text = str(error)
    if not isinstance(error, MemoryError) and "out of memory" not in text and "can't allocate memory" not in text:
        return None
    experiment = job.experiment
    micro = experiment.max_micro_batch_size or "the worker's whole share"
    first_line = text.splitlines()[0] if text else "MemoryError"
    return ResourceError(
        f"out of memory with a batch of {experiment.batch_size} ({experiment.batch_rule}), micro-batch {micro}: "
        f"{first_line}; set a smaller max_micro_batch_size (the result stays the same) or a smaller patch"
    )


def threads_per_worker(num_workers: int) -> int:
    """Cores of this machine shared among the workers (all of them counted as being here)."""
    return max(1, len(os.sched_getaffinity(0)) // num_workers)
