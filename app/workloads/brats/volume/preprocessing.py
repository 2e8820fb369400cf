"""From raw files to what a network is fed: verified, in one orientation, cropped to the brain, with statistics.

Used alike by the preparation of a store and by prediction on raw volumes, so that both see the same numbers.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.workloads.brats.labels import Codes, to_internal, to_whole
from app.workloads.brats.source.layouts import MODALITIES, CaseFiles
from app.workloads.brats.store.cases import FLOAT_TUPLE, NUM_MODALITIES
from app.workloads.brats.volume.grids import common_grid
from app.workloads.brats.volume.intensities import Stored, to_stored
from app.workloads.brats.volume.notes import merged, note
from app.workloads.brats.volume.reading import BadVolume, FloatArray, Volume, read_volume, spacing_zyx, to_ras

Int16Array = npt.NDArray[np.int16]
BoolArray = npt.NDArray[np.bool_]

FULL_BOX_SHARE = 0.95
"""Assumed: a brain without its skull fills about half of the box around it; what fills all of it is no brain alone."""

FULL_BOX = "what is not 0 fills the box around it, all of that counts as brain (was the skull removed?)"
ROUNDED_LABEL = "label values that are nearly whole were rounded"


@dataclass(frozen=True)
class Conditioned:
    """A case ready for the network or the store. Axes z, y, x of the RAS+ volume."""

    voxels: Int16Array
    """[4 or 5, D, H, W]: the modalities in the box around the brain, then the label (internal codes) if any."""
    has_label: bool
    file_shape: tuple[int, int, int]
    """x, y, z as in the source."""
    affine: FloatArray
    """Affine of the source file."""
    header: bytes
    """Header of the (first) source file."""
    shape_zyx: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    crop_start: tuple[int, int, int]
    scale: FLOAT_TUPLE
    mean: FLOAT_TUPLE
    std: FLOAT_TUPLE
    notes: tuple[str, ...] = ()
    """What was changed or assumed (app.workloads.brats.volume.notes)."""

    @property
    def image(self) -> Int16Array:
        return self.voxels[:NUM_MODALITIES]

    @property
    def label(self) -> npt.NDArray[np.uint8] | None:
        return self.voxels[NUM_MODALITIES].astype(np.uint8) if self.has_label else None


def condition(case: CaseFiles, codes: str | Codes) -> Conditioned:
    """Read, verify, reorient and crop one case, whose label has these codes (or those of a challenge, by its name).

    Raises:
        BadVolume: which file is at fault, and why.
    """
    volumes = _read_images(case)
    label_volume = None if case.label is None else read_volume(case.label)
    affine, notes = _common_grid(case, volumes, label_volume)
    label, label_notes = (None, ()) if label_volume is None else _whole_label(label_volume, case)
    stored = [_to_stored(*each) for each in zip(volumes, _file_of_modality(case), MODALITIES, strict=True)]
    images = [to_ras(each.values, affine) for each in stored]
    label = None if label is None else to_ras(label, affine)
    start, shape = _bounding_box(images, label)
    box = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    voxels = np.empty((NUM_MODALITIES + (label is not None), *shape), np.int16)
    for channel, source in enumerate(images):
        voxels[channel] = source[box]
    if case.label is not None and label is not None:
        voxels[NUM_MODALITIES] = _internal(label[box], codes, case.label)  # outside of the box it is 0
    scale = tuple(each.scale for each in stored)
    mean, std, num_brain = _statistics(voxels[:NUM_MODALITIES], scale, case)
    share = num_brain / voxels[0].size
    notes += (note(FULL_BOX, f"{share:.0%}"),) if share >= FULL_BOX_SHARE else ()
    z, y, x = volumes[0].shape_zyx
    return Conditioned(
        voxels=voxels,
        has_label=label is not None,
        file_shape=(x, y, z),
        affine=affine,
        header=volumes[0].header,
        shape_zyx=_triple(images[0].shape),
        spacing_mm=spacing_zyx(affine),
        crop_start=start,
        scale=scale,
        mean=mean,
        std=std,
        notes=merged([*notes, *label_notes, *(line for each in stored for line in each.notes)]),
    )


def _read_images(case: CaseFiles) -> list[Volume]:
    """Four 3D volumes [Z, Y, X]."""
    if len(case.images) == 1:
        path = case.images[0]
        whole = read_volume(path)
        if whole.data.shape[:-3] != (NUM_MODALITIES,):
            seen = whole.data.shape[0] if whole.data.ndim == 4 else 1
            raise BadVolume(path, f"{seen} volumes, expected {NUM_MODALITIES} ({', '.join(MODALITIES)})")
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


def _internal(label: npt.NDArray[Any], codes: str | Codes, path: str) -> npt.NDArray[np.uint8]:
    try:
        return to_internal(label, codes)
    except ValueError as error:
        raise BadVolume(path, str(error)) from error


def _to_stored(volume: Volume, path: str, name: str) -> Stored:
    try:
        return to_stored(volume.data, volume.step, name)
    except ValueError as error:
        raise BadVolume(path, str(error)) from error


def _bounding_box(
    images: list[Int16Array], label: npt.NDArray[Any] | None
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Start and shape of the smallest box with all that is not 0 in any modality or the label."""
    present: list[npt.NDArray[Any]] = [*images, *([] if label is None else [label])]
    mask: BoolArray = present[0] != 0
    for other in present[1:]:
        np.logical_or(mask, other, out=mask)
    if not mask.any():
        return (0, 0, 0), _triple(mask.shape)  # the statistics report it as empty
    plane = np.asarray(mask.any(axis=0))
    projections = (mask.any(axis=(1, 2)), plane.any(axis=1), plane.any(axis=0))
    ends = [np.flatnonzero(np.asarray(p))[[0, -1]] for p in projections]
    return _triple(e[0] for e in ends), _triple(e[1] - e[0] + 1 for e in ends)


def _statistics(image: Int16Array, scale: FLOAT_TUPLE, case: CaseFiles) -> tuple[FLOAT_TUPLE, FLOAT_TUPLE, int]:
    """Mean and standard deviation of each modality inside the brain (any modality not 0), in measured units; the
    brain's voxels."""
    mask: BoolArray = (image != 0).any(axis=0)
    num_brain = int(np.count_nonzero(mask))
    means, stds = [], []
    for channel, unit, path, name in zip(image, scale, _file_of_modality(case), MODALITIES, strict=True):
        if not channel.any():
            raise BadVolume(path, f"{name} is empty: every voxel is 0")
        values = channel.reshape(-1)  # exact sums of integers; outside the mask all values are 0 and add nothing
        mean = int(values.sum(dtype=np.int64)) / num_brain
        squares = int(np.einsum("i,i->", values, values, dtype=np.int64, casting="unsafe"))
        variance = squares / num_brain - mean**2
        if variance <= 1e-9 * mean**2:
            raise BadVolume(path, f"{name} is constant inside the brain")
        means.append(mean * unit)
        stds.append(variance**0.5 * unit)
    return tuple(means), tuple(stds), num_brain


def _file_of_modality(case: CaseFiles) -> tuple[str, ...]:
    return case.images * NUM_MODALITIES if len(case.images) == 1 else case.images


def _triple(values: Any) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    return z, y, x
