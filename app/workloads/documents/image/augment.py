"""Random changes to training pages, as batched operations on the device. What happens to page i is decided by
seeds[i] alone, so that it does not depend on the batch it comes in, on the worker or on restarts.

Shapes: B batch, H W height, width. Grey values from 0 (black) to 1.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from app.errors import UsageError
from app.workloads.documents.image.task import AugmentConfig

STREAM = 0x70616765
"""Second word of the generator's key ("page"): keeps these draws apart from others of the same seed."""
PAPER = 1.0
"""Grey value of what lies beyond the page's edge."""


@dataclass(frozen=True)
class Changes:
    """What is done to each page of a batch, arrays [B]."""

    angle: npt.NDArray[np.float64]
    """Radians."""
    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]
    """[B, 2], x and y, as a share of the page."""
    brightness: npt.NDArray[np.float64]
    contrast: npt.NDArray[np.float64]
    noise_std: npt.NDArray[np.float64]
    noise_seed: npt.NDArray[np.int64]


def generator_of(seed: int, stream: int = STREAM) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)))


def draw_changes(config: AugmentConfig, seeds: npt.NDArray[np.uint64]) -> Changes:
    """Every value is drawn whether used or not, so that changing one setting leaves the others' draws alone."""
    generators = [generator_of(int(seed)) for seed in seeds]
    draws = np.array([generator.random(7) for generator in generators]).reshape(len(seeds), 7)
    signed = 2 * draws - 1
    return Changes(
        angle=math.radians(config.rotation_degrees) * signed[:, 0],
        scale=1 + config.scale * signed[:, 1],
        shift=config.shift * signed[:, 2:4],
        brightness=config.brightness * signed[:, 4],
        contrast=1 + config.contrast * signed[:, 5],
        noise_std=config.noise_std * draws[:, 6],
        noise_seed=np.array([generator.integers(2**63) for generator in generators], np.int64),
    )


def augment(config: AugmentConfig, image: Tensor, seeds: npt.NDArray[np.uint64]) -> Tensor:
    """Changed copies of grey pages [B, 1, H, W].

    Raises:
        UsageError: not one seed for each page.
    """
    if len(seeds) != len(image):
        raise UsageError(f"got {len(seeds)} seeds for {len(image)} pages, expected one for each")
    changes = draw_changes(config, seeds)
    moved = move(image, changes)
    contrast, brightness, noise_std = (
        image.new_tensor(values).view(-1, 1, 1, 1)
        for values in (changes.contrast, changes.brightness, changes.noise_std)
    )
    changed = (moved - 0.5) * contrast + 0.5 + brightness
    if config.noise_std > 0:
        noise = torch.stack([_noise(image[0], int(seed)) for seed in changes.noise_seed])
        changed = torch.addcmul(changed, noise, noise_std)
    return changed.clamp_(0, 1)


def move(image: Tensor, changes: Changes) -> Tensor:
    """Turn, scale and shift; paper where the page moved away."""
    cos, sin = np.cos(changes.angle) / changes.scale, np.sin(changes.angle) / changes.scale
    matrix = np.stack([cos, -sin, 2 * changes.shift[:, 0], sin, cos, 2 * changes.shift[:, 1]], 1).reshape(-1, 2, 3)
    grid = functional.affine_grid(image.new_tensor(matrix), list(image.shape), align_corners=False)
    return functional.grid_sample(image - PAPER, grid, "bilinear", "zeros", align_corners=False) + PAPER


def mix(alpha: float, image: Tensor, target: Tensor, seeds: npt.NDArray[np.uint64]) -> tuple[Tensor, Tensor]:
    """Each page mixed with its neighbour in the batch, and their targets [B, K] likewise (mixup, Zhang et al. 2018).

    Which pages are neighbours depends on the batch of one worker: with mixup the curve depends on their number."""
    share = np.array([generator_of(int(seed), STREAM + 1).beta(alpha, alpha) for seed in seeds])
    weights = image.new_tensor(np.maximum(share, 1 - share))
    pixels, classes = weights.view(-1, 1, 1, 1), weights.view(-1, 1)
    return torch.lerp(image.roll(1, 0), image, pixels), torch.lerp(target.roll(1, 0), target, classes)


def _noise(like: Tensor, seed: int) -> Tensor:
    generator = torch.Generator(device=like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)
