"""The plain network computes what ours computes, with our weights: else the step benchmark compares two networks."""

from typing import Any

import pytest
import torch

from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.networks import build_network
from benchmarks.peers.plain_unet3d import PlainUNet3d


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_same_weights_give_the_same_logits_and_gradients(norm: Any) -> None:
    task = BratsTask(filters=(4, 8, 16), norm=norm, patch_size=(16, 16, 16))
    torch.manual_seed(0)
    ours = build_network(task)
    plain = PlainUNet3d(4, 3, task.filters, norm)
    plain.load_state_dict(ours.state_dict())
    image = torch.randn(2, 4, 16, 16, 16)
    logits, expected = ours(image)[0], plain(image)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    logits.square().mean().backward()
    expected.square().mean().backward()
    for parameter, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-4)


def test_it_is_the_seed_studys_network() -> None:
    plain = PlainUNet3d(4, 1, (8, 16, 32, 64), "batch")
    assert sum(parameter.numel() for parameter in plain.parameters()) == 351_809
