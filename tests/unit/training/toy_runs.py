"""Trainings of the toy workload, and what they leave."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from toy import ToyWorkload

from app.experiment import Experiment
from app.training import checkpoint
from app.training.context import LocalContext
from app.training.loop import Training, TrainingResult
from app.training.order import Order

CPU = torch.device("cpu")


def run(experiment: Experiment, folder: Path, workload: Any = None, until_epoch: int | None = None) -> TrainingResult:
    """Trained to its end, or paused after so many epochs as a scheduler would."""
    training = Training(Order(experiment, "", str(folder), time.time()), workload or ToyWorkload(), LocalContext(CPU))
    try:
        while not training.is_done and training.progress.num_epochs < (until_epoch or experiment.epochs):
            training.advance()
        return training.finish()
    finally:
        training.close()


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def losses(folder: Path) -> dict[int, float]:
    found = lines(folder, "steps.jsonl")
    assert [line["step"] for line in found] == list(range(1, len(found) + 1)), "every step once, in order"
    return {line["step"]: line["loss"] for line in found}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(str(folder / "checkpoint" / "last.pt"))["model"]


class DiesAtStep(ToyWorkload):
    """Stops the process of training as a kill would: in the middle of an epoch, after a checkpoint a step."""

    def __init__(self, step: int) -> None:
        self._left = step

    def loss_value(self, task: Any, sums: torch.Tensor) -> torch.Tensor:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return super().loss_value(task, sums)
