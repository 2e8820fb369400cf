"""A workload that trains in milliseconds: what is left of a trial is what running it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.configuration import from_dict
from app.workloads.base import Batch, HostBatch, Samples, Workload

NUM_FEATURES = 4


@dataclass(frozen=True)
class TrivialTask:
    num_rows: int = 8
    step_s: float = 0.0
    """Each step sleeps so long: a training whose length is known."""
    step_log: str | None = None
    """Each step adds a character to this file, whatever becomes of the training after it."""


class TrivialWorkload(Workload):
    name = "trivial"
    score = "accuracy"
    loss_is_mean = True
    cases_at_once = 8

    def parse_task(self, options: Mapping[str, Any]) -> TrivialTask:
        return from_dict(TrivialTask, options)

    def resolve_task(self, task: TrivialTask, store: str) -> TrivialTask:
        return task

    def open_samples(self, task: TrivialTask, store: str) -> "TrivialSamples":
        return TrivialSamples(task.num_rows)

    def build_model(self, task: TrivialTask, with_weights: bool = True) -> torch.nn.Module:
        return torch.nn.Linear(NUM_FEATURES, 1)

    def example_batch(self, task: TrivialTask, batch_size: int) -> HostBatch:
        return TrivialSamples(task.num_rows).load(np.arange(batch_size), np.arange(batch_size, dtype=np.uint64))

    def to_inputs(self, task: TrivialTask, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        return batch

    def forward(self, task: TrivialTask, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        if task.step_s:
            import time

            time.sleep(task.step_s)
        if task.step_log is not None:
            with open(task.step_log, "ab") as log:
                log.write(b".")
        output: torch.Tensor = model(inputs["x"])
        return output

    def loss_sums(self, task: TrivialTask, outputs: torch.Tensor, inputs: Batch) -> torch.Tensor:
        return torch.stack([((outputs - inputs["y"]) ** 2).sum(), torch.tensor(float(len(outputs)))])

    def validation_ids(self, task: TrivialTask, store: str, split: str) -> list[str]:
        return ["0"]

    def evaluate_cases(
        self, task: TrivialTask, model: torch.nn.Module, store: str, case_ids: list[str], device: torch.device,
        thorough: bool,
    ) -> list[dict[str, float | None]]:  # fmt: skip
        return [{"accuracy": 0.5} for _ in case_ids]

    def summarize(self, task: TrivialTask, cases: list[dict[str, float | None]]) -> dict[str, float]:
        return {"accuracy": 0.5}


@dataclass(frozen=True)
class TrivialSamples(Samples):
    num_rows: int

    def __len__(self) -> int:
        return self.num_rows

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        x = np.repeat(rows[:, None], NUM_FEATURES, axis=1).astype(np.float32) / self.num_rows
        return {"x": x, "y": x.sum(1, keepdims=True)}
