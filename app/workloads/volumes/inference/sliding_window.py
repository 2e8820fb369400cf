"""Inference over whole volumes by overlapping windows, blended with Gaussian weights.

Only windows that hold some of the organ are run. They start at even distances, so that none overlaps its neighbour more
than it must. The blend works in a slab as deep as a window that moves along D: memory is one slab of logits and one
window, whatever the depth. Shapes: M modality, C region, D H W depth, height, width.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.errors import UsageError
from app.workloads.volumes.boxes import bounding_box

Box = tuple[slice, slice, slice]
ReadWindow = Callable[[Box], Tensor]
"""Reads a box of the volume, whole inside it: [M, d, h, w], normalised as the network wants it."""

SIGMA_SHARE = 0.125
"""Standard deviation of the weights as a share of the window's edge (nnU-Net, MONAI)."""
MIN_AXIS_WEIGHT = 1e-3
"""Floor of the weights along one axis (MONAI has the same floor for the product of the axes): 1e-9 in a corner, where
float32 still keeps its full precision."""


@dataclass(frozen=True)
class Slab:
    """Finished rows of a volume."""

    box: Box
    """Where they lie; outside the boxes of all slabs there is none of the organ."""
    logits: Tensor
    """[C, d, h, w], float32, on the model's device."""


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Starts of the fewest windows that cover `size` voxels with at least this overlap, at even distances."""
    if size <= window:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    num_windows = math.ceil((size - window) / step) + 1
    return [round(i * (size - window) / (num_windows - 1)) for i in range(num_windows)]


def axis_weights(window: int) -> Tensor:
    """Gaussian weights along one axis, [window], float32, 1 at the centre. A window's weights are their product."""
    distance = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    weights = torch.exp(-0.5 * (distance / (SIGMA_SHARE * window)) ** 2)
    return weights.clamp_min(MIN_AXIS_WEIGHT).float()


def iterate_slabs(
    model: nn.Module,
    read: ReadWindow,
    inside: Tensor,
    window: tuple[int, int, int],
    overlap: float,
    *,
    batch_size: int = 1,
    mirror: bool = False,
) -> Iterator[Slab]:
    """Blended logits of a volume, slab by slab along D, over the bounding box of the organ.

    Memory besides the model's: 4 C d H W bytes for a slab, d being the window's depth, and the same again while it
    moves on: 0.6 GB for three regions, 96 voxels deep, at 512 x 512.

    Args:
        model: takes [B, M, *window] and gives logits [B, C, *window]; in evaluation mode.
        read: reads a box of the volume, onto the model's device. What a window reaches beyond the volume is 0.
        inside: [D, H, W], bool, True in the organ. A voxel outside it may have logits of fewer windows, or none.
        window: depth, height, width of a window.
        overlap: least share of a window that its neighbour covers, 0 to below 1.
        batch_size: windows run at a time.
        mirror: average over the eight flips.

    Raises:
        UsageError: an overlap out of range, a batch without windows or a window without voxels.
    """
    if not 0 <= overlap < 1 or batch_size < 1 or min(window) < 1:
        raise UsageError(
            f"got overlap {overlap}, batch_size {batch_size}, window {window}; "
            "expected an overlap from 0 to below 1 and positive sizes"
        )
    box = bounding_box(inside.cpu().numpy())
    if box is None:
        return
    bounds = [(side.start, side.stop) for side in box]  # along D, H, W
    starts = [
        [_placed(low, high, edge) + start for start in window_starts(high - low, edge, overlap)]
        for (low, high), edge in zip(bounds, window, strict=True)
    ]
    blend = _Blend(starts, bounds, window)
    for row, depth_start in enumerate(starts[0]):
        corners = [(depth_start, h, w) for h, w in itertools.product(starts[1], starts[2])]
        corners = [corner for corner in corners if _holds_some(inside, corner, window)]
        for first in range(0, len(corners), batch_size):
            some = corners[first : first + batch_size]
            inputs = torch.stack([_read_padded(read, corner, window, inside.shape) for corner in some])
            logits = _run(model, inputs, mirror)
            for corner, values in zip(some, logits, strict=True):
                blend.add(corner, values)
        next_start = starts[0][row + 1] if row + 1 < len(starts[0]) else bounds[0][1]
        slab = blend.finish_rows_before(min(next_start, bounds[0][1]))
        if slab is not None:
            yield slab


