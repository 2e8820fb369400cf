import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from app.workloads.volumes.inference import sliding_window
from app.workloads.volumes.inference.sliding_window import axis_weights, iterate_slabs, window_starts


class Position(nn.Module):
    """Logits that depend on where in the window a voxel lies, so that the blend shows; counts its windows."""

    def __init__(self) -> None:
        super().__init__()
        self.num_windows = 0

    def forward(self, x: Tensor) -> Tensor:
        self.num_windows += len(x)
        ramp = torch.linspace(0, 1, x.shape[2]).view(-1, 1, 1) + torch.linspace(0, 2, x.shape[4])
        return torch.cat((x[:, :1] + ramp, x[:, 1:2] * ramp), dim=1)


class First(nn.Module):
    """Gives the first two modalities back."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2].clone()


def _image(*shape: int) -> Tensor:
    return torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))


@given(st.integers(1, 300), st.integers(1, 100), st.floats(0, 0.9))
def test_starts_cover_everything_with_no_window_too_many(size: int, window: int, overlap: float) -> None:
    starts = window_starts(size, window, overlap)
    assert starts[0] == 0
    if size <= window:
        assert starts == [0]
        return
    assert starts[-1] == size - window
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    step = max(1, int(window * (1 - overlap)))
    assert all(0 < gap <= step for gap in gaps)
    assert max(gaps) - min(gaps) <= 1
    assert (len(gaps) - 1) * step < size - window


def predict_logits(
    model: torch.nn.Module,
    image: Tensor,
    window: tuple[int, int, int],
    overlap: float,
    inside: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Blended logits [2, D, H, W] of a volume [M, D, H, W]; -30 outside."""
    within = torch.ones(image.shape[1:], dtype=torch.bool) if inside is None else inside
    result = torch.full((2, *image.shape[1:]), -30.0)

    def read(box: sliding_window.Box) -> Tensor:
        return image[(slice(None), *box)]

    for slab in iterate_slabs(model, read, within, window, overlap, **options):
        result[(slice(None), *slab.box)] = torch.where(within[slab.box], slab.logits, -30.0)
    return result


@settings(deadline=None, max_examples=30)
@given(st.tuples(*[st.integers(1, 13)] * 3), st.tuples(*[st.integers(1, 7)] * 3), st.floats(0, 0.8), st.integers(1, 3))
def test_every_voxel_gets_its_own_value(
    shape: tuple[int, int, int], window: tuple[int, int, int], overlap: float, batch_size: int
) -> None:
    """A network that returns its input must give the volume back, whatever the geometry and the weights."""
    image = _image(*shape)
    logits = predict_logits(First(), image, window, overlap, batch_size=batch_size)
    torch.testing.assert_close(logits, image[:2], rtol=1e-5, atol=1e-5)


def _monai(window: tuple[int, int, int], image: Tensor, weights: Tensor) -> Tensor:
    from monai.inferers.utils import sliding_window_inference

    blended = sliding_window_inference(
        image[None], window, 1, Position(), overlap=0.5, mode="gaussian", roi_weight_map=weights
    )
    assert isinstance(blended, Tensor)
    return blended[0]


def test_agrees_with_monai_where_windows_and_weights_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # MONAI does not let the product of the axes' weights fall below 1e-3.
    monkeypatch.setattr(sliding_window, "MIN_AXIS_WEIGHT", 0.1)
    window, image = (8, 12, 16), _image(16, 24, 32)  # windows start at 0, half a window and a whole one in both
    axes = [axis_weights(edge) for edge in window]
    weights = axes[0].view(-1, 1, 1) * axes[1].view(-1, 1) * axes[2]
    logits = predict_logits(Position(), image, window, 0.5)
    torch.testing.assert_close(logits, _monai(window, image, weights), rtol=1e-5, atol=1e-5)


def test_weights_are_monais_gaussian_but_for_its_floor() -> None:
    from monai.data.utils import compute_importance_map

    window = (8, 12, 16)
    axes = [axis_weights(edge) for edge in window]
    weights = axes[0].view(-1, 1, 1) * axes[1].view(-1, 1) * axes[2]
    theirs = compute_importance_map(window, mode="gaussian", sigma_scale=0.125)
    torch.testing.assert_close(weights.clamp_min(1e-3), theirs.clamp_min(1e-3), rtol=1e-4, atol=2e-6)


