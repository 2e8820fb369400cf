"""Whether the files of a case lie on one grid, and which of their headers says where it is.

The first file whose header states a place (the modalities in their order, then the label) gives the case's. Files that
state none, spacing apart, are compared with it by shape and spacing; all others by where their voxels lie. Where a file
states two places, its sform counts, unless the qform alone brings all files onto one grid.
"""

from collections.abc import Sequence

import numpy as np

from app.data import files
from app.workloads.volumes.scans.headers import (
    FORMS_DISAGREE,
    MAX_MISALIGNMENT_MM,
    PIXDIM_DISAGREES,
    as_text,
    largest_distance_mm,
    spacing_xyz,
)
from app.workloads.volumes.scans.notes import about, merged, note
from app.workloads.volumes.scans.reading import BadVolume, FloatArray, Volume

NO_PLACE = "qform and sform code are 0, so shape and spacing alone were compared with the other files"
NO_PLACE_AT_ALL = "qform and sform code of all files are 0, x is taken to grow to the left as nibabel has it"

QFORM_FITS = "sform and qform disagree, the qform counts as the sform is on no grid with the other files"


def common_grid(volumes: Sequence[Volume], paths: Sequence[str]) -> tuple[FloatArray, tuple[str, ...]]:
    """The affine of all these files, and notes on what their headers leave open or say twice.

    Args:
        volumes: at least one, [Z, Y, X].
        paths: of each.

    Raises:
        BadVolume: the first file that is not on the grid of the others.
    """
    guide = next((i for i, volume in enumerate(volumes) if volume.has_place), 0)
    wanted = volumes[guide].data.shape[::-1]
    for volume, path in zip(volumes, paths, strict=True):
        if volume.data.shape[::-1] != wanted:
            raise BadVolume(path, f"shape {volume.data.shape[::-1]} differs from {wanted} of {paths[guide]}")
    affine = next((place for place in _places(volumes[guide]) if all(_fits(v, place) for v in volumes)), None)
    if affine is None:
        raise _misplaced(volumes, paths, guide)
    notes = [
        line for volume, path in zip(volumes, paths, strict=True) for line in about(_name(path), _notes(volume, affine))
    ]
    without = [_name(path) for volume, path in zip(volumes, paths, strict=True) if not volume.has_place]
    if len(without) == len(volumes):
        notes.append(note(NO_PLACE_AT_ALL, as_text(spacing_xyz(affine))))
    elif without:
        notes.append(note(NO_PLACE, f"{', '.join(without)} (the place is that of {_name(paths[guide])})"))
    return affine, merged(notes)


def _places(volume: Volume) -> list[FloatArray]:
    """Those that its header states, the one that counts first."""
    return [volume.affine, *([] if volume.qform is None else [volume.qform])]


def _fits(volume: Volume, affine: FloatArray) -> bool:
    """Whether the volume may lie at this place."""
    if not volume.has_place:
        return _spacing_fits(volume, affine)
    return any(_is_near(volume, place, affine) for place in _places(volume))


def _is_near(volume: Volume, place: FloatArray, affine: FloatArray) -> bool:
    return largest_distance_mm(place, affine, volume.data.shape[::-1]) <= MAX_MISALIGNMENT_MM


def _spacing_fits(volume: Volume, affine: FloatArray) -> bool:
    difference = np.abs(spacing_xyz(volume.affine) - spacing_xyz(affine))
    lengths = np.maximum(np.asarray(volume.data.shape[::-1]) - 1, 1)
    return bool((difference * lengths).max() <= MAX_MISALIGNMENT_MM)


def _notes(volume: Volume, affine: FloatArray) -> tuple[str, ...]:
    """Those of its header, where it lies at `affine`."""
    if not volume.has_place or volume.qform is None or _is_near(volume, volume.affine, affine):
        return volume.notes
    kept = [line for line in volume.notes if not line.startswith((FORMS_DISAGREE, PIXDIM_DISAGREES))]
    moved_mm = largest_distance_mm(volume.affine, volume.qform, volume.data.shape[::-1])
    return (*kept, note(QFORM_FITS, f"by up to {moved_mm:.4g} mm"))


def _misplaced(volumes: Sequence[Volume], paths: Sequence[str], guide: int) -> BadVolume:
    """What to say of the first file that does not lie where the guide's first place is."""
    affine = volumes[guide].affine
    volume, path = next((v, path) for v, path in zip(volumes, paths, strict=True) if not _fits(v, affine))
    if not volume.has_place:
        own, other = as_text(spacing_xyz(volume.affine)), as_text(spacing_xyz(affine))
        return BadVolume(path, f"spacing {own} differs from {other} of {paths[guide]}")
    moved_mm = largest_distance_mm(volume.affine, affine, volume.data.shape[::-1])
    return BadVolume(path, f"its place in space differs by {moved_mm:.2f} mm from {paths[guide]}")


def _name(path: str) -> str:
    return files.name_of(path)