class _Blend:
    """Weighted sums of windows over the rows that are not finished, [C, rows, H, W], in coordinates of the volume.

    The weights' sum is a product of three axes' sums too, as the starts form a grid: no volume of weights is kept.
    A window that was skipped leaves the sums of voxels outside the organ too small, and no others.
    """

    def __init__(self, starts: list[list[int]], bounds: list[tuple[int, int]], window: tuple[int, int, int]) -> None:
        self.bounds = bounds
        self.window = window
        axes = [axis_weights(edge) for edge in window]
        self.weights = axes[0].view(-1, 1, 1) * axes[1].view(-1, 1) * axes[2]
        self.totals = [
            _axis_totals(axis_starts, axis, low, high)
            for axis_starts, axis, (low, high) in zip(starts, axes, bounds, strict=True)
        ]
        self.first_row = bounds[0][0]
        self.sums: Tensor | None = None

    def add(self, corner: tuple[int, int, int], logits: Tensor) -> None:
        """logits [C, *window], overwritten."""
        if self.sums is None:
            rows = min(self.window[0], self.bounds[0][1] - self.first_row)
            height, width = (high - low for low, high in self.bounds[1:])
            self.sums = torch.zeros(len(logits), rows, height, width, device=logits.device)
            self.weights = self.weights.to(logits.device)
        lows = (self.first_row, self.bounds[1][0], self.bounds[2][0])
        to, of = [], []
        for start, edge, low, length in zip(corner, self.window, lows, self.sums.shape[1:], strict=True):
            first, last = max(start, low), min(start + edge, low + length)
            to.append(slice(first - low, last - low))
            of.append(slice(first - start, last - start))
        self.sums[(slice(None), *to)] += logits.mul_(self.weights)[(slice(None), *of)]

    def finish_rows_before(self, row: int) -> Slab | None:
        """The rows from the first up to this one; None where no window was run in the slab."""
        num_rows, low = row - self.first_row, self.bounds[0][0]
        sums, self.sums = self.sums, None
        box = (slice(self.first_row, row), *(slice(*bound) for bound in self.bounds[1:]))
        self.first_row = row
        if sums is None:
            return None
        kept = sums[:, num_rows:]
        rows_left = min(self.window[0], self.bounds[0][1] - row)
        if rows_left > 0:
            self.sums = torch.zeros(len(sums), rows_left, *sums.shape[2:], device=sums.device)
            self.sums[:, : kept.shape[1]] = kept
        finished = sums[:, :num_rows]
        depth, height, width = (total.to(sums.device) for total in self.totals)
        finished /= depth[box[0].start - low : box[0].stop - low].view(-1, 1, 1)
        finished /= height.view(-1, 1) * width
        return Slab((box[0], box[1], box[2]), finished)


@torch.no_grad()
def _run(model: nn.Module, inputs: Tensor, mirror: bool) -> Tensor:
    """Logits [B, C, D, H, W], float32, averaged over the eight flips with `mirror`."""
    flips = [axes for count in range(4) for axes in itertools.combinations((2, 3, 4), count)] if mirror else [()]
    total: Tensor | None = None
    for axes in flips:
        turned = inputs.flip(axes) if axes else inputs
        logits = model(turned.contiguous(memory_format=torch.channels_last_3d)).float()
        logits = logits.flip(axes) if axes else logits
        total = logits if total is None else total.add_(logits)
    assert total is not None
    return total.div_(len(flips)) if mirror else total


def _read_padded(read: ReadWindow, corner: tuple[int, ...], window: tuple[int, ...], shape: torch.Size) -> Tensor:
    """A window [M, *window]; zeros beyond the volume."""
    ranges = [(max(0, s), min(s + edge, size)) for s, edge, size in zip(corner, window, shape, strict=True)]
    values = read((slice(*ranges[0]), slice(*ranges[1]), slice(*ranges[2])))
    if values.shape[1:] == window:
        return values
    padded = values.new_zeros(len(values), *window)
    place = tuple(slice(low - s, high - s) for (low, high), s in zip(ranges, corner, strict=True))
    padded[(slice(None), *place)] = values
    return padded


def _placed(low: int, high: int, edge: int) -> int:
    """Where the first window starts: at the box, or so that a box smaller than the window lies in its middle."""
    return low - (edge - (high - low)) // 2 if high - low < edge else low


def _axis_totals(starts: list[int], weights: Tensor, low: int, high: int) -> Tensor:
    """The sum of the windows' weights at each position of low to high along one axis."""
    totals = torch.zeros(high - low)
    for start in starts:
        first, last = max(start, low), min(start + len(weights), high)
        totals[first - low : last - low] += weights[first - start : last - start]
    return totals


def _holds_some(inside: Tensor, corner: tuple[int, ...], window: tuple[int, ...]) -> bool:
    box = tuple(slice(max(0, start), max(0, start + edge)) for start, edge in zip(corner, window, strict=True))
    return bool(inside[box].any())
