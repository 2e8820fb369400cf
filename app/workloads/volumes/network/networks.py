"""Networks by name. Each takes [B, M, D, H, W] and gives logits [B, C, D, H, W], C being the task's regions.

In training mode the result is a list of logits at full size, finest first: more than one with deep supervision.
"""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.workloads import initial_weights
from app.workloads.volumes.network.layers import ConvBeforeNorm, InstanceNorm, PointwiseConv
from app.workloads.volumes.network.recompute import recomputed
from app.workloads.volumes.task import NUM_GROUPS, Norm, VolumeTask

PRIOR = 0.01
"""Probability of every region at the start, about the share of voxels that belong to one (Lin et al. 2017, focal loss,
section 4.1). From a probability of 1/2 the first steps drive all weights of the head below zero; as its inputs are
not negative, regions then stay below 1/2 for long (measured: TC and ET not found once in 250 steps)."""


def build_network(task: VolumeTask, with_weights: bool = True) -> nn.Module:
    """The task's network with fresh weights from torch's global generator; then, `with_weights`, with the task's own.

    Raises:
        UsageError, DataError: these are not available or do not fit.
    """
    builders = {"unet3d": _build_unet3d, "dynunet": _build_dynunet, "segresnet": _build_segresnet}
    network = builders[task.network](task)
    if with_weights and task.weights is not None:
        origin: Any = initial_weights.load_file(network, task.weights)
        network.origin = origin
    return network


class UNet3d(nn.Module):
    """3D U-Net (Çiçek et al. 2016) in the size of DistMIS: 351,809 parameters with filters 8, 16, 32, 64, batch norm,
    four modalities and one output. Two (3^3 convolution, norm, ReLU) at each resolution, 2^3 max-pooling on the way
    down, 2^3 transposed convolutions and concatenation on the way up, a 1^3 convolution at the end.

    With `recompute` a training keeps the inputs of each resolution alone, and computes the rest again on the way back.
    """

    def __init__(
        self, num_in: int, num_out: int, filters: tuple[int, ...], norm: Norm, recompute: bool = False
    ) -> None:
        super().__init__()
        self.recompute = recompute
        inputs = (num_in, *filters[:-1])
        self.down = nn.ModuleList(_block(a, b, norm) for a, b in zip(inputs, filters, strict=True))
        coarse_to_fine = tuple(reversed(filters))
        pairs = list(itertools.pairwise(coarse_to_fine))
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(a, b, kernel_size=2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(_block(2 * b, b, norm) for _, b in pairs)
        self.head = PointwiseConv(filters[0], num_out)
        nn.init.constant_(self.head.bias, math.log(PRIOR / (1 - PRIOR)))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        skips: list[Tensor] = []
        for block in self.down:
            x = self._run(block, _halved if skips else _same, x)
            skips.append(x)
        skips.pop()
        for upsample, block in zip(self.upsample, self.up, strict=True):
            x = self._run(block, partial(_joined, upsample), x, skips.pop())
        logits: Tensor = self.head(x)
        return [logits] if self.training else logits

    def _run(self, block: nn.Module, prepare: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """The block on what `prepare` makes of the inputs."""
        if not (self.recompute and self.training and torch.is_grad_enabled()):
            found: Tensor = block(prepare(*inputs))
            return found
        return recomputed(block, prepare, *inputs)


def _same(x: Tensor) -> Tensor:
    return x


def _halved(x: Tensor) -> Tensor:
    return F.max_pool3d(x, 2)


def _joined(upsample: nn.Module, x: Tensor, skip: Tensor) -> Tensor:
    return torch.cat((upsample(x), skip), dim=1)


class _Listed(nn.Module):
    """Gives a MONAI network the output convention of this file."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        logits: Tensor = self.network(x)
        if not self.training:
            return logits
        return list(logits.unbind(1)) if logits.dim() == x.dim() + 1 else [logits]


def _block(num_in: int, num_out: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (num_in, num_out):
        layers += [ConvBeforeNorm(width, num_out, norm != "group"), _norm(norm, num_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _norm(norm: Norm, num_channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm3d(num_channels)
    return nn.GroupNorm(NUM_GROUPS, num_channels) if norm == "group" else InstanceNorm(num_channels)


def _build_unet3d(task: VolumeTask) -> nn.Module:
    return UNet3d(task.anatomy.num_modalities, len(task.regions), task.filters, task.norm, task.recompute)


def _build_dynunet(task: VolumeTask) -> nn.Module:
    """nnU-Net's network as MONAI builds it, with up to two deep supervision heads besides the output."""
    from monai.networks.nets.dynunet import DynUNet

    levels = len(task.filters)
    strides = (1,) + (2,) * (levels - 1)
    norm_name: Any = (task.norm, {"affine": True})
    network = DynUNet(
        spatial_dims=3,
        in_channels=task.anatomy.num_modalities,
        out_channels=len(task.regions),
        kernel_size=(3,) * levels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=task.filters,
        norm_name=norm_name,
        deep_supervision=levels > 3,
        deep_supr_num=max(1, min(2, levels - 3)),
    )
    return _Listed(network)


def _build_segresnet(task: VolumeTask) -> nn.Module:
    """SegResNet (Myronenko 2018) with the paper's blocks a resolution: 1, 2, 2, ..., 4 down and 1 up."""
    from monai.networks.nets.segresnet import SegResNet

    levels = len(task.filters)
    network = SegResNet(
        spatial_dims=3,
        init_filters=task.filters[0],
        in_channels=task.anatomy.num_modalities,
        out_channels=len(task.regions),
        blocks_down=(1,) + (2,) * (levels - 2) + (4,),
        blocks_up=(1,) * (levels - 1),
    )
    return _Listed(network)
