"""A workload small enough to train in milliseconds, whose loss is a ratio of sums as batch Dice is."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.configuration import from_dict
from app.errors import DataError
from app.experiment import Experiment, OptimizerConfig, ScheduleConfig
from app.workloads.base import Batch, HostBatch, Samples, Workload

NUM_FEATURES = 3


@dataclass(frozen=True)
class ToyTask:
    num_rows: int = 12
    dropout: float = 0.0
    poison_step_row: int = -1
    """A row whose features are not a number."""
    store_error: str = ""
    """Where given, the store cannot be opened, and this is why."""
    kill_marker: str = ""
    """Where given, a worker kills itself once, at its seventh step, and leaves this file."""
    kill_rank: str = "1"
    title_log: str = ""
    """Where given, a file to which processes that train or read add a line: which of both, and their title."""
    weights: str = ""
    """Of a trial that starts from another: that one's folder. Only noted as the origin."""


@dataclass(frozen=True)
class ToySamples(Samples):
    num_rows: int
    poison_row: int = -1
    title_log: str = ""

    def __len__(self) -> int:
        return self.num_rows

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        note_title(self.title_log, "reads")
        features = np.stack([np.random.default_rng(int(row)).normal(size=NUM_FEATURES) for row in rows])
        features[rows == self.poison_row] = np.nan
        return {"x": features.astype(np.float32), "y": (features.sum(1, keepdims=True) > 0).astype(np.float32)}


class ToyWorkload(Workload):
    name = "toy"
    score = "accuracy"
    loss_is_mean = False
    cases_at_once = 2
    _num_forwards = 0

    def parse_task(self, options: Mapping[str, Any]) -> ToyTask:
        return from_dict(ToyTask, options)

    def resolve_task(self, task: ToyTask, store: str) -> ToyTask:
        return task

    def open_samples(self, task: ToyTask, store: str) -> ToySamples:
        if task.store_error:
            raise DataError(task.store_error)
        return ToySamples(task.num_rows, task.poison_step_row, task.title_log)

    def build_model(self, task: ToyTask, with_weights: bool = True) -> torch.nn.Module:
        model = torch.nn.Sequential(
            torch.nn.Linear(NUM_FEATURES, 8), torch.nn.Tanh(), torch.nn.Dropout(task.dropout), torch.nn.Linear(8, 1)
        )
        model.origin = {"file": task.weights} if task.weights else {}  # type: ignore[assignment]
        return model

    def example_batch(self, task: ToyTask, batch_size: int) -> HostBatch:
        return ToySamples(task.num_rows).load(np.arange(batch_size), np.arange(batch_size, dtype=np.uint64))

    def to_inputs(self, task: ToyTask, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        return batch

    def forward(self, task: ToyTask, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        self._num_forwards += 1
        note_title(task.title_log, "trains")
        if task.kill_marker and self._num_forwards == 7 and os.environ.get("RANK", "0") == task.kill_rank:
            kill_once(task.kill_marker)
        output: torch.Tensor = model(inputs["x"])
        return output

    def loss_sums(self, task: ToyTask, outputs: torch.Tensor, inputs: Batch) -> torch.Tensor:
        p = outputs.float().sigmoid()
        y = inputs["y"]
        return torch.stack([(p * y).sum(), p.sum(), y.sum()])

    def loss_value(self, task: ToyTask, sums: torch.Tensor) -> torch.Tensor:
        return 1 - (2 * sums[0] + 1) / (sums[1] + sums[2] + 1)

    def validation_ids(self, task: ToyTask, store: str, split: str) -> list[str]:
        return [str(row) for row in range(5)]

    def evaluate_cases(
        self,
        task: ToyTask,
        model: torch.nn.Module,
        store: str,
        case_ids: list[str],
        device: torch.device,
        thorough: bool,
    ) -> list[dict[str, float | None]]:
        assert len(case_ids) <= self.cases_at_once
        batch = ToySamples(task.num_rows).load(1000 + np.array(case_ids, int), np.zeros(len(case_ids), np.uint64))
        right = (model(torch.from_numpy(batch["x"])).sigmoid() > 0.5).float() == torch.from_numpy(batch["y"])
        return [{"accuracy": float(value)} for value in right.float()]

    def summarize(self, task: ToyTask, cases: list[dict[str, float | None]]) -> dict[str, float]:
        return {"accuracy": float(np.mean([case["accuracy"] for case in cases]))}


class MeanWorkload(ToyWorkload):
    """Its loss is a mean over samples."""

    loss_is_mean = True
    num_forwards = 0

    def forward(self, task: ToyTask, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        self.num_forwards += 1
        return super().forward(task, model, inputs)

    def loss_sums(self, task: ToyTask, outputs: torch.Tensor, inputs: Batch) -> torch.Tensor:
        errors = (outputs - inputs["y"]) ** 2
        return torch.stack([errors.sum(), errors.new_tensor(float(len(errors)))])

    def loss_value(self, task: ToyTask, sums: torch.Tensor) -> torch.Tensor:
        return sums[0] / sums[1]


def note_title(log: str, what: str) -> None:
    if log:
        title = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0 ").decode()
        with open(log, "a") as file:
            file.write(f"{what} {title}\n")


def kill_once(marker: str) -> None:
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def toy_experiment(**changes: Any) -> Experiment:
    values: dict[str, Any] = {
        "name": "toy",
        "workload": "toy",
        "epochs": 3,
        "batch_size": 4,
        "seed": 7,
        "precision": "fp32",
        "channels_last": "no",
        "optimizer": OptimizerConfig(learning_rate=0.05),
        "schedule": ScheduleConfig(name="cosine", warmup_share=0.1),
    }
    return Experiment(**{**values, **changes})
