"""The training: network, loss and score. Shapes: B batch, F features."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.configuration import from_dict
from app.data.samples.splits import TRAIN
from app.workloads.base import Batch, HostBatch, Samples, Workload
from vectors.declaration import VectorTask
from vectors.store import open_split


@dataclass(frozen=True)
class VectorSamples(Samples):
    """The training rows of a store: only its path is pickled."""

    store: str

    def __len__(self) -> int:
        return len(open_split(self.store, TRAIN)[0])

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        _, features, labels = open_split(self.store, TRAIN)
        return {"features": features[rows], "label": labels[rows]}


class VectorWorkload(Workload):
    name = "vectors"
    score = "within"
    loss_is_mean = True
    cases_at_once = 64

    def parse_task(self, options: Mapping[str, Any]) -> VectorTask:
        return from_dict(VectorTask, options, "task")

    def resolve_task(self, task: VectorTask, store: str) -> VectorTask:
        return replace(task, num_features=open_split(store, TRAIN)[1].shape[1])

    def open_samples(self, task: VectorTask, store: str) -> VectorSamples:
        return VectorSamples(store)

    def build_model(self, task: VectorTask, with_weights: bool = True) -> torch.nn.Module:
        assert task.num_features is not None
        hidden = torch.nn.Linear(task.num_features, task.num_hidden)
        return torch.nn.Sequential(hidden, torch.nn.Tanh(), torch.nn.Linear(task.num_hidden, 1))

    def example_batch(self, task: VectorTask, batch_size: int) -> HostBatch:
        random = np.random.default_rng(0)
        features = random.normal(size=(batch_size, task.num_features or 1)).astype(np.float32)
        return {"features": features, "label": features[:, :1]}

    def to_inputs(self, task: VectorTask, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        return batch

    def forward(self, task: VectorTask, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        output: torch.Tensor = model(inputs["features"])
        return output

    def loss_sums(self, task: VectorTask, outputs: torch.Tensor, inputs: Batch) -> torch.Tensor:
        errors = (outputs.float() - inputs["label"]) ** 2
        return torch.stack([errors.sum(), errors.new_tensor(float(len(errors)))])

    def validation_ids(self, task: VectorTask, store: str, split: str) -> list[str]:
        return list(open_split(store, split)[0])

    def evaluate_cases(
        self,
        task: VectorTask,
        model: torch.nn.Module,
        store: str,
        case_ids: list[str],
        device: torch.device,
        thorough: bool,
    ) -> list[dict[str, float | None]]:
        known: dict[str, tuple[Any, Any]] = {}
        for split in ("train", "validation", "test"):
            ids, *columns = open_split(store, split)
            known |= dict(zip(ids, zip(*columns, strict=True), strict=True))
        features = torch.from_numpy(np.stack([known[i][0] for i in case_ids])).to(device)
        errors = (model(features).float().cpu() - torch.from_numpy(np.stack([known[i][1] for i in case_ids]))).abs()
        return [{"within": float(e <= task.tolerance), "error": float(e)} for e in errors[:, 0]]

    def summarize(self, task: VectorTask, cases: list[dict[str, float | None]]) -> dict[str, float]:
        names = ("within", "error")
        return {name: fmean(value for case in cases if (value := case[name]) is not None) for name in names}
