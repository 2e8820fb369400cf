"""Scans on another grid: against weights by hand, scipy's zoom and Pillow's resize."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from app.workloads.volumes.scans import resampling
from app.workloads.volumes.scans.preprocessing import Conditioned
from app.workloads.volumes.scans.resampling import (
    TooManyVoxels,
    axis_weights,
    resample,
    resample_case,
    resample_image,
    resample_label,
    resampled_shape,
)


def test_weights_of_a_finer_axis_by_hand() -> None:
    """Centres of the new voxels lie at -0.25, 0.25, 0.75 and 1.25 voxels; beyond the ends the end holds."""
    np.testing.assert_allclose(axis_weights(2, 4, "label"), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])


def test_weights_of_a_coarser_axis_by_hand() -> None:
    """A triangle of 2 voxels to each side of 0.5: voxels 0 and 1, 0.5 away, weigh 3/4, voxel 2, 1.5 away, 1/4."""
    np.testing.assert_allclose(
        axis_weights(4, 2, "label"), [[3 / 7, 3 / 7, 1 / 7, 0], [0, 1 / 7, 3 / 7, 3 / 7]], rtol=1e-6
    )


def test_cubic_weights_by_hand() -> None:
    """Keys' kernel with a = -1/2 at the distances 1.75, 0.75, 0.25 and 1.25; without antialiasing torch's a is -3/4,
    and a voxel half-way between two others takes (4 - a) / 8 of each and a / 8 of those beyond."""
    np.testing.assert_allclose(
        axis_weights(4, 8, "image")[4], [-0.0234375, 0.2265625, 0.8671875, -0.0703125], atol=1e-6
    )
    np.testing.assert_allclose(axis_weights(8, 4, "probability")[1], [0, -3 / 32, 19 / 32, 19 / 32, -3 / 32, 0, 0, 0])


@pytest.mark.parametrize("shape", [(31, 17), (9, 30), (40, 50), (5, 4)])
def test_images_are_those_of_pillow(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).normal(size=(20, 26)).astype(np.float32)
    expected = np.asarray(Image.fromarray(picture).resize(shape[::-1], Image.Resampling.BICUBIC))
    np.testing.assert_allclose(resample(picture[None], (1, *shape), "image")[0], expected, atol=1e-5)


@pytest.mark.parametrize("factors", [(2, 3, 1), (1, 1, 5), (3, 2, 4)])
def test_finer_grids_are_those_of_scipy(factors: tuple[int, int, int]) -> None:
    volume = np.random.default_rng(0).normal(size=(4, 6, 5))
    shape = tuple(n * f for n, f in zip(volume.shape, factors, strict=True))
    expected = ndimage.zoom(volume, factors, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(resample(volume, (shape[0], shape[1], shape[2]), "label"), expected, atol=1e-5)


def test_what_is_finer_than_the_new_grid_becomes_its_mean() -> None:
    stripes = np.tile(np.array([0.0, 1.0]), 24)[None, None, :]
    for kernel in ("image", "label"):
        assert np.abs(resample(stripes, (1, 1, 12), kernel) - 0.5).max() < 0.05
    assert np.abs(resample(stripes, (1, 1, 16), "probability") - 0.5).max() == 0.5, "every third voxel, as it is"


def test_the_rim_of_the_brain_does_not_mix_with_zeros() -> None:
    image = np.zeros((4, 6, 10, 10), np.int16)
    image[:3, 1:5, 2:9, 3:8] = np.array([100, 200, 300])[:, None, None, None]
    image[3, 2:4, 4, 4] = 50  # brain where any modality is not 0
    for shape in ((18, 15, 7), (3, 20, 20)):
        result = resample_image(image, shape)
        assert [set(np.unique(channel)) for channel in result[:3]] == [{0, 100}, {0, 200}, {0, 300}]
        brain = (result != 0).any(axis=0)
        share = brain.mean() / (image != 0).any(axis=0).mean()
        assert 0.8 < share < 1.25, "as large as before, up to half a voxel"


def test_values_that_overshoot_stay_within_16_bits() -> None:
    image = np.full((4, 1, 1, 8), -32767, np.int16)
    image[..., 4:] = 32767
    result = resample_image(image, (1, 1, 40))
    assert (result.min(), result.max()) == (-32767, 32767)
    assert (np.diff(np.sign(result[0, 0, 0])) != 0).sum() == 1, "no value wraps around"


def test_labels_go_by_the_larger_share_and_no_code_lies_between_two_others() -> None:
    label = np.zeros((1, 1, 12), np.uint8)
    label[..., 3:6], label[..., 6:9] = 1, 3
    finer = resample_label(label, (1, 1, 36))
    np.testing.assert_array_equal(finer[0, 0], np.repeat(label[0, 0], 3))
    np.testing.assert_array_equal(resample_label(label, (1, 1, 4))[0, 0], [0, 1, 3, 0])


@pytest.mark.parametrize(
    ("shape", "spacing", "target", "expected"),
    [
        ((8, 52, 44), (5.0, 1.0, 1.0), (1.0, 1.0, 1.0), (40, 52, 44)),
        ((300, 480, 480), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (150, 240, 240)),
        ((7, 10, 10), (0.9, 1.0, 1.0), (1.0, 1.0, 1.0), (6, 10, 10)),
        ((2, 10, 10), (0.1, 1.0, 1.0), (1.0, 1.0, 1.0), (1, 10, 10)),
    ],
)
def test_shapes_cover_the_same_millimetres(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    target: tuple[float, float, float],
    expected: tuple[int, int, int],
) -> None:
    assert resampled_shape(shape, spacing, target) == expected


def test_a_scan_that_would_not_fit_is_refused_with_its_numbers() -> None:
    with pytest.raises(
        TooManyVoxels, match=r"voxels of 5 x 5 x 5 mm brought to 0\.1 x 0\.1 x 0\.1 mm would be 125000000"
    ):
        resampled_shape((10, 10, 100 * 100), (5.0, 5.0, 5.0), (0.1, 0.1, 0.1))


def test_a_scan_of_the_most_voxels_fits_and_one_more_does_not() -> None:
    alike = (1.0, 1.0, 1.0)
    assert resampled_shape((1, 1, 2**28), alike, alike) == (1, 1, 2**28)
    with pytest.raises(TooManyVoxels, match=f"would be {2**28 + 1}, expected at most {2**28}"):
        resampled_shape((1, 1, 2**28 + 1), alike, alike)


def thick(has_label: bool = True) -> Conditioned:
    """A box of 4 x 6 x 8 voxels of 3 x 1 x 1 mm, 2, 3 and 4 voxels into a volume of 10 x 20 x 30."""
    voxels = np.full((5 if has_label else 4, 4, 6, 8), 100, np.int16)
    if has_label:
        voxels[4] = 0
        voxels[4, 1:3, 2:4, 2:6] = 2
    return Conditioned(
        voxels=voxels,
        has_label=has_label,
        file_shape=(30, 20, 10),
        affine=np.diag([1.0, 1.0, 3.0, 1.0]),
        header=b"",
        shape_zyx=(10, 20, 30),
        spacing_mm=(3.0, 1.0, 1.0),
        crop_start=(2, 3, 4),
        scale=(1.0,) * 4,
        mean=(90.0,) * 4,
        std=(10.0,) * 4,
    )


def test_a_case_is_resampled_with_its_label_and_its_place() -> None:
    case = resample_case(thick(), (1.0, 1.0, 1.0))
    assert case.voxels.shape == (5, 12, 6, 8)
    assert (case.shape_zyx, case.crop_start, case.spacing_mm) == ((30, 20, 30), (6, 3, 4), (1.0, 1.0, 1.0))
    assert (case.voxels[:4] == 100).all()
    label = case.label
    assert label is not None
    assert np.argwhere(label == 2).min(axis=0).tolist() == [3, 2, 2]
    assert int((label == 2).sum()) == 6 * 2 * 4
    assert (case.mean, case.std, case.file_shape) == ((90.0,) * 4, (10.0,) * 4, (30, 20, 10))
    assert resample_case(thick(has_label=False), (1.0, 1.0, 1.0)).label is None


def test_the_voxel_size_reached_is_the_one_noted() -> None:
    """12 mm in voxels of about 0.9: 13 of 0.923."""
    case = resample_case(thick(), (0.9, 1.0, 1.0))
    assert case.voxels.shape[1] == 13
    assert case.spacing_mm == pytest.approx((12 / 13, 1.0, 1.0))


def test_a_case_within_the_tolerance_stays_as_it_is() -> None:
    case = thick()
    assert resample_case(case, (2.9, 1.0, 1.04)) is case
    assert resample_case(case, None) is case


def test_a_whole_volume_is_never_smaller_than_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    case = dataclasses.replace(thick(), shape_zyx=(6, 9, 12), spacing_mm=(1.0, 1.0, 1.0))
    found = resample_case(case, (1.6, 1.6, 1.6))
    for whole, start, size in zip(found.shape_zyx, found.crop_start, found.voxels.shape[1:], strict=True):
        assert whole >= start + size
    monkeypatch.setattr(resampling, "MAX_VOXELS", 5)
    with pytest.raises(TooManyVoxels, match="expected at most 5"):
        resample_case(case, (1.6, 1.6, 1.6))


def test_the_box_lies_within_the_volume_however_both_are_rounded() -> None:
    """Two voxels from the third of five on become one; the start, 1.5, is rounded to 2 and the end, 2.5, to 2."""
    case = dataclasses.replace(
        thick(), voxels=thick().voxels[:, :2], shape_zyx=(5, 20, 30), crop_start=(3, 3, 4), spacing_mm=(1.0, 1.0, 1.0)
    )
    found = resample_case(case, (2.0, 1.0, 1.0))
    assert (found.voxels.shape[1], found.crop_start[0], found.shape_zyx[0]) == (1, 2, 3)
