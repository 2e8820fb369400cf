"""A side in Keras, on the backend that KERAS_BACKEND names: the same program on TensorFlow and on PyTorch."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.training.process import high_water_bytes
from benchmarks.frameworks.carrying import carry
from benchmarks.frameworks.cases import FILTERS, NUM_CLASSES, NUM_MODALITIES, SMOOTH, Case
from benchmarks.side import serve

MODES = {"eager": (True, False), "graph": (False, False), "compiled": (False, True)}
"""Whether Keras runs eagerly, and whether it compiles: XLA on TensorFlow, torch.compile on PyTorch."""


class KerasSide:
    def __init__(self, mode: str) -> None:
        self._eager, self._compiled = MODES[mode]

    def open(self, case: dict[str, Any], inputs: str, weights: str) -> dict[str, Any]:
        """Build the network, and carry the weights of the file over to it."""
        import keras

        from benchmarks.frameworks.keras_networks import efficientnet_b0, unet3d

        self._case = Case(case["network"], tuple(case["size"]), case["batch_size"])
        is_volume = self._case.network == "unet3d"
        if is_volume:
            self._model = unet3d(self._case.size, NUM_MODALITIES, 1, FILTERS)
        else:
            self._model = efficientnet_b0(self._case.size[0], NUM_CLASSES)
        with np.load(weights) as state:
            num_tensors = carry(self._model.layers, {name: state[name] for name in state.files})
        options = dict(self._case.optimizer)
        kind = keras.optimizers.Adam if is_volume else keras.optimizers.SGD
        loss = dice_loss if is_volume else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._model.compile(kind(**options), loss, run_eagerly=self._eager, jit_compile=self._compiled)
        with np.load(inputs) as arrays:
            self._x, self._y = arrays["x"], arrays["y"]
        return {"num_tensors": num_tensors, "num_parameters": self._model.count_params(), "version": keras.__version__}

    def forward(self, out: str) -> dict[str, Any]:
        """The outputs in evaluation mode to a file."""
        from keras import ops

        np.save(out, ops.convert_to_numpy(self._model(self._x, training=False)))
        return {}

    def steps(self, count: int) -> dict[str, Any]:
        """So many training steps: the seconds of each, and the losses."""
        seconds, losses = [], []
        for _ in range(count):
            self._model.reset_metrics()  # the loss told is a mean over steps else
            began = time.perf_counter()
            losses.append(float(self._model.train_on_batch(self._x, self._y)))
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds, "losses": losses}

    def memory(self) -> dict[str, Any]:
        return {"peak_bytes": high_water_bytes(Path("/proc/self/status").read_text()), "gpu_bytes": gpu_bytes()}


def gpu_bytes() -> int | None:
    """Most that tensors took of the GPU; None without one."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def dice_loss(y: Any, logits: Any) -> Any:
    """1 - soft Dice over the batch."""
    from keras import ops

    p = ops.sigmoid(logits)
    return 1 - (2 * ops.sum(p * y) + SMOOTH) / (ops.sum(p) + ops.sum(y) + SMOOTH)


if __name__ == "__main__":
    side = KerasSide(sys.argv[1])
    serve({name: getattr(side, name) for name in ("open", "forward", "steps", "memory")})
