"""What is compared: the networks, their sizes and batches, and made inputs that all sides read. Needs numpy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NUM_CLASSES = 16
FILTERS = (8, 16, 32, 64)
NUM_MODALITIES = 4
SGD: Mapping[str, float] = {"learning_rate": 0.0125, "momentum": 0.9}
"""Ferrando 2020's rate at a batch of 16: 0.2 x 16 / 256."""
ADAM: Mapping[str, float] = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
"""PyTorch's epsilon; Keras has 1e-7 by itself."""
SMOOTH = 1.0
"""Added to both parts of the soft Dice."""


@dataclass(frozen=True)
class Case:
    """One network on one size."""

    network: str
    """`efficientnet_b0` or `unet3d`."""
    size: tuple[int, ...]
    batch_size: int

    @property
    def name(self) -> str:
        return f"{self.network} {self.batch_size}x{'x'.join(map(str, self.size))}"

    @property
    def unit(self) -> str:
        return "volumes/s" if self.network == "unet3d" else "images/s"

    @property
    def optimizer(self) -> Mapping[str, float]:
        return ADAM if self.network == "unet3d" else SGD

    @property
    def key(self) -> dict[str, Any]:
        return {"network": self.network, "size": list(self.size), "batch_size": self.batch_size}


def make_inputs(case: Case, path: Path) -> None:
    """`x`, channels last, and `y`: a class each, or a mask that the input tells of."""
    random = np.random.default_rng(0)
    channels = NUM_MODALITIES if case.network == "unet3d" else 3
    x = random.standard_normal((case.batch_size, *case.size, channels), dtype=np.float32)
    if case.network == "unet3d":
        y = (x[..., :1] > 1).astype(np.float32)
    else:
        y = random.integers(0, NUM_CLASSES, case.batch_size)
    np.savez(path, x=x, y=y)
