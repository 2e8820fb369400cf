"""What memory a training step takes, found without taking it: the step is carried out on tensors that have no data.

Counted is what tensors hold at most at one time: weights, gradients, the optimizer's state, samples and activations.
"""

import weakref
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from app.experiment import Experiment
from app.training.context import LocalContext
from app.training.numerics import Numerics
from app.training.step import StepFunction, make_optimizer
from app.workloads.base import Workload


class Counter(TorchDispatchMode):
    """Counts the bytes of all storages that come to be under it, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = self.peak_bytes = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, torch.Tensor):
                self.add(leaf)
        return found

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.num_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.num_bytes)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.num_bytes -= size


class BlindStep(StepFunction):
    """A step on tensors that have no data: nothing to read, all counts as finite."""

    counter: Counter
    peak_bytes = 0
    """Until the optimizer's turn."""

    def read(self, values: torch.Tensor) -> list[float]:
        self.peak_bytes = self.counter.peak_bytes
        return [0.0] * len(values)


def step_bytes(experiment: Experiment, workload: Workload, task: Any, share: int, numerics: Numerics) -> int:
    """Peak bytes of tensors over the training steps of one worker, whose share of the batch is `share` samples.

    The optimizer's state comes to be at the end of the first step, and is there in all others.
    """
    context = LocalContext(torch.device("cpu"))
    example = workload.example_batch(task, 1)
    kinds = {key: (torch.as_tensor(value).dtype, value.shape[1:]) for key, value in example.items()}
    with FakeTensorMode(), Counter() as counter:
        model = workload.build_model(task, with_weights=False)
        optimizer = make_optimizer(experiment, model, 1)
        batch = {key: torch.empty((share, *shape), dtype=kind) for key, (kind, shape) in kinds.items()}
        step = BlindStep(experiment, workload, task, context, numerics)
        step.counter = counter
        step(model, optimizer, batch, None, 0)
        state = {value for values in optimizer.state.values() for value in values.values()}
        state_bytes = sum(value.untyped_storage().nbytes() for value in state if isinstance(value, torch.Tensor))
    return step.peak_bytes + state_bytes
