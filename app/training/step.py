"""One optimizer step whose loss and gradient are those of the whole global batch, on any number of workers.

The loss of a step is a function f of sums over all samples of the global batch (app.workloads.base). With S the sum
over workers and micro-batches, the gradient is f'(S) . dS, and dS is the sum of what each part contributes. So each
part back-propagates f'(S) . S_part: no worker needs another's activations, and no mean of ratios stands in for the
ratio of sums, which is what averaging the Dice of workers would be.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.experiment import Experiment
from app.training.context import WorkerContext, exchange_s
from app.training.numerics import Numerics
from app.workloads.base import Batch, Workload


class StepFunction:
    """Carries out training steps of one workload's network on one worker."""

    def __init__(
        self, experiment: Experiment, workload: Workload, task: Any, context: WorkerContext, numerics: Numerics
    ) -> None:
        self._experiment = experiment
        self._workload = workload
        self._task = task
        self._context = context
        self._numerics = numerics
        self._summing_s = 0.0

    def synchronised_s(self, model: torch.nn.Module, num_steps: int) -> float:
        """Seconds that so many steps on the wrapped model gave to the other workers, waiting for them included."""
        return self._summing_s + num_steps * exchange_s(model)

    def __call__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        seeds: npt.NDArray[np.uint64] | None,
        step: int,
    ) -> tuple[float, float]:
        """Update `model` (wrapped by the context) from this worker's share of the batch; the global loss and its
        gradient's norm before clipping. Where one of them is not finite the weights stay as they are."""
        seed_dropout(self._experiment.seed, step, self._context.rank)
        optimizer.zero_grad(set_to_none=True)
        parts = self._micro_batches(batch, seeds)
        if len(parts) == 1:
            sums = self._sums(model, parts[0])
            loss, slope = self._loss(self._summed(sums))
            (sums * slope).sum().backward()  # type: ignore[no-untyped-call]
        else:
            loss = self._accumulate(model, parts)
        norm = self._clip(model)
        found = self.read(torch.stack([loss, norm.to(loss)]))
        if all(map(math.isfinite, found)):
            optimizer.step()
        return found[0], found[1]

    def read(self, values: torch.Tensor) -> list[float]:
        """What a step waits for its device, once."""
        found: list[float] = values.tolist()
        return found

    def _clip(self, model: torch.nn.Module) -> torch.Tensor:
        limit = self._experiment.optimizer.clip_norm
        if limit is not None:
            return torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        return torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])

    def _accumulate(self, model: torch.nn.Module, parts: list[Batch]) -> torch.Tensor:
        """Micro-batch after micro-batch. Where f' depends on the sums, a pass without gradient finds them first."""
        if self._workload.loss_is_mean:
            num_samples = sum(len(next(iter(part.values()))) for part in parts)
            slope = torch.tensor([1 / num_samples, 0.0], device=self._context.device)  # the mean over workers follows
            return self._loss(self._summed(self._backward(model, parts, slope)))[0]
        network: torch.nn.Module = model.module if hasattr(model, "no_sync") else model  # type: ignore[assignment]
        with without_trace(network, self._context.device):  # the second pass drops out what the first did
            local = torch.stack([self._sums(network, part) for part in parts]).sum(0)
        loss, slope = self._loss(self._summed(local))
        self._backward(model, parts, slope)
        return loss

    def _backward(self, model: torch.nn.Module, parts: list[Batch], slope: torch.Tensor) -> torch.Tensor:
        """Accumulate the gradients of all parts and exchange them once; the parts' sums, detached."""
        total = torch.zeros_like(slope)
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            with nullcontext() if last or not hasattr(model, "no_sync") else model.no_sync():  # type: ignore[operator]
                sums = self._sums(model, part)
                (sums * slope).sum().backward()  # type: ignore[no-untyped-call]
            total += sums.detach()
        return total

    def _summed(self, sums: torch.Tensor) -> torch.Tensor:
        """Over all workers."""
        if self._context.world_size == 1:
            return self._context.sum(sums)
        began = time.perf_counter()
        total = self._context.sum(sums)
        self._summing_s += time.perf_counter() - began
        return total

    def _sums(self, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        with self._numerics.autocast(self._context.device):
            outputs = self._workload.forward(self._task, model, inputs)
        return self._workload.loss_sums(self._task, outputs, inputs)

    def _loss(self, global_sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss, and its slope by each sum times the workers, because the wrapped model averages gradients."""
        leaf = global_sums.detach().requires_grad_(True)
        loss = self._workload.loss_value(self._task, leaf)
        (slope,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), slope * self._context.world_size

    def _micro_batches(self, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> list[Batch]:
        inputs = self._numerics.place_batch(self._workload.to_inputs(self._task, batch, seeds))
        size = self._experiment.max_micro_batch_size
        share = len(next(iter(inputs.values())))
        if size is None or size >= share:
            return [inputs]
        return list(_slices(inputs, share, size))


def _slices(inputs: Batch, share: int, size: int) -> Iterator[Batch]:
    for start in range(0, share, size):
        yield {key: value[start : start + size] for key, value in inputs.items()}


@contextmanager
def without_trace(model: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Forward passes that leave neither gradients, nor random numbers drawn, nor statistics of batch normalization."""
    kept = [buffer.clone() for buffer in model.buffers()]
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
        yield
        for buffer, value in zip(model.buffers(), kept, strict=True):
            buffer.copy_(value)


def seed_dropout(seed: int, step: int, rank: int) -> None:
    """Makes what the network draws at random a function of the step, so that a resumed training draws the same."""
    torch.manual_seed((seed * 1_000_003 + step) * 4_099 + rank)
