"""From raw files to what a network is fed: verified, in one orientation, cropped to the organ, with statistics.

Used alike by the preparation of a store and by prediction on raw volumes, so that both see the same numbers.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.workloads.volumes.anatomy import Anatomy
from app.workloads.volumes.boxes import bounding_box
from app.workloads.volumes.labels import Codes, to_internal, to_whole
from app.workloads.volumes.scans.grids import common_grid
from app.workloads.volumes.scans.intensities import Stored, to_stored
from app.workloads.volumes.scans.notes import merged, note
from app.workloads.volumes.scans.reading import BadVolume, FloatArray, Volume, read_volume, spacing_zyx, to_ras
from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.store.cases import FLOAT_TUPLE

Int16Array = npt.NDArray[np.int16]
BoolArray = npt.NDArray[np.bool_]

FULL_BOX_SHARE = 0.95
"""Assumed: a brain without its skull fills about half of the box around it; what fills all of it is no brain alone."""

FULL_BOX = "what is not 0 fills the box around it, all of that counts as the organ (was the skull removed?)"
NOT_FINITE = "values that are not finite, outside of the organ in all modalities, count as background"
ROUNDED_LABEL = "label values that are nearly whole were rounded"


@dataclass(frozen=True)
class Conditioned:
    """A case ready for the network or the store. Axes z, y, x of the RAS+ volume."""

    voxels: Int16Array
    """[M or M + 1, D, H, W]: the modalities in the box around the organ, then the label (internal codes) if any."""
    has_label: bool
    file_shape: tuple[int, int, int]
    """x, y, z as in the source."""
    affine: FloatArray
    """Affine of the source file."""
    header: bytes
    """Header of the first source file that states where it lies, else of the first."""
    shape_zyx: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    crop_start: tuple[int, int, int]
    scale: FLOAT_TUPLE
    mean: FLOAT_TUPLE
    std: FLOAT_TUPLE
    notes: tuple[str, ...] = ()
    """What was changed or assumed (app.workloads.volumes.scans.notes)."""

    @property
    def image(self) -> Int16Array:
        return self.voxels[: len(self.scale)]

    @property
    def label(self) -> npt.NDArray[np.uint8] | None:
        return self.voxels[-1].astype(np.uint8) if self.has_label else None


def condition(case: CaseFiles, codes: Codes, anatomy: Anatomy) -> Conditioned:
    """Read, verify, reorient and crop one case, whose label has these codes (or those of a challenge, by its name).

    Raises:
        BadVolume: which file is at fault, and why.
    """
    volumes = _read_images(case, anatomy.modalities)
    label_volume = None if case.label is None else read_volume(case.label)
    affine, notes = _common_grid(case, volumes, label_volume)
    label, label_notes = (None, ()) if label_volume is None else _whole_label(label_volume, case)
    names = anatomy.modalities
    paths = case.images * len(names) if len(case.images) == 1 else case.images
    stored = [_to_stored(*each) for each in zip(volumes, paths, names, strict=True)]
    notes += _not_finite(stored, label, paths, names)
    images = [to_ras(each.values, affine) for each in stored]
    label = None if label is None else to_ras(label, affine)
    box = _present_box(images, label)
    voxels = np.empty((len(names) + (label is not None), *images[0][box].shape), np.int16)
    for channel, source in enumerate(images):
        voxels[channel] = source[box]
    if case.label is not None and label is not None:
        voxels[-1] = _internal(label[box], codes, case.label, anatomy)  # outside of the box it is 0
    scale = tuple(each.scale for each in stored)
    mean, std, num_inside = _statistics(voxels[: len(names)], scale, paths, names)
    share = num_inside / voxels[0].size
    notes += (note(FULL_BOX, f"{share:.0%}"),) if anatomy.has_empty_background and share >= FULL_BOX_SHARE else ()
    z, y, x = volumes[0].shape_zyx
    return Conditioned(
        voxels=voxels,
        has_label=label is not None,
        file_shape=(x, y, z),
        affine=affine,
        header=next((v for v in volumes if v.has_place), volumes[0]).header,
        shape_zyx=_triple(images[0].shape),
        spacing_mm=spacing_zyx(affine),
        crop_start=_triple(side.start for side in box),
        scale=scale,
        mean=mean,
        std=std,
        notes=merged([*notes, *label_notes, *(line for each in stored for line in each.notes)]),
    )


def _read_images(case: CaseFiles, modalities: tuple[str, ...]) -> list[Volume]:
    """A 3D volume [Z, Y, X] of each modality."""
    if len(case.images) == 1 and len(modalities) > 1:
        path = case.images[0]
        whole = read_volume(path)
        if whole.data.shape[:-3] != (len(modalities),):
            seen = whole.data.shape[0] if whole.data.ndim == 4 else 1
            raise BadVolume(path, f"{seen} volumes, expected {len(modalities)} ({', '.join(modalities)})")
        return [dataclasses.replace(whole, data=channel) for channel in whole.data]
    volumes: list[Volume] = []
    for path in case.images:
        volume = read_volume(path)
        if volume.data.ndim != 3:
            raise BadVolume(path, f"{volume.data.ndim} dimensions, expected 3 in a file of one modality")
        volumes.append(volume)
    return volumes


def _common_grid(case: CaseFiles, volumes: list[Volume], label: Volume | None) -> tuple[FloatArray, tuple[str, ...]]:
    """The affine of all the case's files, and notes; raises BadVolume where they are not on one grid."""
    images = volumes[: len(case.images)]  # one file's modalities have one header
    if case.label is None or label is None:
        return common_grid(images, case.images)
    return common_grid([*images, label], [*case.images, case.label])


