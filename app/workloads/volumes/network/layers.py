"""3D layers for volumes in channels-last layout on a CPU, where the library's own leave time on the table.

Each computes what its torch.nn counterpart computes, with the same parameters, up to float rounding; on a GPU, in
bf16 and in export they are that counterpart. Shapes: B batch, C channel, D H W depth, height, width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_SLICED_EDGE = 64
"""Voxels along H and W from which the weight gradient is faster slice by slice (measured: 64^3 to 96^3 1.2-2.0x,
48^3 0.8x)."""
MAX_SLICED_CHANNELS = 256
"""Input times output channels up to which it is (measured at 120^2: 16 to 8 channels 1.8x, 32 to 32 0.7x)."""
MAX_PASSED_OVER = 20480
"""Channels times depth times height up to which torch gives a single sample of a stride-1 convolution to its plain
routine and not to oneDNN (use_mkldnn in aten/src/ATen/native/Convolution.cpp: a rule for images, which leaves out the
width of volumes; measured on 8^3 to 64^3 voxels: oneDNN is 1.5 to 16 times as fast)."""


class ConvBeforeNorm(nn.Conv3d):
    """A 3^3 convolution with padding 1 whose output goes into a normalization.

    `bias_cancels` says that the normalization subtracts each channel's own mean (batch and instance norm do, group
    norm does not). The bias then changes nothing and its gradient is exactly zero, so that it is not computed.
    """

    def __init__(self, num_in: int, num_out: int, bias_cancels: bool) -> None:
        super().__init__(num_in, num_out, kernel_size=3, padding=1)
        self.bias_cancels = bias_cancels

    def forward(self, x: Tensor) -> Tensor:
        if not _is_plain_cpu(x):
            return super().forward(x)
        if not torch.is_grad_enabled():
            return _conv(x, self.weight, self.bias)
        out: Tensor = _Conv.apply(x, self.weight, self.bias, self.bias_cancels)
        return out


class InstanceNorm(nn.Module):
    """Affine instance norm: each sample's channels to mean 0, variance 1, then scale and shift.

    torch.nn.InstanceNorm3d folds B into C, which loses the channels-last layout and makes every later layer convert;
    batch norm of one sample at a time is the same computation and keeps it.
    """

    def __init__(self, num_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or _is_exporting():
            return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
        samples = [
            F.batch_norm(sample, None, None, self.weight, self.bias, training=True, eps=self.eps)
            for sample in torch.split(x, 1)
        ]
        return torch.cat(samples) if len(samples) > 1 else samples[0]


class PointwiseConv(nn.Conv3d):
    """A 1^3 convolution to few channels, as one matrix product over voxels; the output is channels-first.

    Few channels make channels-last rows of a few bytes, slow in the loss and in blending.
    """

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__(num_in, num_out, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or _is_exporting():
            return super().forward(x)
        batch, channels, *space = x.shape
        assert self.bias is not None
        rows = x.permute(0, 2, 3, 4, 1).reshape(batch, -1, channels)  # [B, DHW, C]; a view in channels-last
        weight = self.weight.view(1, self.out_channels, channels).expand(batch, -1, -1)
        out = torch.baddbmm(self.bias.view(1, -1, 1), weight, rows.transpose(1, 2))  # [B, C, DHW]
        return out.view(batch, self.out_channels, *space)


def _is_exporting() -> bool:
    return torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting()


def _is_plain_cpu(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not _is_exporting()
    )


def _is_passed_over(x: Tensor) -> bool:
    """Whether torch leaves out oneDNN that is there (see MAX_PASSED_OVER). What only counts memory (FakeTensor) has
    no data for it."""
    library, (samples, channels, depth, height, _) = torch.backends.mkldnn, x.shape
    is_small = samples == 1 and channels * depth * height <= MAX_PASSED_OVER
    return is_small and type(x) is Tensor and bool(library.enabled and library.is_available())  # type: ignore[no-untyped-call]


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution 3^3, stride 1, padding 1."""
    if not _is_passed_over(x):
        return F.conv3d(x, weight, bias, padding=1)
    ones = [1, 1, 1]
    found: Tensor = torch.ops.aten.mkldnn_convolution(x, weight, bias, ones, ones, ones, 1)
    return found


