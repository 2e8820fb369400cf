import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from app.workloads.volumes.network.augment import augment, draw_changes
from app.workloads.volumes.task import AugmentConfig

NOTHING = AugmentConfig(
    flip_probability=0, intensity_scale=0, intensity_shift=0, noise_probability=0, gamma_probability=0
)
EVERYTHING = AugmentConfig(noise_probability=1.0, gamma_probability=1.0)


def _batch(size: int = 3) -> tuple[Tensor, Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(size, 4, 6, 7, 8, generator=generator)
    image[:, :, :2] = 0.0  # outside the brain
    label = torch.randint(0, 2, (size, 3, 6, 7, 8), generator=generator).to(torch.uint8)
    return image, label, np.arange(10, 10 + size, dtype=np.uint64)


def test_a_sample_depends_on_its_own_seed_alone() -> None:
    image, label, seeds = _batch()
    images, labels = augment(EVERYTHING, image, label, seeds)
    for order in ([2], [1, 0], [2, 1, 0]):
        again = augment(EVERYTHING, image[order], label[order], seeds[order])
        assert torch.equal(again[0], images[order])
        assert torch.equal(again[1], labels[order])
    other, _ = augment(EVERYTHING, image, label, seeds + np.uint64(1))
    assert not torch.allclose(other[0], images[0])


def test_flips_turn_image_and_label_alike() -> None:
    config = dataclasses.replace(NOTHING, flip_probability=1.0)
    image, label, seeds = _batch()
    images, labels = augment(config, image, label, seeds)
    assert torch.equal(images, image.flip(2, 3, 4))
    assert torch.equal(labels, label.flip(2, 3, 4))


def test_each_axis_is_flipped_half_of_the_times_on_its_own() -> None:
    drawn = [draw_changes(AugmentConfig(), seed, 4).flip_axes for seed in range(2000)]
    for axis in range(3):
        assert np.mean([axis in axes for axes in drawn]) == pytest.approx(0.5, abs=0.04)  # 3.6 standard errors
    assert {len(axes) for axes in drawn} == {0, 1, 2, 3}
    assert np.mean([len(axes) == 3 for axes in drawn]) == pytest.approx(1 / 8, abs=0.03)


def test_probabilities_and_ranges() -> None:
    config = AugmentConfig(intensity_scale=0.2, intensity_shift=0.3, noise_std=0.4)
    drawn = [draw_changes(config, seed, 4) for seed in range(2000)]
    scales, shifts = (np.array([getattr(changes, name) for changes in drawn]) for name in ("scale", "shift"))
    assert scales.shape == shifts.shape == (2000, 4)
    assert 0.8 <= scales.min() < 0.81
    assert 1.19 < scales.max() <= 1.2
    assert -0.3 <= shifts.min() < -0.29
    assert 0.29 < shifts.max() <= 0.3
    gammas = [changes.gamma for changes in drawn if changes.gamma is not None]
    noises = [changes.noise_std for changes in drawn if changes.noise_std is not None]
    assert len(gammas) / 2000 == pytest.approx(0.3, abs=0.04)
    assert len(noises) / 2000 == pytest.approx(0.15, abs=0.03)
    assert 0.7 <= min(gammas) < max(gammas) <= 1.5
    assert 0 <= min(noises) < max(noises) <= 0.4


def test_no_change_changes_nothing() -> None:
    image, label, seeds = _batch()
    images, labels = augment(NOTHING, image, label, seeds)
    torch.testing.assert_close(images, image)
    assert torch.equal(labels, label)


def test_scale_and_shift_are_each_modalitys_own() -> None:
    config = dataclasses.replace(NOTHING, intensity_scale=0.2, intensity_shift=0.2)
    image, label, seeds = _batch(1)
    images, _ = augment(config, image, label, seeds)
    changes = draw_changes(config, int(seeds[0]), 4)
    assert len(set(changes.scale)) == 4
    for modality in range(4):
        expected = image[0, modality, 2:] * changes.scale[modality] + changes.shift[modality]
        torch.testing.assert_close(images[0, modality, 2:], expected)


def test_outside_the_brain_stays_zero_and_the_input_is_not_touched() -> None:
    image, label, seeds = _batch()
    before = image.clone()
    images, _ = augment(dataclasses.replace(EVERYTHING, flip_probability=0), image, label, seeds)
    assert torch.equal(image, before)
    assert (images[:, :, :2] == 0).all()
    assert not torch.allclose(images[:, :, 2:], image[:, :, 2:])


def test_gamma_keeps_the_ends_and_bends_between() -> None:
    config = dataclasses.replace(NOTHING, gamma_probability=1.0, gamma_range=(2.0, 2.0))
    image = torch.zeros(1, 4, 1, 1, 4)
    image[:, :, 0, 0, 1:] = torch.tensor([-1.0, 1.0, 3.0])
    images, _ = augment(config, image, torch.zeros(1, 1, 1, 1, 4), np.array([5], np.uint64))
    # half way from -1 to 3, squared, is a quarter of the way: 0
    torch.testing.assert_close(images[0, 0, 0, 0], torch.tensor([0.0, -1.0, 0.0, 3.0]))


def test_noise_has_its_standard_deviation() -> None:
    config = dataclasses.replace(NOTHING, noise_probability=1.0, noise_std=0.5)
    image = torch.ones(1, 4, 16, 16, 16)
    images, _ = augment(config, image, torch.zeros(1, 1, 16, 16, 16), np.array([7], np.uint64))
    expected = draw_changes(config, 7, 4).noise_std
    assert expected is not None
    assert (images - image).std().item() == pytest.approx(expected, rel=0.05)


def test_noise_is_another_in_each_modality_and_of_each_seed() -> None:
    config = dataclasses.replace(NOTHING, noise_probability=1.0, noise_std=0.5)
    image = torch.ones(2, 4, 16, 16, 16)
    images, _ = augment(config, image, torch.zeros(2, 1, 16, 16, 16), np.array([7, 8], np.uint64))
    apart = np.corrcoef((images - image).reshape(8, -1).numpy()) - np.eye(8)
    assert np.abs(apart).max() < 5 / 64, "five standard errors of 4,096 voxels"


def test_empty_patches_pass() -> None:
    image = torch.zeros(1, 4, 4, 4, 4)
    images, _ = augment(EVERYTHING, image, torch.zeros(1, 1, 4, 4, 4), np.array([7], np.uint64))
    assert (images == 0).all()


def test_seeds_that_do_not_fit_are_refused() -> None:
    image, label, seeds = _batch()
    with pytest.raises(ValueError, match="one for each"):
        augment(EVERYTHING, image, label, seeds[:2])
