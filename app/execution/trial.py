"""One experiment on k workers, from its folder to its record; finished ones are not run again."""

import dataclasses
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from typing import Any, cast

from app import records
from app.configuration import to_dict
from app.console import say
from app.data import files
from app.errors import TrainingError, TwofoldError, UsageError
from app.execution.attempts import FAILED_FILE, count_restarts, write_failure
from app.execution.cluster import Feeding
from app.execution.display import TrainingDisplay
from app.experiment import Experiment
from app.records import TrialRecord
from app.training.context import LocalContext
from app.training.loop import TrainingJob, TrainingResult, train
from app.workloads.registry import find_workload


@dataclass(frozen=True)
class TrialSetting:
    """Where and how one experiment runs."""

    store: str
    folder: str
    """Of this trial."""
    num_workers: int = 1
    launcher: str = "ray"
    """`local` trains in this process, without Ray; it takes one worker."""
    feeding: Feeding | None = None
    """Who reads samples on Ray; None: as cluster.default_feeding has it."""


def run_trial(experiment: Experiment, setting: TrialSetting, start_s: float | None = None) -> TrialRecord:
    """Train, or go on with, one experiment; its record is also in the folder, whether it finished or failed.

    Raises:
        UsageError: the folder holds another experiment, or the workers do not divide the batch.
        TwofoldError: the training failed; its message says why.
    """
    start_s = start_s if start_s is not None else time.time()
    experiment = resolve(experiment, setting.store)
    experiment.global_batch_size(setting.num_workers)
    if setting.launcher == "local" and setting.num_workers != 1:
        raise UsageError(f"without Ray one worker trains in this process; got {setting.num_workers} workers")
    finished = claim_folder(experiment, setting)
    if finished is not None:
        say(f"{experiment.name}: finished before, not run again ({setting.folder})")
        return finished
    job = TrainingJob(experiment, setting.store, setting.folder, start_s)
    try:
        result, num_restarts = _run_local(job) if setting.launcher == "local" else _run_ray(job, setting)
    except TwofoldError as error:
        write_failure(setting.folder, experiment.name, str(error))
        raise
    return write_record(experiment, setting, result, num_restarts)


def resolve(experiment: Experiment, store: str) -> Experiment:
    """The experiment with all that its task takes from the store written out.

    Raises:
        ValueError: the task has a wrong option.
        DataError: the store can not be opened.
    """
    workload = find_workload(experiment.workload)
    task = workload.resolve_task(workload.parse_task(experiment.task), store)
    return dataclasses.replace(experiment, task=to_dict(task))


def claim_folder(experiment: Experiment, setting: TrialSetting, changing: tuple[str, ...] = ()) -> TrialRecord | None:
    """The record of a finished trial; else the folder is this experiment's from now on. Options of the names
    `changing` may differ from what the folder held."""
    config_path = files.join(setting.folder, "config.json")
    config = experiment.to_dict()
    if files.exists(config_path):
        found = files.read_json(config_path)
        keys = sorted(key for key in {**found, **config} if key not in changing)
        changed = [key for key in keys if found.get(key) != config.get(key)]
        if changed:
            raise UsageError(
                f"{setting.folder} holds another experiment (different: {', '.join(changed)}); "
                "give this one another --name or --runs folder, or delete that folder"
            )
    files.write_json(config_path, config)
    files.remove(files.join(setting.folder, "failure.json"))
    record_path = files.join(setting.folder, "record.json")
    if files.exists(record_path):
        record = TrialRecord.from_json(files.read_bytes(record_path).decode())
        return record if record.status == "finished" else None
    return None


def _run_local(job: TrainingJob) -> tuple[TrainingResult, int]:
    from app.training.process import tune_process

    tune_process(len(os.sched_getaffinity(0)))
    with TrainingDisplay(job.folder, job.experiment.name, 1):
        return train(job, find_workload(job.experiment.workload), LocalContext()), 0


