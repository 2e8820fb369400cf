"""Training steps of one timm network on the same pages: `ours` as the project trains, `plain` in fp32 as torch comes.

Ours begins with grey bytes: it makes them floats, augments, normalises. The plain one begins with normalised pages of
three channels, as a timm training has them after its loader.
"""

import sys
import time
from typing import Any

import numpy as np
import torch

from app.machine import num_cores
from benchmarks.side import serve

MOMENTUM, WEIGHT_DECAY, LEARNING_RATE = 0.9, 4e-5, 0.01


class Steps:
    """A training that is driven step by step on pages that stay in memory."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def open(self, model: str, image_size: int, batch_size: int, store: str) -> dict[str, Any]:
        """Build the network (the same weights on both sides) and read a batch."""
        from app.workloads.documents.image.task import DocumentImageTask
        from app.workloads.documents.image.workload import DocumentImageWorkload

        torch.set_num_threads(num_cores())
        workload = DocumentImageWorkload()
        task = DocumentImageTask(model=model, weights="random", image_size=image_size)
        self._task = workload.resolve_task(task, store)
        self._workload = workload
        samples = workload.open_samples(self._task, store)
        self._seeds = np.arange(batch_size, dtype=np.uint64)
        read = samples.load(np.arange(batch_size) % len(samples), self._seeds)
        self._batch = {key: torch.as_tensor(value) for key, value in read.items()}
        return self._open_ours(batch_size) if self._kind == "ours" else self._open_plain()

    def time_steps(self, count: int) -> dict[str, Any]:
        """Seconds a step."""
        began = time.perf_counter()
        losses = [self._step() for _ in range(count)]
        return {"seconds": (time.perf_counter() - began) / count, "losses": losses}

    def time_inputs(self, count: int) -> dict[str, Any]:
        """Seconds that ours takes to make a batch of network inputs of its bytes, augmentation in."""
        began = time.perf_counter()
        for _ in range(count):
            self._workload.to_inputs(self._task, self._batch, self._seeds)
        return {"seconds": (time.perf_counter() - began) / count}

    def profile(self) -> dict[str, Any]:
        """Shares of a step's time by operation, the largest first."""
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CPU]) as found:
            self._step()
        rows = sorted(((row.self_cpu_time_total, row.key) for row in found.key_averages()), reverse=True)
        total = sum(time_us for time_us, _ in rows)
        return {"shares": [[key.removeprefix("aten::"), time_us / total] for time_us, key in rows[:6]]}

    def _open_ours(self, batch_size: int) -> dict[str, Any]:
        from app.configuration import to_dict
        from app.experiment import Experiment, OptimizerConfig
        from benchmarks.training import open_training

        optimizer = OptimizerConfig("sgd", LEARNING_RATE, weight_decay=WEIGHT_DECAY, momentum=MOMENTUM, clip_norm=None)
        experiment = Experiment(
            name="step",
            workload="document_image",
            task=to_dict(self._task),
            batch_size=batch_size,
            optimizer=optimizer,
        )
        self._training = open_training(experiment, self._workload, self._task)
        return self._training.numerics

    def _open_plain(self) -> dict[str, Any]:
        import timm

        torch.manual_seed(0)
        num_classes = len(self._task.classes)
        self._model = timm.create_model(self._task.model, num_classes=num_classes, drop_rate=self._task.dropout)
        self._model.train()
        self._optimizer = torch.optim.SGD(
            self._model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        self._loss = torch.nn.CrossEntropyLoss(label_smoothing=self._task.label_smoothing)
        self._image = self._workload.to_inputs(self._task, self._batch, None)["image"].contiguous()
        return {"precision": "fp32", "channels_last": False}

    def _step(self) -> float:
        if self._kind == "ours":
            return self._training.step(self._batch, self._seeds)
        self._optimizer.zero_grad()
        loss = self._loss(self._model(self._image), self._batch["label"])
        loss.backward()
        self._optimizer.step()
        return float(loss)


if __name__ == "__main__":
    steps = Steps(sys.argv[1])
    serve({name: getattr(steps, name) for name in ("open", "time_steps", "time_inputs", "profile")})
