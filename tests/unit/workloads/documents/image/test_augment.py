"""Changes to pages: decided by each page's seed, geometry as by hand."""

import numpy as np
import pytest
import torch

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
