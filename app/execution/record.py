"""A trial's folder from its experiment to its record."""

import dataclasses
from typing import TYPE_CHECKING

from app import records
from app.configuration import to_dict
from app.data import files
from app.errors import UsageError
from app.execution.attempts import FAILURE_FILE
from app.execution.earlier import with_earlier
from app.experiment import Experiment
from app.records import TrialRecord
from app.training.order import Order
from app.workloads.registry import find_workload

if TYPE_CHECKING:  # drivers claim folders without torch
    from app.training.loop import TrainingResult


def resolve(experiment: Experiment, store: str) -> Experiment:
    """The experiment with all that its task takes from the store written out.

    Raises:
        ValueError: the task has a wrong option.
        DataError: the store can not be opened.
    """
    workload = find_workload(experiment.workload)
    task = workload.resolve_task(workload.parse_task(experiment.task), store)
    return dataclasses.replace(experiment, task=to_dict(task))


def claim_folder(order: Order) -> TrialRecord | None:
    """The record of a finished trial; else the folder is this experiment's from now on.

    Raises:
        UsageError: it is another's.
    """
    config_path = files.join(order.folder, "config.json")
    config = order.experiment.to_dict()
    if files.exists(config_path):
        found = files.read_json(config_path)
        keys = sorted(key for key in {**found, **config} if key not in order.changing)
        changed = [key for key in keys if found.get(key) != config.get(key)]
        if changed:
            raise UsageError(
                f"{order.folder} holds another experiment (different: {', '.join(changed)}); "
                "give this one another --name or --runs folder, or delete that folder"
            )
    files.write_json(config_path, config)
    files.remove(files.join(order.folder, FAILURE_FILE))
    record_path = files.join(order.folder, "record.json")
    if files.exists(record_path):
        record = TrialRecord.from_json(files.read_bytes(record_path).decode())
        return record if record.status == "finished" else None
    return None


def write_record(order: Order, result: "TrainingResult", num_restarts: int) -> TrialRecord:
    """The record of a finished training, which is in its folder when this returns."""
    rate = result.timings.samples_per_s(order.batch_size)
    timings = with_earlier(result.timings, order.folder)
    record = TrialRecord(
        name=order.experiment.name,
        status="finished",
        experiment=order.experiment.to_dict(),
        store=order.store,
        num_workers=order.num_workers,
        launcher=order.launcher,
        device=result.device,
        global_batch_size=order.batch_size,
        num_steps=result.num_steps,
        num_parameters=result.num_parameters,
        numerics=result.numerics,
        timings=timings,
        samples_per_s=rate,
        samples_per_s_per_worker=None if rate is None else rate / order.num_workers,
        waiting_share=result.timings.waiting_share(),
        binding_limit=timings.binding_limit(),
        metrics=result.best,
        score=find_workload(order.experiment.workload).score,
        origin=result.origin,
        num_restarts=num_restarts,
        versions=records.versions(),
        host=records.host(),
    )
    files.write_bytes_atomic(files.join(order.folder, "record.json"), record.to_json().encode())
    files.remove(files.join(order.folder, FAILURE_FILE))
    return record
