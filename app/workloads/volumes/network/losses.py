"""Losses as functions of sums over the batch, so that sums of parts of a batch add up to those of the whole.

Batch Dice is a ratio of sums over all voxels of all samples: its mean over workers is not its value on all of them.
Here each worker or micro-batch gives its sums, these are added, and the loss is computed from the totals. Gradients
follow by the chain rule: with c the gradient of the loss at the total sums, each part runs backward from
(c * its sums).sum(), and the parts' gradients add up to that of the whole batch.

Shapes: B batch, C region, D H W depth, height, width. One head's sums are [3 C + 2], float32: for each region the
intersection sum(p t), then sum(p) (or sum(p^2)), then sum(t) (or sum(t^2)), last the cross entropy and the count.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from app.errors import UsageError
from app.workloads.volumes.task import VolumeTask

SMOOTHING = 1e-5
"""Added to numerator and denominator of Dice, so that it is 1 where truth and prediction are empty (MONAI's value)."""


def loss_sums(task: VolumeTask, logits: Tensor | Sequence[Tensor], targets: Tensor) -> Tensor:
    """Sums over the batch, shape [num_heads * (3 C + 2)], float32, differentiable in the logits.

    Args:
        logits: [B, C, D, H, W], or a list of them, finest first, with deep supervision.
        targets: [B, C, D, H, W], 0 or 1, of any type; each region is a channel.
    """
    heads = [logits] if isinstance(logits, Tensor) else list(logits)
    for head in heads:
        if head.shape != targets.shape:
            raise UsageError(f"logits have shape {list(head.shape)}, targets {list(targets.shape)}; expected the same")
    targets_float = targets.float()
    return torch.cat([_head_sums(task, head, targets_float) for head in heads])


def loss_value(task: VolumeTask, sums: Tensor) -> Tensor:
    """The scalar loss: 1 - mean Dice over the regions, plus the mean cross entropy over voxels with `dice-bce`.

    Dice is (2 sum(p t) + e) / (sum(p) + sum(t) + e), p being probabilities, squared in the denominator with
    `squared-dice` (Milletari et al. 2016). Deep supervision heads weigh 1, 1/2, 1/4, ..., divided by their sum
    (Isensee et al. 2021).
    """
    num_regions = len(task.regions)
    heads = sums.view(-1, 3 * num_regions + 2)
    weights = torch.tensor([0.5**i for i in range(len(heads))], dtype=sums.dtype, device=sums.device)
    intersection, predicted, true = heads[:, :-2].view(len(heads), 3, num_regions).unbind(1)
    dice = (2 * intersection + SMOOTHING) / (predicted + true + SMOOTHING)
    losses = 1 - dice.mean(dim=1)
    if task.loss == "dice-bce":
        losses = losses + heads[:, -2] / heads[:, -1]
    return (losses * weights).sum() / weights.sum()


def _head_sums(task: VolumeTask, logits: Tensor, targets: Tensor) -> Tensor:
    logits = logits.float()
    p, t = torch.sigmoid(logits), targets
    squared = task.loss == "squared-dice"
    dice_sums = [_region_sums(p * t), _region_sums(p * p if squared else p), _region_sums(t * t if squared else t)]
    cross_entropy = logits.new_zeros(1)
    if task.loss == "dice-bce":
        cross_entropy = F.binary_cross_entropy_with_logits(logits, t, reduction="sum").view(1)
    return torch.cat([*dice_sums, cross_entropy, logits.new_full((1,), t.numel())])


def _region_sums(values: Tensor) -> Tensor:
    return values.sum((0, 2, 3, 4))
