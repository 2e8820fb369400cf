"""Brain tumour segmentation as the engine sees it. Shapes: B batch, C channel, D H W depth, height, width."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.configuration import from_dict, to_dict
from app.data import files
from app.workloads.base import Batch, HostBatch
from app.workloads.brats import augment, losses, metrics, networks, sliding_window
from app.workloads.brats.labels import region_masks
from app.workloads.brats.samples import BratsSamples
from app.workloads.brats.store import BratsStore
from app.workloads.brats.task import BratsTask

NUM_MODALITIES = 4


class BratsWorkload:
    name = "brats"
    score = "dice"
    loss_is_mean = False

    def parse_task(self, options: Mapping[str, Any]) -> BratsTask:
        return from_dict(BratsTask, options, "task")

    def open_samples(self, task: BratsTask, store: str) -> BratsSamples:
        return BratsSamples(
            BratsStore(store), task.patch_size, task.samples_per_case, task.foreground_share, mode=task.sampling
        )

    def build_model(self, task: BratsTask) -> torch.nn.Module:
        return networks.build_network(task)

    def example_batch(self, task: BratsTask, batch_size: int) -> HostBatch:
        random = np.random.default_rng(0)
        shape = (batch_size, NUM_MODALITIES, *task.patch_size)
        return {
            "image": random.integers(0, 1000, shape, dtype=np.int16),
            "label": random.integers(0, 4, (batch_size, 1, *task.patch_size), dtype=np.uint8),
            "gain": np.full((batch_size, NUM_MODALITIES), 1 / 300, np.float32),
            "bias": np.full((batch_size, NUM_MODALITIES), -1.7, np.float32),
        }

    def to_inputs(self, task: BratsTask, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        image = normalize(batch["image"], batch["gain"], batch["bias"])
        target = region_targets(batch["label"], task.outputs)
        if seeds is not None and task.augment:
            image, target = augment.augment(image, target, seeds, task)
        return {"image": image, "target": target}
