"""Changes to pages: decided by each page's seed, geometry as by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from app.workloads.documents.image.augment import augment, draw_changes, mix, move
from app.workloads.documents.image.task import AugmentConfig

STILL = AugmentConfig(rotation_degrees=0, scale=0, shift=0, brightness=0, contrast=0, noise_std=0)
SEEDS = np.array([3, 2**64 - 1, 17], np.uint64)


def pages() -> torch.Tensor:
    image = torch.ones(3, 1, 32, 32)
    image[:, :, 8:12, 4:20] = 0
    return image


def test_a_page_changes_alike_whatever_batch_it_comes_in() -> None:
    together = augment(AugmentConfig(), pages(), SEEDS)
    alone = torch.cat([augment(AugmentConfig(), pages()[i : i + 1], SEEDS[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)
    assert not torch.equal(together[0], together[1])


def test_nothing_changes_when_all_is_switched_off() -> None:
    torch.testing.assert_close(augment(STILL, pages(), SEEDS), pages(), atol=1e-5, rtol=0)


def test_a_page_turned_by_90_degrees_is_as_numpy_turns_it() -> None:
    image = pages()
    changes = draw_changes(AugmentConfig(rotation_degrees=90, scale=0, shift=0), SEEDS)
    changes.angle[:] = np.pi / 2
    expected = torch.from_numpy(np.rot90(image.numpy(), 1, (2, 3)).copy())
    torch.testing.assert_close(move(image, changes), expected, atol=1e-4, rtol=0)


def test_draws_stay_within_their_bounds() -> None:
    config = AugmentConfig()
    changes = draw_changes(config, np.arange(500, dtype=np.uint64))
    assert np.abs(np.degrees(changes.angle)).max() <= config.rotation_degrees
    assert np.degrees(changes.angle).std() > 0.4 * config.rotation_degrees  # an even spread has 0.577
    assert np.abs(changes.scale - 1).max() <= config.scale
    assert len(set(changes.noise_seed)) == 500


MANY = np.arange(400, dtype=np.uint64)


def changed(image: torch.Tensor, **options: float) -> np.ndarray:
    """Copies of one grey page [1, H, W], one for each of MANY, changed by these options alone: [400, H, W]."""
    pages = image.expand(len(MANY), *image.shape)
    return augment(replace(STILL, **options), pages, MANY)[:, 0].numpy()  # type: ignore[arg-type]


def is_even(values: np.ndarray, low: float, high: float) -> bool:
    """Whether 400 draws are spread evenly over the range (Kolmogorov and Smirnov)."""
    return bool(kstest(values, "uniform", (low, high - low)).pvalue > 1e-3)


def test_brightness_is_added_and_contrast_is_about_mid_grey() -> None:
    """Of a page whose left half is 0.4 and right half 0.8: both move by as much, or away from 0.5 by as many times."""
    image = torch.cat([torch.full((1, 32, 16), 0.4), torch.full((1, 32, 16), 0.8)], 2)
    left, right = (changed(image, brightness=0.15)[:, 16, column] for column in (8, 24))
    np.testing.assert_allclose(right - left, 0.4, atol=1e-5)
    assert is_even(left - 0.4, -0.15, 0.15)
    left, right = (changed(image, contrast=0.3)[:, 16, column] for column in (8, 24))
    np.testing.assert_allclose(right - 0.5, -3 * (left - 0.5), atol=1e-5)
    assert is_even((right - 0.5) / 0.3, 0.7, 1.3)
    assert changed(image, brightness=0.9).min() == 0 and changed(image, brightness=0.9).max() == 1


def test_noise_is_gaussian_of_up_to_the_largest_deviation_and_another_on_each_page() -> None:
    found = changed(torch.full((1, 48, 48), 0.5), noise_std=0.05) - 0.5
    deviations = found.std((1, 2))
    assert is_even(deviations, 0, 0.05) and np.abs(found.mean((1, 2)) / deviations).max() < 5 / 48
    assert kstest((found / deviations[:, None, None]).ravel()[::97], "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(found[:20].reshape(20, -1)) - np.eye(20)).max() < 0.1


def test_a_page_is_moved_by_a_share_of_itself_and_enlarged_about_its_middle() -> None:
    """By the middle and the area of a dark square of 16 x 16 pixels in the middle of a page of 64 x 64."""
    image = torch.ones(1, 64, 64)
    image[:, 24:40, 24:40] = 0
    places = np.arange(64) + 0.5

    def middles(ink: np.ndarray) -> list[np.ndarray]:
        return [(ink.sum(other) * places).sum(1) / ink.sum((1, 2)) for other in (2, 1)]

    for found in middles(1 - changed(image, shift=0.2)):
        assert is_even(found / 64 - 0.5, -0.2, 0.2)
    ink = 1 - changed(image, scale=0.25)
    assert is_even(np.sqrt(ink.sum((1, 2)) / 16**2), 0.75, 1.25)
    np.testing.assert_allclose(middles(ink), 32, atol=1e-3)


def test_mixed_pages_have_mixed_targets() -> None:
    image = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    target = torch.eye(2)
    mixed, shares = mix(0.4, image, target, SEEDS[:2])
    torch.testing.assert_close(shares.sum(1), torch.ones(2))
    torch.testing.assert_close(mixed[0, 0, 0, 0], shares[0, 1])  # as much of page 1 as of its class
    torch.testing.assert_close(mixed[1, 0, 0, 0], shares[1, 1])


def test_one_seed_for_each_page_is_wanted() -> None:
    with pytest.raises(ValueError, match="2 seeds for 3 pages"):
        augment(AugmentConfig(), pages(), SEEDS[:2])