def _whole_label(volume: Volume, case: CaseFiles) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """The label's values [Z, Y, X] as whole numbers, codes as in the file."""
    try:
        whole, largest = to_whole(volume.data, volume.step)
    except ValueError as error:
        raise BadVolume(str(case.label), str(error)) from error
    return whole, (note(ROUNDED_LABEL, f"by up to {largest:.2g}"),) if largest else ()


def _internal(label: npt.NDArray[Any], codes: Codes, path: str, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    try:
        return to_internal(label, codes, anatomy)
    except ValueError as error:
        raise BadVolume(path, str(error)) from error


def _to_stored(volume: Volume, path: str, name: str) -> Stored:
    try:
        return to_stored(volume.data, volume.step, name)
    except ValueError as error:
        raise BadVolume(path, str(error)) from error


def _not_finite(
    stored: list[Stored], label: npt.NDArray[Any] | None, paths: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """Notes on values that are not finite; raises BadVolume where some lie in the organ or on the label."""
    notes = []
    present = [*(each.values for each in stored), *([] if label is None else [label])]
    for each, path, name in zip(stored, paths, names, strict=True):
        if each.unknown is None:
            continue
        num_all = int(np.count_nonzero(each.unknown))
        inside = np.logical_or.reduce([other[each.unknown] != 0 for other in present])
        if num_inside := int(np.count_nonzero(inside)):
            where = "inside the organ, as other modalities or the label have it"
            raise BadVolume(path, f"{num_all} values of {name} are not finite, {num_inside} of them {where}")
        notes.append(note(NOT_FINITE, f"{name} {num_all} voxels"))
    return tuple(notes)


def _present_box(images: list[Int16Array], label: npt.NDArray[Any] | None) -> tuple[slice, slice, slice]:
    """The smallest box with all that is not 0 in any modality or the label."""
    present: list[npt.NDArray[Any]] = [*images, *([] if label is None else [label])]
    mask: BoolArray = present[0] != 0
    for other in present[1:]:
        np.logical_or(mask, other, out=mask)
    depth, height, width = mask.shape
    return bounding_box(mask) or (slice(0, depth), slice(0, height), slice(0, width))  # empty: the statistics say so


def _statistics(
    image: Int16Array, scale: FLOAT_TUPLE, paths: tuple[str, ...], names: tuple[str, ...]
) -> tuple[FLOAT_TUPLE, FLOAT_TUPLE, int]:
    """Mean and standard deviation of each modality inside the organ (any modality not 0), in measured units; the
    organ's voxels."""
    mask: BoolArray = (image != 0).any(axis=0)
    num_inside = int(np.count_nonzero(mask))
    means, stds = [], []
    for channel, unit, path, name in zip(image, scale, paths, names, strict=True):
        if not channel.any():
            raise BadVolume(path, f"{name} is empty: every voxel is 0")
        values = channel.reshape(-1)  # exact sums of integers; outside the mask all values are 0 and add nothing
        mean = int(values.sum(dtype=np.int64)) / num_inside
        squares = int(np.einsum("i,i->", values, values, dtype=np.int64, casting="unsafe"))
        variance = squares / num_inside - mean**2
        if variance <= 1e-9 * mean**2:
            raise BadVolume(path, f"{name} is constant inside the organ")
        means.append(mean * unit)
        stds.append(variance**0.5 * unit)
    return tuple(means), tuple(stds), num_inside


def _triple(values: Any) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    return z, y, x
