"""From stored values to a label: the right numbers reach the network, its logits become nested codes, memory holds."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from app.workloads.brats.task import BratsTask
from app.workloads.volumes.inference.segment import organ_mask, predict_label

CPU = torch.device("cpu")
GAIN, BIAS = np.array([0.01, 0.02, 0.03, 0.04], np.float32), np.array([-1.0, -2.0, 0.5, 1.0], np.float32)


class Echo(torch.nn.Module):
    """Region logits are the first modalities' normalised values: WT the first, TC the second, ET the third."""

    def __init__(self, num_regions: int = 3) -> None:
        super().__init__()
        self.num_regions = num_regions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, : self.num_regions].clone()


def random_image(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).integers(1, 200, (4, *shape)).astype(np.int16)
    image[:, :2] = 0
    image[:, :, :, -3:] = 0
    image[1:, 4, 5, :4] = 0  # zero in some modalities is still brain
    return image


def task(outputs: Any = "regions") -> BratsTask:
    return BratsTask(outputs=outputs, filters=(4, 8), patch_size=(8, 8, 8))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("shape", [(8, 8, 8), (19, 13, 21), (5, 30, 9)])
def test_a_voxel_wise_network_gives_the_same_label_whatever_the_windows(
    shape: tuple[int, int, int], mirror: bool
) -> None:
    image = random_image(shape)
    label = predict_label(task(), Echo(), image, GAIN, BIAS, CPU, overlap=0.5, mirror=mirror)
    z = image * GAIN[:, None, None, None] + BIAS[:, None, None, None]
    expected = np.where(z[2] > 0, 3, np.where(z[1] > 0, 1, np.where(z[0] > 0, 2, 0)))
    expected[~(image != 0).any(axis=0)] = 0
    assert set(np.unique(expected)) == {0, 3} or len(np.unique(expected)) == 4
    near = np.abs(z[:3]).min(axis=0) < 1e-4  # blending rounds: a logit of about 0 may fall on either side
    np.testing.assert_array_equal(label[~near], expected[~near])


def test_whole_tumour_voxels_are_coded_1_or_more_and_background_0() -> None:
    image = random_image((12, 12, 12))
    label = predict_label(task("whole"), Echo(1), image, GAIN, BIAS, CPU, overlap=0.25)
    z = image[0] * GAIN[0] + BIAS[0]
    np.testing.assert_array_equal(label > 0, (z > 1e-6) & organ_mask(image))


def test_an_image_without_brain_has_no_tumour() -> None:
    label = predict_label(task(), Echo(), np.zeros((4, 9, 9, 9), np.int16), GAIN, BIAS + 9, CPU, overlap=0.5)
    assert not label.any()


class LargestTensor(TorchDispatchMode):
    """Notes the largest storage that an operation gives back, but for those already there."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.num_bytes = max(self.num_bytes, out.untyped_storage().nbytes())
        return out


def test_nothing_of_the_images_size_is_held_in_float() -> None:
    """192 x 96 x 96 voxels with windows of 8: what grows with depth is the mask and the label, a byte a voxel each."""
    image = np.random.default_rng(0).integers(1, 200, (4, 192, 96, 96)).astype(np.int16)
    num_voxels = image[0].size
    wide = BratsTask(filters=(4, 8), patch_size=(8, 96, 96))
    with LargestTensor() as largest:
        predict_label(wide, Echo(), image, GAIN, BIAS, CPU, overlap=0.0)
    tracemalloc.start()
    predict_label(wide, Echo(), image, GAIN, BIAS, CPU, overlap=0.0)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    slab_bytes = 4 * 4 * 8 * 96 * 96
    assert largest.num_bytes <= 2 * slab_bytes, largest.num_bytes / num_voxels
    assert peak_bytes < 2 * num_voxels + 4 * slab_bytes, peak_bytes / num_voxels