def test_windows_without_brain_are_skipped_and_the_brain_is_unharmed() -> None:
    image = _image(24, 24, 24)
    inside = torch.zeros(24, 24, 24, dtype=torch.bool)
    inside[2:5, 3:6, 4:7] = True
    inside[20:22, 20:23, 19:22] = True
    network, full = Position(), Position()
    everywhere = torch.zeros_like(inside)
    everywhere[2:22, 3:23, 4:22] = True  # the same bounding box, hence the same windows
    some = predict_logits(network, image, (8, 8, 8), 0.5, inside=inside)
    all_of_them = predict_logits(full, image, (8, 8, 8), 0.5, inside=everywhere)
    assert network.num_windows == 2
    assert full.num_windows == 64
    torch.testing.assert_close(some[:, inside], all_of_them[:, inside])
    assert (some[:, ~inside] == -30.0).all()


def test_an_organ_smaller_than_the_window_lies_in_its_middle() -> None:
    """4 voxels from 10 on in a window of 8 begin at its third: it reads 8 to 16; of 3 from 2 on in one of 8, 0 to 8."""
    inside = torch.zeros(20, 20, 20, dtype=torch.bool)
    inside[10:14, 2:5, 6:14] = True
    boxes = []

    def read(box: sliding_window.Box) -> Tensor:
        boxes.append(box)
        return _image(20, 20, 20)[(slice(None), *box)]

    (slab,) = iterate_slabs(First(), read, inside, (8, 8, 8), 0.5)
    assert boxes == [(slice(8, 16), slice(0, 8), slice(6, 14))]
    torch.testing.assert_close(slab.logits, _image(20, 20, 20)[:2, 10:14, 2:5, 6:14])


def test_a_volume_without_brain_gives_background() -> None:
    inside = torch.zeros(8, 8, 8, dtype=torch.bool)
    logits = predict_logits(Position(), _image(8, 8, 8), (4, 4, 4), 0.5, inside=inside)
    assert (logits == -30.0).all()


def test_the_number_of_windows_at_a_time_changes_nothing() -> None:
    image = _image(20, 18, 10)
    one, three = (predict_logits(Position(), image, (8, 8, 8), 0.5, batch_size=size) for size in (1, 3))
    torch.testing.assert_close(one, three)


def test_mirroring_averages_the_eight_flips() -> None:
    image = _image(6, 8, 10)
    expected = torch.zeros(2, 6, 8, 10)
    for bits in range(8):
        axes = [axis for axis in range(3) if bits >> axis & 1]
        turned = image.flip([axis + 1 for axis in axes])
        expected += Position()(turned[None])[0].flip([axis + 1 for axis in axes]) / 8
    logits = predict_logits(Position(), image, (6, 8, 10), 0.5, mirror=True)
    torch.testing.assert_close(logits, expected)


def test_slabs_are_no_deeper_than_a_window_and_join_without_gaps() -> None:
    image, inside = _image(50, 9, 9), torch.zeros(50, 9, 9, dtype=torch.bool)
    inside[3:47] = True
    reads = []

    def read(box: tuple[slice, slice, slice]) -> Tensor:
        reads.append(box)
        return image[(slice(None), *box)]

    slabs = list(iterate_slabs(First(), read, inside, (8, 8, 8), 0.25))
    assert slabs[0].box[0].start == 3
    assert slabs[-1].box[0].stop == 47
    for before, after in itertools.pairwise(slabs):
        assert before.box[0].stop == after.box[0].start
    assert all(slab.logits.shape[1] <= 8 for slab in slabs)
    assert all(box[0].stop - box[0].start <= 8 for box in reads)
    joined = torch.cat([slab.logits for slab in slabs], dim=1)
    torch.testing.assert_close(joined, image[:2, 3:47])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        predict_logits(First(), _image(4, 4, 4), (4, 4, 4), 1.0)
