"""A trial's folder from its experiment to its record."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from app import records
from app.configuration import to_dict
from app.data.store.manifest import fingerprint, has_manifest
from app.errors import UsageError
from app.execution.trials.attempts import earlier_widths
from app.execution.trials.earlier import with_earlier
from app.experiment import Experiment
from app.printable import redacted
from app.records import TrialRecord
from app.run_folder.contents import StoreClaim
from app.run_folder.run import CONFIG, FAILURE, ORIGIN, RECORD, STORES
from app.training.order import Order
from app.workloads.registry import find_declaration, find_fingerprint, find_workload

NUM_NAMES = 4
"""How many names of tensors a line shows."""

if TYPE_CHECKING:  # drivers claim folders without torch
    from app.training.loop import TrainingResult


def resolve(experiment: Experiment, store: str) -> Experiment:
    """The experiment with all that its task takes from the store written out.

    Raises:
        UsageError: the task has a wrong option.
        DataError: the store cannot be opened.
    """
    workload = find_workload(experiment.workload)
    task = workload.resolve_task(workload.parse_task(experiment.task), store)
    return dataclasses.replace(experiment, task=to_dict(task))


def note_origin(folder: str, origin: Mapping[str, Any]) -> None:
    """Keep in a trial's folder where its initial weights came from, for whoever shows the trial."""
    ORIGIN.write(folder, dict(origin))


def told_origin(name: str, folder: str) -> str | None:
    """What the network began with besides its initial weights, as a line; None where these were all of it, or none."""
    origin = ORIGIN.find(folder) or {}
    new = origin.get("new") or origin.get("random") or []
    if not new:
        return None
    num_loaded = origin["num_loaded"]
    shown = ", ".join(new[:NUM_NAMES]) + (f" and {len(new) - NUM_NAMES} more" if len(new) > NUM_NAMES else "")
    return f"{name}: {num_loaded} of {num_loaded + len(new)} tensors are from {origin['source']}; random: {shown}"


def claim_folder(order: Order) -> TrialRecord | None:
    """The record of a finished trial; else the folder is this experiment's from now on.

    Raises:
        UsageError: it is another's.
    """
    config = redacted(order.experiment.to_dict())
    if (before := CONFIG.find(order.folder)) is not None:
        found = _as_now(redacted(before), config)
        keys = sorted(key for key in {**found, **config} if key not in order.changing)
        changed = [key for key in keys if found.get(key) != config.get(key)]
        if changed:
            raise UsageError(
                f"{order.folder} holds another experiment (different: {', '.join(changed)}); "
                "give this one another --name or --runs folder, or delete that folder"
            )
    CONFIG.write(order.folder, config)
    FAILURE.remove(order.folder)
    record = RECORD.find(order.folder)
    return record if record is not None and record.status == "finished" else None


def claim_stores(folder: str, stores: Mapping[str, str], workloads: Collection[tuple[str, str]] = ()) -> None:
    """The folder of a run or study is trained on these stores, by name, from now on. What a workload of one's own reads
    may have no manifest, and is not told apart.

    Args:
        workloads: that are trained, each with the name of its store: some read more than the cases of the manifest.

    Raises:
        UsageError: what is in it comes from a store with other contents.
        DataError: a store is damaged.
    """
    before = STORES.find(folder) or {}
    told = {name: fingerprint(store) for name, store in stores.items() if has_manifest(store)}
    now = {name: StoreClaim(redacted(stores[name]), found) for name, found in told.items()}
    for name, workload in workloads:
        if name in told and (more := find_fingerprint(workload)) is not None:
            now[f"{name}:{workload}"] = StoreClaim(now[name].store, more(stores[name]))
    for name, found in now.items():
        known = before.get(name, found)
        if known.fingerprint != found.fingerprint:
            changed = "has changed since" if known.store == found.store else f"is not {known.store}"
            raise UsageError(
                f"{folder} was begun on other data: the store {found.store} {changed}; give the store that it was "
                "begun on, or use another --name to train on this one"
            )
    if now != before:
        STORES.write(folder, {**before, **now})


def _as_now(found: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an older folder holds with the options that have come since, at what they were before there was a choice;
    what a store now says of itself was so then too."""
    try:
        found = Experiment.from_dict(found).to_dict()
    except ValueError:
        return found
    declared = find_declaration(config["workload"])
    later = () if declared is None else declared.later_facts
    told = {key: config["task"][key] for key in later if key in config["task"]}
    return {**found, "task": {**told, **found["task"]}}


def write_record(
    order: Order, result: "TrainingResult", num_restarts: int, memory: tuple[int, int] = (0, 0)
) -> TrialRecord:
    """The record of a finished training, which is in its folder when this returns.

    Args:
        memory: bytes that it held at most, and that there are.
    """
    rate = result.timings.samples_per_s(order.batch_size)
    timings = with_earlier(result.timings, order.folder)
    record = TrialRecord(
        name=order.experiment.name,
        status="finished",
        experiment=order.experiment.to_dict(),
        store=order.store,
        num_workers=order.num_workers,
        earlier_num_workers=earlier_widths(order),
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
        scores=() if (declared := find_declaration(order.experiment.workload)) is None else declared.scores,
        origin=result.origin,
        num_restarts=num_restarts,
        memory_bytes=memory[0],
        memory_limit_bytes=memory[1],
        versions=records.versions(),
        host=records.host(),
    )
    RECORD.write(order.folder, record)
    FAILURE.remove(order.folder)
    return record
