"""A side in PyTorch: timm's EfficientNet-B0, or DistMIS's 3D U-Net out of torch's own layers.

`ours` is as Twofold trains in fp32: channels-last memory, and in the U-Net its own layers.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from app.training.process import high_water_bytes, thread_limit, threads_per_worker
from benchmarks.frameworks.cases import FILTERS, NUM_CLASSES, NUM_MODALITIES, SMOOTH, Case
from benchmarks.side import serve


class TorchSide:
    def __init__(self, mode: str) -> None:
        self._mode = mode
        torch.set_num_threads(min(threads_per_worker(1), thread_limit(os.environ)))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def open(self, case: dict[str, Any], inputs: str, weights: str, make_weights: bool = False) -> dict[str, Any]:
        """Build the network with the weights of the file; with `make_weights` write it first."""
        self._case = Case(case["network"], tuple(case["size"]), case["batch_size"])
        torch.manual_seed(0)
        model = self._build()
        if make_weights:
            np.savez(weights, **{name: value.numpy() for name, value in used(model).state_dict().items()})
        with np.load(weights) as state:
            model.load_state_dict({name: torch.as_tensor(state[name]) for name in state.files})
        self._model = model.to(self._device)
        if self._mode == "ours":
            from app.training.numerics import Numerics

            Numerics("fp32", True).place(self._model)
        self._run = torch.compile(self._model) if self._mode == "compiled" else self._model
        options = dict(self._case.optimizer)
        rate = options.pop("learning_rate")
        if self._case.network == "unet3d":
            betas = options["beta_1"], options["beta_2"]
            self._optimizer: torch.optim.Optimizer = torch.optim.Adam(
                model.parameters(), lr=rate, betas=betas, eps=options["epsilon"]
            )
        else:
            self._optimizer = torch.optim.SGD(model.parameters(), lr=rate, **options)
        with np.load(inputs) as arrays:
            self._x = torch.as_tensor(np.moveaxis(arrays["x"], -1, 1).copy())
            y = arrays["y"]
        self._y = torch.as_tensor(np.moveaxis(y, -1, 1).copy() if y.ndim > 1 else y)
        return {"num_parameters": sum(p.numel() for p in model.parameters())}

    def forward(self, out: str) -> dict[str, Any]:
        """The outputs in evaluation mode, channels last, to a file."""
        self._model.eval()
        with torch.no_grad():
            found = self._model(self._placed(self._x)).cpu().numpy()
        self._model.train()
        np.save(out, np.moveaxis(found, 1, -1) if found.ndim > 2 else found)
        return {}

    def steps(self, count: int) -> dict[str, Any]:
        """So many training steps: the seconds of each, and the losses."""
        seconds, losses = [], []
        for _ in range(count):
            began = time.perf_counter()
            x, y = self._placed(self._x), self._y.to(self._device)
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._loss(self._run(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            losses.append(loss.item())
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds, "losses": losses}

    def memory(self) -> dict[str, Any]:
        on_gpu = torch.cuda.max_memory_allocated() if self._device.type == "cuda" else None
        return {"peak_bytes": high_water_bytes(Path("/proc/self/status").read_text()), "gpu_bytes": on_gpu}

    def _build(self) -> torch.nn.Module:
        if self._case.network == "efficientnet_b0":
            import timm

            return timm.create_model("efficientnet_b0", num_classes=NUM_CLASSES)
        if self._mode == "ours":
            from app.workloads.volumes.network.networks import UNet3d

            return _FirstHead(UNet3d(NUM_MODALITIES, 1, FILTERS, "batch"))
        from benchmarks.peers.plain_unet3d import PlainUNet3d

        return PlainUNet3d(NUM_MODALITIES, 1, FILTERS, "batch")

    def _placed(self, x: torch.Tensor) -> torch.Tensor:
        placed = x.to(self._device)
        if self._mode != "ours":
            return placed
        layout = torch.channels_last_3d if x.ndim == 5 else torch.channels_last
        return placed.contiguous(memory_format=layout)

    def _loss(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self._case.network == "efficientnet_b0":
            return F.cross_entropy(outputs, y)
        p = torch.sigmoid(outputs)
        return 1 - (2 * (p * y).sum() + SMOOTH) / (p.sum() + y.sum() + SMOOTH)


class _FirstHead(torch.nn.Module):
    """Our network gives a list in training; its parameters keep their names."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self._modules.update(network._modules)
        self.__dict__["network"] = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.__dict__["network"].train(self.training)
        found = self.__dict__["network"](x)
        return found[0] if isinstance(found, list) else found


def used(model: torch.nn.Module) -> torch.nn.Module:
    """As if trained a little: normalizations whose numbers are not all 0 and 1, so that none can be exchanged."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None and module.running_var is not None
            torch.nn.init.normal_(module.weight, 1.0, 0.1)
            torch.nn.init.normal_(module.bias, 0.0, 0.1)
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    return model


if __name__ == "__main__":
    side = TorchSide(sys.argv[1])
    serve({name: getattr(side, name) for name in ("open", "forward", "steps", "memory")})
