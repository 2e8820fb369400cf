"""The comparison of frameworks: how weights go over, what is refused, and the ratio by hand. The whole of it needs
`make frameworks`."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from app.errors import UsageError
from benchmarks.common import Setting
from benchmarks.frameworks import run as comparison
from benchmarks.frameworks.carrying import CarryError, carry, layer_weights
from benchmarks.frameworks.run import BASE, QUICK_CASES, check_agreement, ratio, relative_difference
from benchmarks.peers import environment


def random(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_a_convolutions_weights_stand_as_keras_has_them() -> None:
    """Keras' convolution written out, y[b, i, j, o] = sum x[b, i + u, j + v, c] k[u, v, c, o], is PyTorch's."""
    x, weight = random(2, 5, 6, 3), random(4, 3, 3, 2)
    kernel = layer_weights("Conv2D", "a", {"a.weight": weight})["a.weight"]
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(1, 2))  # [B, i, j, C, u, v]
    ours = np.einsum("bijcuv,uvco->bijo", windows, kernel)
    theirs = F.conv2d(torch.as_tensor(x).permute(0, 3, 1, 2), torch.as_tensor(weight)).permute(0, 2, 3, 1)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_an_up_convolutions_weights_stand_as_keras_has_them() -> None:
    """Kernel and stride 2: each voxel of the input becomes a cube of its channels times k[u, v, w, o, c]."""
    x, weight = random(1, 2, 3, 2, 4), random(4, 5, 2, 2, 2)
    kernel = layer_weights("Conv3DTranspose", "a", {"a.weight": weight})["a.weight"]
    ours = np.einsum("bijkc,uvwoc->biujvkwo", x, kernel).reshape(1, 4, 6, 4, 5)
    moved = torch.as_tensor(x).permute(0, 4, 1, 2, 3)
    theirs = F.conv_transpose3d(moved, torch.as_tensor(weight), stride=2).permute(0, 2, 3, 4, 1)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_depthwise_dense_and_normalization() -> None:
    state = {"d.weight": random(6, 1, 3, 3), "f.weight": random(2, 7), "f.bias": random(2)}
    assert layer_weights("DepthwiseConv2D", "d", state)["d.weight"].shape == (3, 3, 6, 1)
    assert np.array_equal(layer_weights("Dense", "f", state)["f.weight"], state["f.weight"].T)
    norm = {f"n.{part}": random(2) for part in ("running_var", "bias", "running_mean", "weight")}
    assert [*layer_weights("BatchNormalization", "n", norm)] == [
        "n.weight",
        "n.bias",
        "n.running_mean",
        "n.running_var",
    ]


class Layer:
    def __init__(self, name: str, *shapes: tuple[int, ...]) -> None:
        self.name, self.weights, self.given = name, [np.zeros(shape) for shape in shapes], None

    def set_weights(self, values: Any) -> None:
        self.given = values


class Dense(Layer):
    pass


def test_every_tensor_goes_to_one_layer_or_nothing_is_compared() -> None:
    state = {"a.b.weight": random(2, 3), "a.b.bias": random(2), "a.b.num_batches_tracked": np.zeros(())}
    layer = Dense("a__b", (3, 2), (2,))
    assert carry([layer, Layer("relu")], state) == 2
    assert layer.given is not None and np.array_equal(layer.given[0], state["a.b.weight"].T)
    with pytest.raises(CarryError, match=r"no layer took c\.weight"):
        carry([layer], {**state, "c.weight": random(1)})
    with pytest.raises(CarryError, match=r"a__c: got shapes|the PyTorch network has no weight"):
        carry([Dense("a__c", (3, 2))], state)
    with pytest.raises(CarryError, match=r"a__b: got shapes \[\(3, 2\), \(2,\)\], expected \[\(2, 3\), \(2,\)\]"):
        carry([Dense("a__b", (2, 3), (2,))], state)
    with pytest.raises(CarryError, match="got a layer Layer with weights, expected one of"):
        carry([Layer("a__b", (1,))], state)


def test_what_does_not_agree_is_not_timed() -> None:
    assert relative_difference(np.array([1.0, -4.0]), np.array([1.0, -5.0])) == pytest.approx(0.2)
    base = {"difference": 0.0, "losses": [2.0]}
    check_agreement({BASE: base, "other": {"difference": 1e-5, "losses": [2.001]}, "broken": {"difference": 0.0}})
    with pytest.raises(UsageError, match=r"other: outputs differ from PyTorch, eager's by 0\.001 of the largest"):
        check_agreement({BASE: base, "other": {"difference": 1e-3, "losses": [2.0]}})
    with pytest.raises(UsageError, match=r"other: outputs differ .* by nan"):
        check_agreement({BASE: base, "other": {"difference": float("nan")}})
    with pytest.raises(UsageError, match=r"other: the first loss is 2\.1, expected 2\.0"):
        check_agreement({BASE: base, "other": {"difference": 0.0, "losses": [2.1]}})


def test_a_planted_effect_is_told_and_a_planted_null_is_not() -> None:
    """Twice the time in each round, against times that differ by chance alone."""
    twice = ratio([1.0, 1.1, 0.9, 1.0], [2.0, 2.2, 1.8, 2.0])
    assert (twice["median"], twice["high"]) == pytest.approx((0.5, 0.5))
    null = ratio([1.0, 1.1, 0.9, 1.0], [1.1, 1.0, 1.0, 0.9])
    assert null["low"] < 1 < null["high"]
    spoilt = ratio([1.0] * 12, [2.0] * 8 + [0.1, 0.1, 30.0, 30.0])
    assert (spoilt["median"], spoilt["low"], spoilt["high"]) == pytest.approx((0.5, 0.5, 0.5)), (
        "third to tenth of twelve"
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not environment.place(comparison.ENVIRONMENT).exists(), reason="needs the environment that `make frameworks` makes"
)
@pytest.mark.parametrize("case", QUICK_CASES, ids=lambda case: case.network)
def test_keras_networks_give_what_pytorchs_do(case: Any, tmp_path: Any) -> None:
    """In that environment: outputs to 1e-4, the loss of three steps, and every tensor carried."""
    setting = Setting(quick=True, work=tmp_path)
    (tmp_path / "frameworks").mkdir()
    comparison.make_inputs(case, tmp_path / "frameworks" / comparison.INPUTS)
    found = {}
    for name in (BASE, "Keras on TensorFlow, graph", "Keras on PyTorch, eager"):
        with comparison.ExitStack() as stack:
            side, found[name] = comparison.open_side(setting, case, name, stack)
            assert side is not None, found
    check_agreement(found)
    for told in found.values():
        assert told["losses"] == pytest.approx(found[BASE]["losses"], rel=0.02)
