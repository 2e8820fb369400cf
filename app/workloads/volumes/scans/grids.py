"""Whether the files of a case lie on one grid, and which of their headers says where it is.

The first file whose header states a place (the modalities in their order, then the label) gives the case's. Files that
state none, spacing apart, are compared with it by shape and spacing; all others by where their voxels lie.
"""

from collections.abc import Sequence

import numpy as np

from app.data import files
from app.workloads.volumes.scans.headers import MAX_MISALIGNMENT_MM, as_text, largest_distance_mm, spacing_xyz
from app.workloads.volumes.scans.notes import about, merged, note
from app.workloads.volumes.scans.reading import BadVolume, FloatArray, Volume

NO_PLACE = "qform and sform code are 0, so shape and spacing alone were compared with the other files"
NO_PLACE_AT_ALL = "qform and sform code of all files are 0, x is taken to grow to the left as nibabel has it"


def common_grid(volumes: Sequence[Volume], paths: Sequence[str]) -> tuple[FloatArray, tuple[str, ...]]:
    """The affine of all these files, and notes on what their headers leave open or say twice.

    Args:
        volumes: at least one, [Z, Y, X].
        paths: of each.

    Raises:
        BadVolume: the first file that is not on the grid of the others.
    """
    guide = next((i for i, volume in enumerate(volumes) if volume.has_place), 0)
    for volume, path in zip(volumes, paths, strict=True):
        _check_same_grid(volume, path, volumes[guide], paths[guide])
    notes = [line for volume, path in zip(volumes, paths, strict=True) for line in about(_name(path), volume.notes)]
    without = [_name(path) for volume, path in zip(volumes, paths, strict=True) if not volume.has_place]
    if len(without) == len(volumes):
        notes.append(note(NO_PLACE_AT_ALL, as_text(spacing_xyz(volumes[0].affine))))
    elif without:
        notes.append(note(NO_PLACE, f"{', '.join(without)} (the place is that of {_name(paths[guide])})"))
    return volumes[guide].affine, merged(notes)


def _check_same_grid(volume: Volume, path: str, guide: Volume, guide_path: str) -> None:
    shape, wanted = volume.data.shape[::-1], guide.data.shape[::-1]
    if shape != wanted:
        raise BadVolume(path, f"shape {shape} differs from {wanted} of {guide_path}")
    if not volume.has_place:
        own, other = spacing_xyz(volume.affine), spacing_xyz(guide.affine)
        if (np.abs(own - other) * np.maximum(np.asarray(shape) - 1, 1)).max() > MAX_MISALIGNMENT_MM:
            raise BadVolume(path, f"spacing {as_text(own)} differs from {as_text(other)} of {guide_path}")
        return
    moved_mm = largest_distance_mm(volume.affine, guide.affine, shape)
    if moved_mm > MAX_MISALIGNMENT_MM:
        raise BadVolume(path, f"its place in space differs by {moved_mm:.2f} mm from {guide_path}")


def _name(path: str) -> str:
    return files.name_of(path)
