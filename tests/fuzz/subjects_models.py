"""Networks that were trained: checkpoints and exports."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import torch
from subject import Subject

from app.configuration import to_dict
from app.execution.models.model import load_model
from app.experiment import Experiment
from app.run_folder import run
from app.training import checkpoint
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.networks import build_network

TASK = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))


@cache
def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(TASK)


def _experiment() -> Experiment:
    return Experiment(name="run", workload="brats", task=to_dict(TASK))


def _make_model(folder: Path) -> None:
    checkpoints = str(folder / "checkpoint")
    checkpoint.save_best(checkpoints, _network(), _experiment().to_dict(), {"dice": 0.1, "epoch": 1})
    optimizer = torch.optim.AdamW(_network().parameters())
    progress = checkpoint.Progress(step=3, num_samples=6, best_score=0.1, best={"dice": 0.1, "epoch": 1})
    numerics = {"precision": "fp32", "channels_last": False}
    checkpoint.save_last(checkpoints, _network(), optimizer, progress, _experiment().to_dict(), numerics)


def _make_export(folder: Path) -> None:
    _make_model(folder)
    (folder / "checkpoint/best.pt").rename(folder / "weights.pt")
    shutil.rmtree(folder / "checkpoint")
    run.EXPORT.write(str(folder), {"experiment": _experiment().to_dict(), "numerics": {"precision": "fp32"}})


def _plain(state: Any) -> Any:
    """A state dict with lists in place of tensors."""
    if isinstance(state, torch.Tensor):
        return state.tolist()
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return [_plain(value) for value in state] if isinstance(state, list | tuple) else state


def _open_model(folder: Path) -> Any:
    model = load_model(str(folder))
    return _plain(model.network.state_dict()), model.experiment, model.numerics


def _resume(folder: Path) -> Any:
    saved = checkpoint.load_last(str(folder / "checkpoint"), torch.device("cpu"))
    return _plain(saved), checkpoint.progress_of(saved, str(folder / "checkpoint"), "dice")


SUBJECTS: dict[str, Subject] = {
    "model": Subject(_make_model, _open_model, ("checkpoint/best.pt",), True),
    "checkpoint": Subject(_make_model, _resume, ("checkpoint/last.pt",), True),
    "export": Subject(_make_export, _open_model, ("weights.pt", "model.json"), True),
}