def _run_ray(job: TrainingJob, setting: TrialSetting) -> tuple[TrainingResult, int]:
    """A TorchTrainer whose workers read, train and write for themselves; only the result comes back."""
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer

    from app.execution import cluster, train_context

    num_workers = setting.num_workers
    slots = cluster.connect(num_workers)
    use_gpu = slots.kind == "GPU"
    per_worker = {"CPU": 1.0, **({"GPU": 1.0} if use_gpu else {})}
    cluster.wait_for({name: amount * num_workers for name, amount in per_worker.items()})
    scratch = tempfile.mkdtemp(prefix="twofold-train-")
    trainer = TorchTrainer(
        cast(Any, train_context.worker_function),  # its annotation knows no return value; Result has it
        train_loop_config={
            "job": job,
            "num_threads": train_context.threads_per_worker(num_workers),
            "feeding": setting.feeding or cluster.default_feeding(use_gpu),
        },
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo", timeout_s=1800),
        scaling_config=ray.train.ScalingConfig(
            num_workers=num_workers, use_gpu=use_gpu, resources_per_worker=per_worker
        ),
        run_config=ray.train.RunConfig(
            name=job.experiment.name,
            storage_path=scratch,  # checkpoints are ours, in the trial's folder; nothing of Ray's is kept
            failure_config=ray.train.FailureConfig(max_failures=job.experiment.max_retries),
        ),
    )
    try:
        with TrainingDisplay(job.folder, job.experiment.name, num_workers):
            result = _fit(trainer, job)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result, count_restarts(job.folder)


def _fit(trainer: Any, job: TrainingJob) -> TrainingResult:
    from ray.train import ControllerError, TrainingFailedError, WorkerGroupError

    from app.execution.train_context import recorded_failure

    try:
        result = trainer.fit().return_value
    except TrainingFailedError as error:
        known = recorded_failure(job.folder)
        if known is not None:
            raise known from error
        causes: Any = error.worker_failures if isinstance(error, WorkerGroupError) else {}
        if isinstance(error, ControllerError):
            causes = {"controller": error.controller_failure}
        lines = "; ".join(f"worker {rank}: {_last_line(cause)}" for rank, cause in causes.items())
        raise TrainingError(
            f"{job.experiment.name}: given up after {job.experiment.max_retries} restarts: "
            f"{lines or _last_line(error)}. Its last checkpoint is kept: the same command goes on from there"
        ) from error
    known = recorded_failure(job.folder)
    if known is not None:
        raise known
    assert isinstance(result, TrainingResult), result
    return result


def _last_line(error: BaseException) -> str:
    """A worker's error without its trace, which Ray puts into the text."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def write_record(
    experiment: Experiment, setting: TrialSetting, result: TrainingResult, num_restarts: int
) -> TrialRecord:
    """The record of a finished training, which is in its folder when this returns."""
    batch_size = experiment.global_batch_size(setting.num_workers)
    rate = result.timings.samples_per_s(batch_size)
    record = TrialRecord(
        name=experiment.name,
        status="finished",
        experiment=experiment.to_dict(),
        store=setting.store,
        num_workers=setting.num_workers,
        launcher="local" if setting.launcher == "local" else "ray",
        device=result.device,
        global_batch_size=batch_size,
        num_steps=result.num_steps,
        num_parameters=result.num_parameters,
        numerics=result.numerics,
        timings=result.timings,
        samples_per_s=rate,
        samples_per_s_per_worker=None if rate is None else rate / setting.num_workers,
        waiting_share=result.timings.waiting_share(),
        binding_limit=result.timings.binding_limit(),
        metrics=result.best,
        score=find_workload(experiment.workload).score,
        origin=result.origin,
        num_restarts=num_restarts,
        versions=records.versions(),
        host=records.host(),
    )
    files.write_bytes_atomic(files.join(setting.folder, "record.json"), record.to_json().encode())
    files.remove(files.join(setting.folder, FAILED_FILE))
    return record
