"""A trained model opened for use: from its run's folder, or from a folder that jobs/predict.py --export wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from app import records
from app.data import files
from app.errors import DataError, UsageError
from app.execution.models.offline import without_hub
from app.experiment import Experiment
from app.run_folder.run import BEST, CHECKPOINTS, EXPORT, EXPORTED_WEIGHTS, LAST, RECORD
from app.strict_json import mapping
from app.training import checkpoint
from app.training.choices import check_numerics
from app.training.numerics import Numerics, has_bf16
from app.workloads.base import Workload
from app.workloads.registry import WORKLOADS, find_workload

PLACES = (f"{CHECKPOINTS}/{BEST}", EXPORTED_WEIGHTS)
"""Where weights are, in a run's folder and in an exported one."""


@dataclass(frozen=True)
class TrainedModel:
    """A network with its best weights, ready for inference on one device."""

    path: str
    workload: Workload
    task: Any
    network: torch.nn.Module
    experiment: Experiment
    metrics: Mapping[str, Any]
    """Metrics of the validation that chose the weights."""
    device: torch.device
    numerics: Numerics


def weights_file(path: str) -> str:
    """The file with the weights of a run's folder or an exported folder.

    Raises:
        DataError: there is none.
    """
    if not files.exists(path):
        raise DataError(f"the model {path} does not exist; expected the folder of a run or an exported model")
    for place in PLACES:
        if files.exists(files.join(path, place)):
            return files.join(path, place)
    raise DataError(
        f"{path} holds no model: neither {' nor '.join(PLACES)} is there; expected the folder of a run that has "
        "finished its first evaluation (RUNS/NAME), or a folder written by jobs/predict.py --export"
    )


def export_facts(model: TrainedModel) -> dict[str, Any]:
    """What an exported folder says of where the model comes from."""
    return {
        "experiment": model.experiment.to_dict(),
        "best_validation": dict(model.metrics),
        "numerics": dict(_trained_numerics(model.path, model.experiment)),
        "versions": records.versions(),
    }


@without_hub()
def load_model(
    path: str,
    device: torch.device | str = "cpu",
    task_options: Mapping[str, Any] | None = None,
    workloads: Sequence[str] = (),
) -> TrainedModel:
    """Open a model. No server is asked: what a model names of the hub has to be in the cache of this machine.

    Args:
        task_options: replace some of its task's options (overlap of windows and the like).
        workloads: it is of one of these; empty: of any.

    Raises:
        DataError: no weights there, a damaged file, or weights that are not finite or do not fit the network they name.
        UsageError: it is of another workload.
    """
    device = torch.device(device)
    file = weights_file(path)
    content = checkpoint.load_best(file, device)
    try:
        experiment = Experiment.from_dict(content["experiment"])
    except UsageError as error:
        raise DataError(f"{file} is damaged: experiment: {error}") from error
    if workloads and set(workloads) <= set(WORKLOADS) and experiment.workload not in workloads:
        raise _other_workload(path, experiment.workload, workloads)  # a place in other code is not even imported
    workload = find_workload(experiment.workload)
    if workloads and workload.name not in workloads:
        raise _other_workload(path, workload.name, workloads)
    task = workload.parse_task({**experiment.task, **(task_options or {})})
    try:
        network = workload.build_model(task, with_weights=False)
    except (MemoryError, RuntimeError) as error:  # of a size that no machine has
        raise DataError(f"{file}: the network that it names cannot be made: {str(error).splitlines()[0]}") from error
    checkpoint.fill(network, content["model"], file)
    if not checkpoint.are_finite(network.state_dict()):
        raise DataError(f"{file}: got weights that are not finite, expected numbers; restore the file, or train again")
    numerics = _numerics(path, experiment, device)
    network = numerics.place(network.to(device).eval())
    return TrainedModel(path, workload, task, network, experiment, content["metrics"], device, numerics)


def _numerics(path: str, experiment: Experiment, device: torch.device) -> Numerics:
    """Those in which the training validated, but bf16 only where the device has it."""
    found = _trained_numerics(path, experiment)
    return Numerics(found["precision"] if has_bf16(device) else "fp32", found["channels_last"])


def _trained_numerics(path: str, experiment: Experiment) -> dict[str, Any]:
    """Precision and layout: what the training chose, as its record, its export or its checkpoint says; else what it was
    asked for, and where that was `auto`, what is fast."""
    chosen: Any = {}
    if (record := RECORD.find(path)) is not None:
        chosen = record.numerics
    elif (exported := EXPORT.find(path)) is not None:
        chosen = exported.get("numerics") or chosen
    last = files.join(path, CHECKPOINTS, LAST)
    if not chosen and experiment.precision == "auto" and files.exists(last):
        chosen = checkpoint.load(last, holds=checkpoint.LAST_HOLDS)["numerics"]  # of a training that is not finished
    asked = {
        "precision": "bf16" if experiment.precision == "auto" else experiment.precision,
        "channels_last": experiment.channels_last != "no",
    }
    try:
        found = {**asked, **mapping(chosen)}
        check_numerics(found)
    except UsageError as error:
        raise DataError(f"{path}: what it says of its numerics is damaged: {error}") from error
    return {key: found[key] for key in asked}


def load_model_of(path: str, workload: str) -> TrainedModel:
    """As `load_model`, where the workload is known."""
    return load_model(path, workloads=(workload,))


def _other_workload(path: str, name: str, wanted: Sequence[str]) -> UsageError:
    return UsageError(f"{path} is a model of the workload {name!r}, expected one of {' or '.join(map(repr, wanted))}")
