"""Random changes to training samples, on the device. What happens to sample i is decided by seeds[i] alone, so that it
does not depend on the batch it comes in, on the worker or on restarts.

Shapes: B batch, M modality, D H W depth, height, width.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from app.errors import UsageError
from app.workloads.volumes.task import AugmentConfig

STREAM = 0x6175676D656E74
"""Second word of the generator's key ("augment"): keeps these draws apart from those of the patch's position."""


@dataclass(frozen=True)
class Changes:
    """What is done to one sample, drawn from its seed."""

    flip_axes: tuple[int, ...]
    """Axes that are flipped: D, H, W = 0, 1, 2."""
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    gamma: float | None
    noise_std: float | None
    noise_seed: int


def draw_changes(config: AugmentConfig, seed: int, num_modalities: int) -> Changes:
    """The changes of the sample with this seed. Every value is drawn whether used or not, so that changing one
    setting leaves the others' draws alone."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, STREAM], dtype=np.uint64)))
    flips = generator.random(3) < config.flip_probability
    scale = 1 + config.intensity_scale * generator.uniform(-1, 1, num_modalities)
    shift = config.intensity_shift * generator.uniform(-1, 1, num_modalities)
    has_gamma, has_noise = generator.random(2) < (config.gamma_probability, config.noise_probability)
    gamma, noise_std = generator.uniform(*config.gamma_range), generator.uniform(0, config.noise_std)
    return Changes(
        flip_axes=tuple(int(axis) for axis in np.flatnonzero(flips)),
        scale=tuple(float(value) for value in scale),
        shift=tuple(float(value) for value in shift),
        gamma=float(gamma) if has_gamma else None,
        noise_std=float(noise_std) if has_noise else None,
        noise_seed=int(generator.integers(2**63)),
    )


def augment(
    config: AugmentConfig, image: Tensor, label: Tensor, seeds: npt.NDArray[np.uint64]
) -> tuple[Tensor, Tensor]:
    """Changed copies of image and label.

    Args:
        image: [B, M, D, H, W], float, z-scored inside the organ and 0 in all modalities outside; it stays 0 there.
        label: [B, ..., D, H, W], any type: flipped with the image.
        seeds: [B], one for each sample.

    Raises:
        UsageError: not one seed for each sample.
    """
    if len(seeds) != len(image):
        raise UsageError(f"got {len(seeds)} seeds for {len(image)} samples, expected one for each")
    images, labels = torch.empty_like(image), torch.empty_like(label)
    for i, seed in enumerate(seeds):
        changes = draw_changes(config, int(seed), image.shape[1])
        inside = (image[i] != 0).any(0, keepdim=True)  # [1, D, H, W]
        sample = _change_intensities(changes, image[i], inside)
        images[i] = sample.flip([axis + 1 for axis in changes.flip_axes]) if changes.flip_axes else sample
        labels[i] = label[i].flip([axis - 3 for axis in changes.flip_axes]) if changes.flip_axes else label[i]
    return images, labels


def _change_intensities(changes: Changes, image: Tensor, inside: Tensor) -> Tensor:
    """image [M, D, H, W], inside [1, D, H, W]; a new tensor."""
    scale, shift = image.new_tensor(changes.scale), image.new_tensor(changes.shift)
    changed = image * scale.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1)
    if changes.gamma is not None:
        changed = _bend(changed, inside, changes.gamma)
    if changes.noise_std is not None:
        generator = torch.Generator(device=image.device).manual_seed(changes.noise_seed)
        noise = torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
        changed.add_(noise, alpha=changes.noise_std)
    return changed.mul_(inside)


def _bend(image: Tensor, inside: Tensor, gamma: float) -> Tensor:
    """A gamma curve that keeps each modality's least and greatest value inside the organ."""
    if not bool(inside.any()):
        return image
    low = image.masked_fill(~inside, torch.inf).amin((1, 2, 3), keepdim=True)
    high = image.masked_fill(~inside, -torch.inf).amax((1, 2, 3), keepdim=True)
    span = (high - low).clamp_min(1e-6)  # a constant modality stays as it is
    return image.sub_(low).div_(span).clamp_(0, 1).pow_(gamma).mul_(span).add_(low)
