"""The exponential moving average of a network's weights over the steps, evaluated and kept in place of the weights.

After step n (the first is 0) average = d x average + (1 - d) x weights, with d = min(decay, (1 + n) / (10 + n)): the
initial weights, which are far from the last, are forgotten fast (the ramp is TensorFlow's ExponentialMovingAverage,
with which EfficientNet was trained: Tan and Le 2019). Statistics of batch normalization are averages already: copied.
"""

from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from app.training.checkpoint import fill


def ramped(decay: float, num_averaged: int) -> float:
    """What the average of `num_averaged` steps keeps of itself."""
    return min(decay, (1 + num_averaged) / (10 + num_averaged))


def start_average(model: torch.nn.Module, decay: float | None, saved: dict[str, Any] | None) -> AveragedModel | None:
    """An average that begins with the next step's weights, or goes on from the one saved; None without a decay.

    `update_parameters(model)` after each step; the averaged network is its `module`. Raises DataError when what was
    saved is another network's.
    """
    if decay is None:
        return None

    def blend(averages: Any, weights: Any, num_averaged: Any) -> None:
        share = 1 - ramped(decay, int(num_averaged))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, share)

    average = AveragedModel(model, multi_avg_fn=blend).requires_grad_(False)
    if saved is not None:
        fill(average, saved, "the checkpoint's average")
    return average
