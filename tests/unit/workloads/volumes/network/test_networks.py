import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile

from app.errors import UsageError
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network import layers
from app.workloads.volumes.network.networks import build_network

CHANNELS_LAST = torch.channels_last_3d


def test_parameters_of_the_seed_study() -> None:
    network = build_network(BratsTask(outputs="whole", norm="batch"))
    assert sum(p.numel() for p in network.parameters()) == 351_809


@pytest.mark.parametrize(
    "options",
    [
        {"norm": "batch"},
        {"norm": "group"},
        {"norm": "instance", "outputs": "whole"},
        {"network": "dynunet"},
        {"network": "dynunet", "norm": "batch", "filters": (4, 8, 16)},
        {"network": "segresnet"},
    ],
)
def test_logits_have_the_inputs_size_in_both_modes(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    task = BratsTask(**options)
    network = build_network(task)
    x = torch.randn(2, 4, 16, 32, 16)
    heads = network(x)
    assert isinstance(heads, list)
    assert len(heads) == (2 if task.network == "dynunet" and len(task.filters) == 4 else 1)
    assert all(head.shape == (2, len(task.regions), 16, 32, 16) for head in heads)
    sum(head.square().mean() for head in heads).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    network.eval()
    with torch.no_grad():
        assert network(x).shape == (2, len(task.regions), 16, 32, 16)


def _as_the_library(network: nn.Module) -> nn.Module:
    """The same weights in plain torch.nn layers."""
    twin = copy.deepcopy(network)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, layers.InstanceNorm):
                plain: nn.Module = nn.InstanceNorm3d(len(child.weight), affine=True)
            elif isinstance(child, layers.ConvBeforeNorm | layers.PointwiseConv):
                plain = nn.Conv3d(child.in_channels, child.out_channels, child.kernel_size, padding=child.padding)
            else:
                continue
            plain.load_state_dict(child.state_dict())
            setattr(module, name, plain)
    return twin


@pytest.mark.parametrize("norm", ["batch", "group", "instance"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, CHANNELS_LAST])
@pytest.mark.parametrize("num_samples", [1, 2])
def test_our_layers_compute_what_the_librarys_do(
    norm: Any, layout: torch.memory_format, num_samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "MIN_SLICED_EDGE", 8)  # small planes take the sliced weight gradient too
    torch.manual_seed(0)
    network = build_network(BratsTask(norm=norm, filters=(4, 8, 12)))
    plain = _as_the_library(network)
    network.to(memory_format=layout)
    x = torch.randn(num_samples, 4, 8, 12, 16)
    target = torch.randn(num_samples, 3, 8, 12, 16)
    ours, theirs = network(x.contiguous(memory_format=layout))[0], plain(x)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    for logits in (ours, theirs):
        F.mse_loss(logits, target).backward()
    for (name, mine), (_, other) in zip(network.named_parameters(), plain.named_parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        atol = 2e-6 if num_samples == 2 else 5e-6  # the mean over half as many voxels has gradients twice as large
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=atol, msg=lambda m, n=name: f"{n}: {m}")


def test_a_bias_that_cancels_has_no_gradient_and_one_that_does_not_has() -> None:
    x = torch.randn(2, 4, 4, 4, 4)
    for cancels in (True, False):
        conv = layers.ConvBeforeNorm(4, 8, bias_cancels=cancels)
        conv(x).sum().backward()
        assert conv.bias is not None
        assert conv.bias.grad is not None
        assert conv.bias.grad.tolist() == [0.0 if cancels else 128.0] * 8


def test_sliced_weight_gradient_is_the_weight_gradient_in_double_precision() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, 7, dtype=torch.float64).contiguous(memory_format=CHANNELS_LAST)
    weight = torch.randn(4, 3, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    out = F.conv3d(x, weight, padding=1)
    grad = torch.randn_like(out)
    (expected,) = torch.autograd.grad(out, weight, grad)
    torch.testing.assert_close(layers._sliced_weight_gradient(grad, x, weight.detach()), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, CHANNELS_LAST])
