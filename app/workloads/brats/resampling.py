"""A scan brought to another voxel size, and what a network says of it brought back.

Along each axis by straight lines, antialiased where the grid becomes coarser (torch's triangle filter). The edges of
both grids lie on each other, so that n voxels of s mm become round(n s / t) of about t mm; beyond the outermost centres
the outermost value holds. Shapes: M modality, D H W depth, height, width.
"""

import dataclasses
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from app.errors import DataError
from app.workloads.brats.cases import NUM_MODALITIES
from app.workloads.brats.conditioning import Conditioned
from app.workloads.brats.labels import NUM_CODES
from app.workloads.brats.spacing import Spacing, differs, in_words

Shape = tuple[int, int, int]
FloatVolume = npt.NDArray[np.float32]
Int16Array = npt.NDArray[np.int16]
LabelArray = npt.NDArray[np.uint8]

MAX_VOXELS = 2**28
"""Of a resampled scan; assumed: 645^3, whose four modalities and three probabilities take 5.4 GB."""


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
            f"voxels of {in_words(spacing_mm)} brought to {in_words(target_mm)} would be {d * h * w}, wanted at most "
            f"{MAX_VOXELS}; --no-resampling takes the scan as it is"
        )
    return d, h, w


def resample(volume: npt.NDArray[np.generic], shape: Shape, antialias: bool = True) -> FloatVolume:
    """[D, H, W] of any numeric type -> float32 of `shape`."""
    result = volume.astype(np.float32)
    for axis in sorted(range(3), key=lambda a: shape[a] / volume.shape[a]):  # what becomes smaller first
        if result.shape[axis] != shape[axis]:
            weights = axis_weights(result.shape[axis], shape[axis], antialias)
            result = np.moveaxis(np.tensordot(weights, result, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(result)


@lru_cache(maxsize=16)
def axis_weights(size: int, new_size: int, antialias: bool) -> FloatVolume:
    """[new_size, size]: what each voxel of an axis adds to each of the new ones; rows add up to 1."""
    import torch  # here: processes that prepare cases of one spacing do without

    ones = torch.eye(size)[None, None]
    mode = {"mode": "bilinear", "align_corners": False, "antialias": antialias}
    weights = torch.nn.functional.interpolate(ones, size=(new_size, size), **mode)  # type: ignore[arg-type]
    return np.asarray(weights[0, 0].numpy())


def resample_image(image: Int16Array, shape: Shape) -> Int16Array:
    """Stored values [M, D, H, W] on a grid of `shape`: the mean over what of a new voxel is brain (any modality not 0),
    and 0 where less than half of it is. So the rim of the brain does not mix with the zeros around it."""
    inside = np.logical_or.reduce(image != 0)
    share = resample(inside, shape)
    brain = share > 0.5
    result = np.zeros((len(image), *shape), np.int16)
    for channel, target in zip(image, result, strict=True):
        values = resample(channel, shape)
        target[brain] = np.rint(values[brain] / share[brain])
    return result


def resample_label(label: LabelArray, shape: Shape) -> LabelArray:
    """Codes [D, H, W] on a grid of `shape`: of each new voxel the code of which it holds most."""
    best = np.zeros(shape, np.float32)
    result = np.zeros(shape, np.uint8)
    for code in range(NUM_CODES):
        share = resample(label == code, shape)
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
    voxels[:NUM_MODALITIES] = resample_image(case.image, shape)
    if case.label is not None:
        voxels[NUM_MODALITIES] = resample_label(case.label, shape)
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
