"""A scan brought to another voxel size, and what a network says of it brought back.

Axis by axis, by torch's kernels. The edges of both grids lie on each other, so that n voxels of s mm become
round(n s / t) of about t mm. Shapes: M modality, D H W depth, height, width.
"""

import dataclasses
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.errors import DataError
from app.workloads.volumes.scans.preprocessing import Conditioned
from app.workloads.volumes.spacing import Spacing, differs, in_words

Shape = tuple[int, int, int]
FloatVolume = npt.NDArray[np.float32]
Int16Array = npt.NDArray[np.int16]
LabelArray = npt.NDArray[np.uint8]

Kernel = Literal["image", "label", "probability"]
KERNELS: dict[Kernel, tuple[str, bool]] = {
    "image": ("bicubic", True),
    "label": ("bilinear", True),
    "probability": ("bicubic", False),
}
"""Mode of torch's interpolate, and whether it is antialiased where the grid becomes coarser. Measured on phantoms of
0.5 to 5 mm with a network of 1 mm: cubic images and probabilities
mostly gain over linear ones, up to 0.03 of Dice; some of coarser scans lose a little."""

LARGEST = int(np.iinfo(np.int16).max)
MAX_VOXELS = 2**28
"""Most voxels of a resampled scan; assumed: 645^3, whose four modalities and three probabilities take 5.4 GB."""


class TooManyVoxels(DataError):
    """A scan would become larger than memory allows."""


def resampled_shape(shape: Shape, spacing_mm: Spacing, target_mm: Spacing) -> Shape:
    """D, H, W of a volume after it is brought to about `target_mm`; at least one voxel a side.

    Raises:
        TooManyVoxels: more than MAX_VOXELS.
    """
    sizes = zip(shape, spacing_mm, target_mm, strict=True)
    d, h, w = (max(1, round(num * own / wanted)) for num, own, wanted in sizes)
    if d * h * w > MAX_VOXELS:
        raise TooManyVoxels(
            f"voxels of {in_words(spacing_mm)} brought to {in_words(target_mm)} would be {d * h * w}, expected at most "
            f"{MAX_VOXELS}; --no-resampling takes the scan as it is"
        )
    return d, h, w


def resample(volume: npt.NDArray[np.generic], shape: Shape, kernel: Kernel) -> FloatVolume:
    """[D, H, W] of any numeric type -> float32 of `shape`."""
    result = volume.astype(np.float32)
    for axis in sorted(range(3), key=lambda a: shape[a] / volume.shape[a]):  # what becomes smaller first
        if result.shape[axis] != shape[axis]:
            weights = axis_weights(result.shape[axis], shape[axis], kernel)
            result = np.moveaxis(np.tensordot(weights, result, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(result)


@lru_cache(maxsize=16)
def axis_weights(size: int, new_size: int, kernel: Kernel) -> FloatVolume:
    """[new_size, size]: what each voxel of an axis adds to each of the new ones; rows add up to 1."""
    import torch  # here: processes that prepare cases of one spacing do without

    ones = torch.eye(size)[None, None]
    mode, antialias = KERNELS[kernel]
    weights = torch.nn.functional.interpolate(
        ones, size=(new_size, size), mode=mode, align_corners=False, antialias=antialias
    )
    return np.asarray(weights[0, 0].numpy())


def resample_image(image: Int16Array, shape: Shape) -> Int16Array:
    """Stored values [M, D, H, W] on a grid of `shape`: the mean over what of a new voxel is organ (any modality not 0),
    and 0 where less than half of it is. So the rim of the organ does not mix with the zeros around it."""
    inside = np.logical_or.reduce(image != 0)
    share = resample(inside, shape, "image")
    organ = share > 0.5
    result = np.zeros((len(image), *shape), np.int16)
    for channel, target in zip(image, result, strict=True):
        values = resample(channel, shape, "image")
        target[organ] = np.clip(np.rint(values[organ] / share[organ]), -LARGEST, LARGEST)  # cubic ones overshoot
    return result


def resample_label(label: LabelArray, shape: Shape) -> LabelArray:
    """Codes [D, H, W] on a grid of `shape`: of each new voxel the code of which it holds most."""
    best = np.zeros(shape, np.float32)
    result = np.zeros(shape, np.uint8)
    for code in range(int(label.max(initial=0)) + 1):
        share = resample(label == code, shape, "label")
        larger = share > best
        best[larger] = share[larger]
        result[larger] = code
    return result


def resample_case(case: Conditioned, target_mm: Spacing | None) -> Conditioned:
    """The case at about the target's voxel size, where it differs; its statistics stay those of its own voxels.

    Raises:
        TooManyVoxels: it would become too large.
    """
    if target_mm is None or not differs(case.spacing_mm, target_mm):
        return case
    z, y, x = case.voxels.shape[1:]
    box = (z, y, x)
    shape = resampled_shape(box, case.spacing_mm, target_mm)
    voxels = np.empty((len(case.voxels), *shape), np.int16)
    voxels[: len(case.image)] = resample_image(case.image, shape)
    if case.label is not None:
        voxels[-1] = resample_label(case.label, shape)
    factors = [new / old for new, old in zip(shape, box, strict=True)]
    spacing = tuple(own / factor for own, factor in zip(case.spacing_mm, factors, strict=True))
    start = tuple(round(a * factor) for a, factor in zip(case.crop_start, factors, strict=True))
    whole = tuple(
        max(round(n * factor), a + size)
        for n, factor, a, size in zip(case.shape_zyx, factors, start, shape, strict=True)
    )
    return dataclasses.replace(
        case,
        voxels=voxels,
        shape_zyx=(whole[0], whole[1], whole[2]),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        crop_start=(start[0], start[1], start[2]),
    )
