"""Classification of page images as the engine sees it. Shapes: B batch, H W height, width, K classes."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from app.configuration import from_dict
from app.data.samples.splits import TRAIN
from app.errors import UsageError
from app.workloads.base import Batch, HostBatch, Workload
from app.workloads.documents.image import augment, checks, networks
from app.workloads.documents.image.samples import PageSamples
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.scoring import page_scores, summarize
from app.workloads.documents.store.prepared import labelled_rows, open_store


class DocumentImageWorkload(Workload):
    name = "document_image"
    score = "accuracy"
    loss_is_mean = True
    cases_at_once = 32

    def parse_task(self, options: Mapping[str, Any]) -> DocumentImageTask:
        return from_dict(DocumentImageTask, options, "task")

    def resolve_task(self, task: DocumentImageTask, store: str) -> DocumentImageTask:
        return checks.resolve(task, store)

    def open_samples(self, task: DocumentImageTask, store: str) -> PageSamples:
        opened = open_store(store)
        return PageSamples(opened, labelled_rows(opened, TRAIN, task.partition, task.with_excluded))

    def build_model(self, task: DocumentImageTask, with_weights: bool = True) -> torch.nn.Module:
        return networks.build_network(task, with_weights)

    def example_batch(self, task: DocumentImageTask, batch_size: int) -> HostBatch:
        random = np.random.default_rng(0)
        shape = (batch_size, 1, task.image_size, task.image_size)
        return {
            "image": random.integers(0, 256, shape, dtype=np.uint8),
            "label": random.integers(0, len(task.classes), batch_size),
        }

    def to_inputs(self, task: DocumentImageTask, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        """`image` [B, 3, H, W] normalised, `target` [B, K] shares that add up to 1."""
        grey = resize(batch["image"].float().div_(255), task.image_size)
        target = functional.one_hot(batch["label"], len(task.classes)).float()
        if seeds is not None and task.augment is not None:
            grey = augment.augment(task.augment, grey, seeds)
        if seeds is not None and task.mixup > 0:
            grey, target = augment.mix(task.mixup, grey, target, seeds)
        return {"image": normalize(task.model, grey), "target": target}

    def forward(self, task: DocumentImageTask, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        if task.norm == "sync" and model.training and inputs["image"].device.type == "cpu":
            raise UsageError("task.norm sync: torch has it on GPUs only; expected batch or frozen on a CPU")
        logits: torch.Tensor = model(inputs["image"])
        return logits

    def loss_sums(self, task: DocumentImageTask, outputs: torch.Tensor, inputs: Batch) -> torch.Tensor:
        loss = functional.cross_entropy(
            outputs.float(), inputs["target"], reduction="sum", label_smoothing=task.label_smoothing
        )
        return torch.stack([loss, loss.new_tensor(float(len(outputs)))])

    def validation_ids(self, task: DocumentImageTask, store: str, split: str) -> list[str]:
        opened = open_store(store)
        return [opened.ids[row] for row in labelled_rows(opened, split, task.partition, task.with_excluded)]

    def evaluate_cases(
        self,
        task: DocumentImageTask,
        model: torch.nn.Module,
        store: str,
        case_ids: list[str],
        device: torch.device,
        thorough: bool,
    ) -> list[dict[str, float | None]]:
        """accuracy (0 or 1) and loss of each page; if thorough also the probability p_CLASS of each class."""
        opened = open_store(store)
        rows = np.array([opened.row_of(case_id) for case_id in case_ids])
        host = self.encode_pages(task, list(opened.read_images(rows)))  # their labels are for scoring alone
        inputs = self.to_inputs(task, {key: torch.from_numpy(value).to(device) for key, value in host.items()}, None)
        image = inputs["image"].contiguous(memory_format=torch.channels_last)
        logits = self.forward(task, model, {"image": image}).float().cpu()
        return page_scores(logits, opened, rows, task.classes, task.partition, thorough)

    def contents(self, task: DocumentImageTask, store: str, case_ids: list[str]) -> str:
        """What tells apart the pictures that these pages have now from others."""
        return open_store(store).told(case_ids)

    def encode_pages(self, task: DocumentImageTask, pages: list[npt.NDArray[np.uint8]]) -> HostBatch:
        """Grey pages [S, S] as a store keeps them, as a batch without labels, for prediction."""
        return {"image": np.stack(pages)[:, None], "label": np.zeros(len(pages), np.int64)}

    def summarize(self, task: DocumentImageTask, cases: list[dict[str, float | None]]) -> dict[str, float]:
        return summarize(cases)


def resize(grey: torch.Tensor, size: int) -> torch.Tensor:
    """Grey pages [B, 1, H, W] to [B, 1, size, size]; unchanged where they are so already."""
    if grey.shape[-2:] == (size, size):
        return grey
    return functional.interpolate(grey, (size, size), mode="bilinear", antialias=True, align_corners=False)


def normalize(model: str, grey: torch.Tensor) -> torch.Tensor:
    """Three channels from one, as the network's weights want them: [B, 1, H, W] -> [B, 3, H, W]."""
    mean, std = _mean_and_std(model)
    axes = (None, slice(None), None, None)
    return (grey - grey.new_tensor(mean)[axes]) / grey.new_tensor(std)[axes]


@lru_cache(maxsize=8)
def _mean_and_std(model: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return networks.mean_and_std(DocumentImageTask(model=model))