class _Conv(torch.autograd.Function):
    """Convolution 3^3, stride 1, padding 1, with the cheapest exact gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, bias_cancels: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias_cancels = bias_cancels
        return _conv(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad_x = _input_gradient(grad, x, weight) if ctx.needs_input_grad[0] else None
        grad_weight = _weight_gradient(grad, x, weight) if ctx.needs_input_grad[1] else None
        grad_bias = None
        if ctx.needs_input_grad[2]:
            grad_bias = grad.new_zeros(grad.shape[1]) if ctx.bias_cancels else grad.sum((0, 2, 3, 4))
        return grad_x, grad_weight, grad_bias, None


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """By the convolution with the mirrored kernel where that alone goes to oneDNN."""
    if not (_is_passed_over(x) and _is_passed_over(grad)):
        found: Tensor = _conv_backward(grad, x, weight, (True, False))[0]
        return found
    channels_last = weight.is_contiguous(memory_format=torch.channels_last_3d)
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    return _conv(grad, weight.flip(2, 3, 4).transpose(0, 1).contiguous(memory_format=layout), None)


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    small = weight.shape[0] * weight.shape[1] <= MAX_SLICED_CHANNELS
    if small and min(x.shape[3:]) >= MIN_SLICED_EDGE and x.is_contiguous(memory_format=torch.channels_last_3d):
        return _sliced_weight_gradient(grad, x, weight)
    if _is_passed_over(x):
        return _halved_weight_gradient(grad, x, weight)
    whole: Tensor = _conv_backward(grad, x, weight, (False, True))[1]
    return whole


def _sliced_weight_gradient(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The same sum plane by plane: for each of the kernel's three depth offsets a 2D convolution's weight gradient,
    with D as its batch. The CPU library's 2D routine runs at twice the rate of its 3D one on few channels."""
    total = torch.zeros_like(weight)
    plane = weight[:, :, 0].contiguous(memory_format=torch.channels_last)
    depth = x.shape[2]
    for sample_x, sample_grad in zip(x, grad, strict=True):
        slices_x, slices_grad = sample_x.transpose(0, 1), sample_grad.transpose(0, 1)  # [D, C, H, W]
        for offset in (-1, 0, 1):
            start, stop = max(0, -offset), depth - max(0, offset)
            here, there = slices_grad[start:stop], slices_x[start + offset : stop + offset]
            total[:, :, offset + 1] += _conv_backward(here, there, plane, (False, True))[1]
    return total


def _halved_weight_gradient(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The sum over two halves of a single sample, cut along D, each with the planes beside it: a batch of two goes to
    oneDNN."""
    depth = x.shape[2]
    half = -(-depth // 2)
    odd = 2 * half - depth  # a plane of zeros more, which adds nothing
    padded_x, padded_grad = F.pad(x, (0, 0, 0, 0, 1, 1 + odd)), F.pad(grad, (0, 0, 0, 0, 0, odd))
    halves_x = torch.cat([padded_x[:, :, : half + 2], padded_x[:, :, half:]])
    halves_grad = torch.cat([padded_grad[:, :, :half], padded_grad[:, :, half:]])
    found: Tensor = _conv_backward(halves_grad, halves_x, weight, (False, True), [0, 1, 1])[1]
    return found


def _conv_backward(
    grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool], padding: list[int] | None = None
) -> Any:
    axes = x.dim() - 2
    ones, zeros = [1] * axes, [0] * axes
    gradients = [*wanted, False]  # of input, weight, bias
    return torch.ops.aten.convolution_backward(
        grad, x, weight, None, ones, padding or ones, ones, False, zeros, 1, gradients
    )
