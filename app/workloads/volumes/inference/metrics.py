"""Scores of a segmented region against the truth: Dice and the 95 % Hausdorff distance, as the BraTS challenge counts.

A region that is empty in both counts as found (Dice 1, distance 0); one that is empty in one of them only counts as
missed (Dice 0, distance the diagonal of the challenge's volume of 240 x 240 x 155 mm).
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from app.errors import UsageError
from app.workloads.volumes.boxes import bounding_box

BoolArray = npt.NDArray[np.bool_]

MISSED_HD95_MM = 373.1287
"""BraTS's distance for a region found in one volume only: the diagonal sqrt(240^2 + 240^2 + 155^2) mm."""


def dice(prediction: BoolArray, truth: BoolArray) -> float:
    """2 |P and T| / (|P| + |T|) of two boolean volumes of one shape; 1 when both are empty, 0 when one is.

    Raises:
        UsageError: the shapes differ.
    """
    _check_shapes(prediction, truth)
    total = int(np.count_nonzero(prediction)) + int(np.count_nonzero(truth))
    if total == 0:
        return 1.0
    return 2 * int(np.count_nonzero(prediction & truth)) / total


def hd95_mm(prediction: BoolArray, truth: BoolArray, spacing_mm: tuple[float, float, float]) -> float:
    """The larger of two 95th percentiles: surface voxels of one to the nearest of the other, in both directions.

    A surface voxel is one with a face neighbour outside the region; beyond the volume is outside.

    Args:
        prediction, truth: boolean volumes [D, H, W].
        spacing_mm: voxel size along D, H, W.

    Returns:
        mm; 0 when both are empty, MISSED_HD95_MM when one is.

    Raises:
        UsageError: the shapes differ, or a spacing is not positive.
    """
    _check_shapes(prediction, truth)
    if min(spacing_mm) <= 0:
        raise UsageError(f"spacing_mm: got {spacing_mm}, expected three positive lengths in mm")
    box = bounding_box(prediction | truth)
    if box is None:
        return 0.0
    if not prediction.any() or not truth.any():
        return MISSED_HD95_MM
    # Nearest surfaces lie inside the common bounding box, so that the distance transform needs no more than it.
    surfaces = [_surface(volume[box]) for volume in (prediction, truth)]
    distances = [ndimage.distance_transform_edt(~surface, sampling=spacing_mm) for surface in surfaces]
    forward, backward = distances[1][surfaces[0]], distances[0][surfaces[1]]
    return float(max(np.percentile(forward, 95), np.percentile(backward, 95)))


def _surface(volume: BoolArray) -> BoolArray:
    surface: BoolArray = volume & ~ndimage.binary_erosion(volume)
    return surface


def _check_shapes(prediction: BoolArray, truth: BoolArray) -> None:
    if prediction.shape != truth.shape:
        raise UsageError(f"prediction has shape {prediction.shape}, truth {truth.shape}; expected the same")
