"""Segmentation of volumes as the engine sees it.

Shapes: B batch, C channel, D H W depth, height, width.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from app.configuration import from_dict
from app.errors import DataError
from app.workloads.base import Batch, HostBatch, Workload
from app.workloads.volumes.checks import check_anatomy
from app.workloads.volumes.inference import evaluation
from app.workloads.volumes.network import augment, losses, networks
from app.workloads.volumes.network.inputs import normalize, region_targets
from app.workloads.volumes.store.prepared import VolumeStore, store_labels, store_spacing
from app.workloads.volumes.store.samples import VolumeSamples
from app.workloads.volumes.task import VolumeTask


class VolumeWorkload(Workload):
    """Segmentation of volumes of any anatomy; a subclass gives its name and the class of its task."""

    task_type: ClassVar[type[VolumeTask]]
    score = "dice"
    loss_is_mean = False
    cases_at_once = 1

    def parse_task(self, options: Mapping[str, Any]) -> VolumeTask:
        return from_dict(self.task_type, options, "task")

    def resolve_task(self, task: VolumeTask, store: str) -> VolumeTask:
        """With the store's voxel size and meaning of labels, unless the task has them: a model may be scored on a store
        of others.

        Raises:
            UsageError: the store is of another anatomy.
        """
        check_anatomy(task.anatomy, store)
        spacing_mm = store_spacing(store) if task.spacing_mm is None else task.spacing_mm
        return replace(task, spacing_mm=spacing_mm, labels=store_labels(store) if task.labels is None else task.labels)

    def open_samples(self, task: VolumeTask, store: str) -> VolumeSamples:
        return VolumeSamples(
            VolumeStore(store), task.patch_size, task.samples_per_case, task.foreground_share, mode=task.sampling
        )

    def build_model(self, task: VolumeTask, with_weights: bool = True) -> torch.nn.Module:
        return networks.build_network(task, with_weights)

    def example_batch(self, task: VolumeTask, batch_size: int) -> HostBatch:
        random = np.random.default_rng(0)
        num = task.anatomy.num_modalities
        shape = (batch_size, num, *task.patch_size)
        return {
            "image": random.integers(0, 1000, shape, dtype=np.int16),
            "label": random.integers(0, task.anatomy.num_codes, (batch_size, 1, *task.patch_size), dtype=np.uint8),
            "gain": np.full((batch_size, num), 1 / 300, np.float32),
            "bias": np.full((batch_size, num), -1.7, np.float32),
        }

    def to_inputs(self, task: VolumeTask, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        image = normalize(batch["image"], batch["gain"], batch["bias"])
        target = region_targets(batch["label"], task.regions, task.anatomy)
        if seeds is not None and task.augment is not None:
            image, target = augment.augment(task.augment, image, target, seeds)
        return {"image": image, "target": target}

    def forward(self, task: VolumeTask, model: torch.nn.Module, inputs: Batch) -> Any:
        return model(inputs["image"])

    def loss_sums(self, task: VolumeTask, outputs: Any, inputs: Batch) -> torch.Tensor:
        return losses.loss_sums(task, outputs, inputs["target"])

    def loss_value(self, task: VolumeTask, sums: torch.Tensor) -> torch.Tensor:
        return losses.loss_value(task, sums)

    def validation_ids(self, task: VolumeTask, store: str, split: str) -> list[str]:
        ids = [case.id for case in VolumeStore(store).split(split) if case.has_label]
        if not ids:
            raise DataError(f"the store {store} has no labelled case in its {split!r} split")
        return ids

    def evaluate_cases(
        self,
        task: VolumeTask,
        model: torch.nn.Module,
        store: str,
        case_ids: list[str],
        device: torch.device,
        thorough: bool,
    ) -> list[dict[str, float | None]]:
        return [evaluation.evaluate_case(task, model, store, case_id, device, thorough) for case_id in case_ids]

    def contents(self, task: VolumeTask, store: str, case_ids: list[str]) -> str:
        """What tells apart these cases as they are now from others."""
        opened = VolumeStore(store)
        return repr([opened.case(case_id) for case_id in case_ids])

    def remarks(self, task: VolumeTask, store: str, case_ids: list[str]) -> tuple[str, ...]:
        """What an evaluation of these cases tells besides their scores: what becomes of other voxel sizes."""
        opened = VolumeStore(store)
        return evaluation.remarks(task, [opened.case(case_id) for case_id in case_ids])

    def summarize(self, task: VolumeTask, cases: list[dict[str, float | None]]) -> dict[str, float]:
        return evaluation.summarize(task, cases)
