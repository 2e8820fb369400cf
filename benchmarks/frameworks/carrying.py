"""Weights of a PyTorch network for the Keras network whose layers bear its modules' names.

Shapes: C channels, k the kernel along one axis.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ORDERS: Mapping[str, tuple[int, ...]] = {
    "Conv2D": (2, 3, 1, 0),  # [out, in, k, k] -> [k, k, in, out]
    "DepthwiseConv2D": (2, 3, 0, 1),  # [C, 1, k, k] -> [k, k, C, 1]
    "Conv3D": (2, 3, 4, 1, 0),
    "Conv3DTranspose": (2, 3, 4, 1, 0),  # [in, out, k, k, k] -> [k, k, k, out, in]
    "Dense": (1, 0),
}
"""By the class of a Keras layer: PyTorch's axes in Keras' order."""
UNUSED = "num_batches_tracked"
"""What Keras has no place for: it counts nothing where the momentum is given."""


SEPARATOR = "__"
"""In the names of Keras' layers where PyTorch's have a point, which its torch backend refuses."""


class CarryError(ValueError):
    """Weights do not fit the network."""


def layer_weights(kind: str, name: str, state: Mapping[str, Array]) -> dict[str, Array]:
    """What a Keras layer of this class takes, in its own order, by the PyTorch tensor that it comes from.

    Raises:
        CarryError: a class that is not known here, or a tensor that is missing.
    """
    if kind == "BatchNormalization":
        parts = ("weight", "bias", "running_mean", "running_var")
    elif kind in ORDERS:
        parts = ("weight", "bias") if f"{name}.bias" in state else ("weight",)
    else:
        raise CarryError(f"{name}: got a layer {kind} with weights, expected one of {[*ORDERS, 'BatchNormalization']}")
    if missing := [part for part in parts if f"{name}.{part}" not in state]:
        raise CarryError(f"{name}: the PyTorch network has no {', '.join(missing)}")
    found = {f"{name}.{part}": state[f"{name}.{part}"] for part in parts}
    if kind in ORDERS:
        found[f"{name}.weight"] = np.transpose(found[f"{name}.weight"], ORDERS[kind])
    return found


def carry(layers: Sequence[Any], state: Mapping[str, Array]) -> int:
    """Give Keras layers the PyTorch network's weights; how many tensors went over.

    Raises:
        CarryError: a tensor has no layer, a layer no tensor, or shapes differ.
    """
    left = {name for name in state if not name.endswith(UNUSED)}
    num_tensors = len(left)
    for layer in layers:
        if not layer.weights:
            continue
        found = layer_weights(type(layer).__name__, layer.name.replace(SEPARATOR, "."), state)
        wanted = [tuple(weight.shape) for weight in layer.weights]
        if (shapes := [value.shape for value in found.values()]) != wanted:
            raise CarryError(f"{layer.name}: got shapes {shapes}, expected {wanted}")
        layer.set_weights(list(found.values()))
        left -= set(found)
    if left:
        raise CarryError(f"no layer took {', '.join(sorted(left))}")
    return num_tensors
