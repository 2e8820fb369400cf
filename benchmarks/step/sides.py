"""Training steps of one network on the same samples: `ours` as the project trains, `plain` in fp32 as torch comes."""

import sys
import time
from typing import Any

import torch

from app.machine import num_cores
from benchmarks.side import serve

LEARNING_RATE = 1e-3


class Steps:
    """A training that is driven step by step."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        torch.set_num_threads(num_cores())

    def open(self, task: dict[str, Any], store: str, batch_size: int) -> dict[str, Any]:
        """Build the network (the same weights on both sides) and read the first batch."""
        from app.data.samples.feeding import StepReader
        from app.workloads.brats.workload import BratsWorkload

        self._workload = BratsWorkload()
        self._task = self._workload.parse_task(task)
        samples = self._workload.open_samples(self._task, store)
        self._reader = StepReader(samples, seed=0, global_batch_size=batch_size, rank=0, world_size=1)
        torch.manual_seed(0)
        numerics = self._open_ours(batch_size) if self._kind == "ours" else self._open_plain()
        self._batch = self._read(0)
        return {"numerics": numerics, "shape": list(self._batch["image"].shape)}

    def time_step(self) -> dict[str, Any]:
        """Seconds of one step, normalization of the samples to the optimizer's update, on samples already read."""
        began = time.perf_counter()
        loss = self._run(self._batch)
        return {"seconds": time.perf_counter() - began, "loss": loss}

    def loss_curve(self, num_steps: int) -> dict[str, Any]:
        """The losses of the first steps of a training, each on samples of its own."""
        return {"losses": [self._run(self._read(step)) for step in range(num_steps)]}

    def count_flops(self) -> dict[str, Any]:
        """Floating point operations of convolutions in one step, forward and backward (of the plain network)."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self._run(self._batch)
        return {"flops": counter.get_total_flops()}

    def peak_flops_per_s(self) -> dict[str, Any]:
        """What these cores reach on a large fp32 matrix product: the ceiling of an fp32 convolution."""
        size = 2048
        a, b = torch.rand(size, size), torch.rand(size, size)
        torch.mm(a, b)
        durations = []
        for _ in range(5):
            began = time.perf_counter()
            torch.mm(a, b)
            durations.append(time.perf_counter() - began)
        return {"flops_per_s": 2 * size**3 / min(durations)}

    def _open_ours(self, batch_size: int) -> dict[str, Any]:
        from app.configuration import to_dict
        from app.experiment import Experiment, OptimizerConfig
        from benchmarks.training import open_training

        optimizer = OptimizerConfig(name="adam", learning_rate=LEARNING_RATE, clip_norm=None)
        experiment = Experiment(
            name="step", workload="brats", task=to_dict(self._task), batch_size=batch_size, optimizer=optimizer
        )
        self._training = open_training(experiment, self._workload, self._task)
        return self._training.numerics

    def _open_plain(self) -> dict[str, Any]:
        from benchmarks.peers.plain_unet3d import PlainUNet3d

        ours = self._workload.build_model(self._task)
        self._model = PlainUNet3d(4, len(self._task.regions), self._task.filters, self._task.norm)
        self._model.load_state_dict(ours.state_dict())
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=LEARNING_RATE)
        return {"precision": "fp32", "channels_last": False}

    def _read(self, step: int) -> dict[str, torch.Tensor]:
        arrays = self._reader.load(step)
        return {key: torch.as_tensor(arrays[key]) for key in ("image", "label", "gain", "bias")}

    def _run(self, batch: dict[str, torch.Tensor]) -> float:
        if self._kind == "ours":
            return self._training.step(batch, None)
        inputs = self._workload.to_inputs(self._task, batch, None)
        self._optimizer.zero_grad()
        sums = self._workload.loss_sums(self._task, [self._model(inputs["image"])], inputs)
        loss = self._workload.loss_value(self._task, sums)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()


if __name__ == "__main__":
    steps = Steps(sys.argv[1])
    names = ("open", "time_step", "loss_curve", "count_flops", "peak_flops_per_s")
    serve({name: getattr(steps, name) for name in names})
