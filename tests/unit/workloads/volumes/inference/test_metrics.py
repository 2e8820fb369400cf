import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from app.workloads.volumes.inference.metrics import MISSED_HD95_MM, dice, hd95_mm

BoolArray = npt.NDArray[np.bool_]
EMPTY = np.zeros((6, 6, 6), bool)


def _cube(low: int, high: int) -> BoolArray:
    volume = EMPTY.copy()
    volume[low:high, low:high, low:high] = True
    return volume


def _blob(seed: int) -> BoolArray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(20, 24, 16)), 2)
    blob: BoolArray = noise > np.quantile(noise, 0.9)
    return blob


def test_dice_by_hand() -> None:
    assert dice(_cube(1, 3), _cube(2, 4)) == 2 * 1 / (8 + 8)
    assert dice(_cube(1, 3), _cube(1, 3)) == 1.0


def test_empty_regions_count_as_in_brats() -> None:
    assert dice(EMPTY, EMPTY) == 1.0
    assert dice(_cube(1, 3), EMPTY) == dice(EMPTY, _cube(1, 3)) == 0.0
    assert hd95_mm(EMPTY, EMPTY, (1, 1, 1)) == 0.0
    assert hd95_mm(_cube(1, 3), EMPTY, (1, 1, 1)) == hd95_mm(EMPTY, _cube(1, 3), (1, 1, 1)) == MISSED_HD95_MM
    assert pytest.approx(math.sqrt(240**2 + 240**2 + 155**2), abs=1e-3) == MISSED_HD95_MM


def test_distance_is_in_mm_along_each_axis() -> None:
    first, second = EMPTY.copy(), EMPTY.copy()
    first[1, 1, 1] = second[4, 1, 1] = True
    assert hd95_mm(first, second, (2.5, 1.0, 1.0)) == 7.5
    assert hd95_mm(first, second, (1.0, 1.0, 1.0)) == 3.0
    assert hd95_mm(first, first, (1.0, 1.0, 1.0)) == 0.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (3.0, 0.7, 1.2)])
def test_agrees_with_monai(seed: int, spacing_mm: tuple[float, float, float]) -> None:
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.meandice import compute_dice

    prediction, truth = _blob(seed), _blob(seed + 100)
    tensors = [torch.from_numpy(volume)[None, None] for volume in (prediction, truth)]
    expected = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=spacing_mm)
    assert hd95_mm(prediction, truth, spacing_mm) == pytest.approx(expected.item(), abs=1e-4)
    assert dice(prediction, truth) == pytest.approx(compute_dice(*tensors).item(), abs=1e-6)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        dice(EMPTY, EMPTY[:3])
    with pytest.raises(ValueError, match="spacing_mm"):
        hd95_mm(EMPTY, EMPTY, (1, 0, 1))
