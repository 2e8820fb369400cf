"""From a conditioned volume to a label: overlapping windows, thresholds, nested regions.

Memory for a volume of D x H x W voxels, besides the int16 image itself (8 D H W bytes) and the network's own: 2 D H W
bytes (mask and label), one more while the mask is made, and a slab of logits that does not grow with D (see
sliding_window.iterate_slabs). Nothing of the image's size is ever held in float, but where the image is resampled: then
also the resampled image (8 bytes a voxel of its grid), a probability a region (4 bytes) and one volume in float32.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from app.workloads.volumes.inference.sliding_window import Box, Slab, iterate_slabs
from app.workloads.volumes.labels import from_regions
from app.workloads.volumes.network.inputs import normalize
from app.workloads.volumes.scans.preprocessing import Conditioned
from app.workloads.volumes.scans.resampling import Shape, resample, resample_image, resampled_shape
from app.workloads.volumes.spacing import Spacing
from app.workloads.volumes.store.cases import input_factors
from app.workloads.volumes.task import VolumeTask

Int16Array = npt.NDArray[np.int16]
FloatVector = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

GPU_WINDOWS_AT_A_TIME = 4
"""Assumed: enough to fill a GPU with windows of 96^3; on a CPU one at a time keeps to its caches."""


class NotFiniteError(Exception):
    """A network gave what is not a number: whatever label came of it would be none."""


class OpenModel(Protocol):
    """A trained model, as app.execution.models.model opens it."""

    @property
    def task(self) -> VolumeTask: ...

    @property
    def network(self) -> torch.nn.Module:
        """In evaluation mode, on `device`."""

    @property
    def device(self) -> torch.device: ...


def predict_conditioned(model: OpenModel, case: Conditioned) -> LabelArray:
    """Internal codes [D, H, W] in the case's box, with the final overlap and flips of the task.

    Raises:
        NotFiniteError: a logit of any window is not finite.
        TooManyVoxels: as predict_label.
    """
    gain, bias = input_factors(case.scale, case.mean, case.std)
    task = model.task
    overlap, mirror = task.final_overlap, task.mirror
    return predict_label(
        task,
        _FiniteOnly(model.network),
        case.image,
        gain,
        bias,
        model.device,
        overlap=overlap,
        mirror=mirror,
        spacing_mm=case.spacing_mm,
    )


class _FiniteOnly(torch.nn.Module):
    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._network(windows)
        if not logits.isfinite().all():
            raise NotFiniteError(
                "the network's output is not finite; expected numbers: look at the scan's values, or train the model "
                "in fp32"
            )
        return logits


def predict_label(
    task: VolumeTask,
    network: torch.nn.Module,
    image: Int16Array,
    gain: FloatVector,
    bias: FloatVector,
    device: torch.device,
    *,
    overlap: float,
    mirror: bool = False,
    spacing_mm: Spacing | None = None,
) -> LabelArray:
    """Internal codes [D, H, W] of an image as stored, [M, D, H, W]; 0 outside the organ.

    An image of other voxels than the training's is resampled for the network. Probabilities are brought back onto the
    image's own grid, and thresholds are taken there.

    Args:
        network: in evaluation mode, on `device`.
        gain, bias: [M], network input = image * gain + bias where any modality is not 0, else 0.
        overlap: least share of a window that its neighbour covers.
        mirror: average over the eight flips: eight times the work.
        spacing_mm: of the image's voxels, z, y, x; None: as in training.

    Raises:
        TooManyVoxels: the resampled image would be too large.
    """
    organ = organ_mask(image)
    label = np.zeros(organ.shape, np.uint8)
    if spacing_mm is not None and task.spacing_mm is not None and task.resamples(spacing_mm):
        for box in ndimage.find_objects(organ.view(np.int8)):  # one, or none: the box of the organ
            shape = _shape(image[(slice(None), *box)])
            inputs = resample_image(image[(slice(None), *box)], resampled_shape(shape, spacing_mm, task.spacing_mm))
            probabilities = np.zeros((len(task.regions), *_shape(inputs)), np.float32)
            for slab in _slabs(task, network, inputs, organ_mask(inputs), gain, bias, device, overlap, mirror):
                probabilities[(slice(None), *slab.box)] = torch.sigmoid(slab.logits).cpu().numpy()
            regions = np.stack([resample(region, shape, "probability") > 0.5 for region in probabilities])
            label[box] = from_regions(regions, task.outputs, task.anatomy) * organ[box]
        return label
    for slab in _slabs(task, network, image, organ, gain, bias, device, overlap, mirror):
        regions = (slab.logits > 0).cpu().numpy()  # a logit over 0 is a probability over a half
        label[slab.box] = from_regions(regions, task.outputs, task.anatomy) * organ[slab.box]
    return label


def _slabs(
    task: VolumeTask,
    network: torch.nn.Module,
    image: Int16Array,
    organ: BoolArray,
    gain: FloatVector,
    bias: FloatVector,
    device: torch.device,
    overlap: float,
    mirror: bool,
) -> Iterator[Slab]:
    factors = [torch.from_numpy(v[None]).to(device) for v in (gain, bias)]

    def read(box: Box) -> torch.Tensor:
        stored = torch.from_numpy(np.ascontiguousarray(image[(slice(None), *box)])).to(device)
        return normalize(stored[None], *factors)[0]

    return iterate_slabs(
        network,
        read,
        torch.from_numpy(organ),
        task.patch_size,
        overlap,
        batch_size=GPU_WINDOWS_AT_A_TIME if device.type == "cuda" else 1,
        mirror=mirror,
    )


def _shape(image: npt.NDArray[Any]) -> Shape:
    d, h, w = image.shape[-3:]
    return d, h, w


def organ_mask(image: Int16Array) -> BoolArray:
    """[D, H, W]: where any modality of [M, D, H, W] is not 0."""
    mask: BoolArray = image[0] != 0
    for channel in image[1:]:
        mask |= channel != 0
    return mask
