"""A trained model opened for use: from its run's folder, or from a folder that jobs/predict.py --export wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from app import records
from app.data import files
from app.errors import DataError, UsageError
from app.execution.models.offline import without_hub
from app.experiment import Experiment
from app.run_folder.run import BEST, CHECKPOINTS, EXPORT, EXPORTED_WEIGHTS, LAST, RECORD
from app.training import checkpoint
from app.training.numerics import Numerics, has_bf16
from app.workloads.base import Workload
from app.workloads.registry import find_workload

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
    path: str, device: torch.device | str = "cpu", task_options: Mapping[str, Any] | None = None
) -> TrainedModel:
    """Open a model; `task_options` replace some of its task's options (overlap of windows and the like).
    No server is asked: what a model names of the hub has to be in the cache of this machine.

    Raises:
        DataError: no weights there, a damaged file, or weights that are not finite or do not fit the network they name.
    """
    device = torch.device(device)
    file = weights_file(path)
    content = checkpoint.load(file, device)
    experiment = Experiment.from_dict(content["experiment"])
    workload = find_workload(experiment.workload)
    task = workload.parse_task({**experiment.task, **(task_options or {})})
    try:
        network = workload.build_model(task, with_weights=False)
    except (MemoryError, RuntimeError) as error:  # of a size that no machine has
        raise DataError(f"{file}: the network that it names cannot be made: {str(error).splitlines()[0]}") from error
    try:
        network.load_state_dict(content["model"])
    except RuntimeError as error:
        raise DataError(f"{file}: its weights do not fit its network: {str(error).splitlines()[0]}") from error
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
    chosen: Mapping[str, Any] = {}
    if (record := RECORD.find(path)) is not None:
        chosen = record.numerics
    elif (exported := EXPORT.find(path)) is not None:
        chosen = exported.get("numerics") or chosen
    last = files.join(path, CHECKPOINTS, LAST)
    if not chosen and experiment.precision == "auto" and files.exists(last):
        chosen = checkpoint.load(last)["numerics"]  # of a training that is not finished
    asked = {
        "precision": "bf16" if experiment.precision == "auto" else experiment.precision,
        "channels_last": experiment.channels_last != "no",
    }
    return {key: chosen.get(key, value) for key, value in asked.items()}


def load_model_of(path: str, workload: str) -> TrainedModel:
    """As `load_model`, where the workload is known.

    Raises:
        UsageError: it is a model of another workload.
    """
    opened = load_model(path)
    if opened.workload.name != workload:
        raise UsageError(f"{path} is a model of the workload {opened.workload.name!r}, expected one of {workload!r}")
    return opened
