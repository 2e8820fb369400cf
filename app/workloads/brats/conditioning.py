"""From raw files to what a network is fed: verified, in one orientation, cropped to the brain, with statistics.

Used alike by the preparation of a store and by prediction on raw volumes, so that both see the same numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.workloads.brats.cases import FLOAT_TUPLE, NUM_MODALITIES
from app.workloads.brats.labels import Codes, to_internal
from app.workloads.brats.layouts import MODALITIES, CaseFiles
from app.workloads.brats.reading import BadVolume, FloatArray, Volume, read_volume, spacing_zyx, to_ras

Int16Array = npt.NDArray[np.int16]
BoolArray = npt.NDArray[np.bool_]

INT16_MAX = 32767
MAX_MISALIGNMENT_MM = 0.1
"""Assumed: a tenth of BraTS's voxel; rounding of headers in float32 stays far below."""
MIN_INTENSITY = 1e-30
"""Assumed: below it a float volume holds no signal, and its scale would leave the range of float32."""


@dataclass(frozen=True)
class Conditioned:
    """A case ready for the network or the store. Axes z, y, x of the RAS+ volume."""

    voxels: Int16Array
    """[4 or 5, D, H, W]: the modalities in the box around the brain, then the label (internal codes) if any."""
    has_label: bool
    file_shape: tuple[int, int, int]
    """x, y, z as in the source."""
    affine: FloatArray
    """Of the source file."""
    header: bytes
    """Of the (first) source file."""
    shape_zyx: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    crop_start: tuple[int, int, int]
    scale: FLOAT_TUPLE
    mean: FLOAT_TUPLE
    std: FLOAT_TUPLE

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
    reference = volumes[0]
    label = None if case.label is None else _read_label(case.label, reference, case.images[0])
    quantised = [_quantise(v.data, path) for v, path in zip(volumes, _file_of_modality(case), strict=True)]
    images = [to_ras(stored, reference.affine) for stored, _ in quantised]
    start, shape = _bounding_box(images, label)
    box = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    voxels = np.empty((NUM_MODALITIES + (label is not None), *shape), np.int16)
    for channel, source in enumerate(images):
        voxels[channel] = source[box]
    if case.label is not None and label is not None:
        voxels[NUM_MODALITIES] = _internal(label[box], codes, case.label)  # outside of the box it is 0
    scale = tuple(s for _, s in quantised)
    mean, std = _statistics(voxels[:NUM_MODALITIES], scale, case)
    z, y, x = reference.shape_zyx
    return Conditioned(
        voxels=voxels,
        has_label=label is not None,
        file_shape=(x, y, z),
        affine=reference.affine,
        header=reference.header,
        shape_zyx=_triple(images[0].shape),
        spacing_mm=spacing_zyx(reference.affine),
        crop_start=start,
        scale=scale,
        mean=mean,
        std=std,
    )


def _read_images(case: CaseFiles) -> list[Volume]:
    """Four 3D volumes [Z, Y, X] of one shape and place."""
    if len(case.images) == 1:
        path = case.images[0]
        whole = read_volume(path)
        if whole.data.shape[:-3] != (NUM_MODALITIES,):
            seen = whole.data.shape[0] if whole.data.ndim == 4 else 1
            raise BadVolume(path, f"{seen} volumes, wanted {NUM_MODALITIES} ({', '.join(MODALITIES)})")
        return [Volume(channel, whole.affine, whole.header) for channel in whole.data]
    volumes: list[Volume] = []
    for path in case.images:
        volume = read_volume(path)
        if volume.data.ndim != 3:
            raise BadVolume(path, f"{volume.data.ndim} dimensions, wanted 3 in a file of one modality")
        _check_same_place(volume, path, volumes[0] if volumes else volume, case.images[0])
        volumes.append(volume)
    return volumes


def _read_label(path: str, reference: Volume, reference_path: str) -> npt.NDArray[Any]:
    """[D, H, W] in RAS+, codes as in the file."""
    volume = read_volume(path)
    _check_same_place(volume, path, reference, reference_path)
    return to_ras(volume.data, reference.affine)


def _internal(label: npt.NDArray[Any], codes: str | Codes, path: str) -> npt.NDArray[np.uint8]:
    try:
        return to_internal(label, codes)
    except ValueError as error:
        raise BadVolume(path, str(error)) from error


def _check_same_place(volume: Volume, path: str, reference: Volume, reference_path: str) -> None:
    if volume.data.shape != reference.data.shape:
        seen, wanted = volume.data.shape[::-1], reference.data.shape[::-1]
        raise BadVolume(path, f"shape {seen} differs from {wanted} of {reference_path}")
    size = np.asarray(reference.shape_zyx[::-1]) - 1
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)]) * size
    difference = volume.affine - reference.affine
    moved_mm = np.linalg.norm(corners @ difference[:3, :3].T + difference[:3, 3], axis=1).max()
    if moved_mm > MAX_MISALIGNMENT_MM:
        raise BadVolume(path, f"its place in space differs by {moved_mm:.2f} mm from {reference_path}")


def _quantise(data: npt.NDArray[Any], path: str) -> tuple[Int16Array, float]:
    """Stored int16 values and their scale: measured = stored * scale, 0 stays 0.

    Integers that fit are kept exactly with scale 1; other values are spread over +-32767.
    """
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise BadVolume(path, f"{int((~np.isfinite(data)).sum())} values are not finite")
    fits = data.dtype.kind in "iu" and np.can_cast(data.dtype, np.int16)
    low, high = (0.0, 0.0) if fits else (float(data.min()), float(data.max()))
    if not fits and max(-low, high) <= INT16_MAX:
        fits = data.dtype.kind != "f" or bool((data == np.rint(data)).all())
    if fits:
        return data.astype(np.int16, copy=False), 1.0
    largest = max(-low, high)
    if largest < MIN_INTENSITY:
        raise BadVolume(path, f"is empty: no value beyond {largest:g}")
    scale = largest / INT16_MAX
    divisor = np.asarray(scale, data.dtype if data.dtype.kind == "f" else np.float64)
    return np.rint(data / divisor).astype(np.int16), scale


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


def _statistics(image: Int16Array, scale: FLOAT_TUPLE, case: CaseFiles) -> tuple[FLOAT_TUPLE, FLOAT_TUPLE]:
    """Mean and standard deviation of each modality inside the brain (any modality not 0), in measured units."""
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
    return tuple(means), tuple(stds)


def _file_of_modality(case: CaseFiles) -> tuple[str, ...]:
    return case.images * NUM_MODALITIES if len(case.images) == 1 else case.images


def _triple(values: Any) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    return z, y, x