@pytest.mark.parametrize("size", [(5, 6, 7), (1, 4, 4), (2, 3, 3), (8, 8, 8)])
def test_a_single_sample_goes_to_onednn_and_gives_what_double_precision_does(
    size: tuple[int, int, int], layout: torch.memory_format
) -> None:
    """torch gives small single samples to slow_conv3d, forward and backward."""
    torch.manual_seed(0)
    conv = layers.ConvBeforeNorm(3, 4, bias_cancels=False).to(memory_format=layout)
    x = torch.randn(1, 3, *size).contiguous(memory_format=layout).requires_grad_()
    grad = torch.randn(1, 4, *size)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        out = conv(x)
        out.backward(grad)
        with torch.no_grad():
            judged = conv(x)
    names = {event.key for event in seen.key_averages()}
    assert "aten::mkldnn_convolution" in names and not any("slow_conv3d" in name for name in names)
    wide = [t.detach().double().requires_grad_() for t in (x, conv.weight, conv.bias)]
    expected = F.conv3d(*wide, padding=1)
    expected.backward(grad.double())
    for mine in (out, judged):
        torch.testing.assert_close(mine.double(), expected, rtol=1e-4, atol=1e-5)
    for mine, other in zip((x, conv.weight, conv.bias), wide, strict=True):
        torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-4, atol=1e-5)


def test_group_norm_is_over_channels_of_one_sample() -> None:
    """The seed's code normalised over the wrong axis: a second sample must not change the first one's result."""
    torch.manual_seed(0)
    network = build_network(BratsTask(norm="group"))
    x = torch.randn(2, 4, 8, 8, 8)
    alone = network(x[:1])[0]
    torch.testing.assert_close(network(x)[0][:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_activations_stay_channels_last(norm: Any) -> None:
    """A layer that loses the layout makes every later one convert: a third of the step's time."""
    network = build_network(BratsTask(norm=norm)).to(memory_format=CHANNELS_LAST)
    seen = []
    for module in network.modules():
        if not isinstance(module, layers.PointwiseConv) and not list(module.children()):
            module.register_forward_hook(
                lambda _m, _i, out: seen.append(out.is_contiguous(memory_format=CHANNELS_LAST))
            )
    network(torch.randn(2, 4, 16, 16, 16).contiguous(memory_format=CHANNELS_LAST))
    assert len(seen) > 40
    assert all(seen)


def test_weights_of_a_run_are_loaded_but_for_a_head_of_other_outputs(tmp_path: Path) -> None:
    source = build_network(BratsTask(filters=(4, 8), outputs="whole"))
    (tmp_path / "checkpoint").mkdir()
    torch.save({"model": source.state_dict()}, tmp_path / "checkpoint" / "best.pt")
    task = BratsTask(filters=(4, 8), weights=str(tmp_path))
    found = build_network(task)
    assert found.origin["new"] == ["head.bias", "head.weight"]  # type: ignore[index]
    theirs, ours = source.state_dict(), found.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours if not key.startswith("head."))
    assert not hasattr(build_network(task, with_weights=False), "origin")
    with pytest.raises(UsageError, match="another network"):
        build_network(BratsTask(network="segresnet", filters=(8, 16), weights=str(tmp_path)))


@pytest.mark.parametrize("norm", ["batch", "group", "instance"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_recomputed_blocks_give_equal_outputs_gradients_and_statistics(norm: Any, precision: torch.dtype) -> None:
    """To the last bit, over two steps; what is kept for the backward pass is less than half."""
    task = BratsTask(norm=norm, filters=(4, 8, 12))
    found, kept_bytes = [], []
    for recompute in (False, True):
        torch.manual_seed(0)
        network = build_network(replace(task, recompute=recompute))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        kept: dict[int, int] = {}
        for _ in range(2):
            with (
                torch.autograd.graph.saved_tensors_hooks(partial(_counted, kept), lambda tensor: tensor),
                torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16),
            ):
                logits = network(torch.randn(2, 4, 16, 16, 16))[0]
            logits.float().square().mean().backward()
            optimizer.step()
        gradients = [parameter.grad for parameter in network.parameters()]
        found.append([logits, *gradients, *network.parameters(), *network.buffers()])
        kept_bytes.append(sum(kept.values()))
    assert all(torch.equal(plain, again) for plain, again in zip(*found, strict=True))
    assert kept_bytes[1] < kept_bytes[0] / 2


def _counted(kept: dict[int, int], tensor: torch.Tensor) -> torch.Tensor:
    if not isinstance(tensor, nn.Parameter):
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
    return tensor


def test_only_the_networks_own_blocks_are_recomputed() -> None:
    with pytest.raises(UsageError, match="recompute: got True, expected false for dynunet: unet3d alone has it"):
        BratsTask(network="dynunet", recompute=True)
