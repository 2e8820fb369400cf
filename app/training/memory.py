"""What memory a training step takes, found without taking it: the step is carried out on tensors that have no data.

Counted is what tensors hold at most at one time: weights, gradients, the optimizer's state, samples and activations.
"""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from app.errors import ResourceError
from app.experiment import Experiment
from app.machine import memory_bytes
from app.training.context import LocalContext, WorkerContext
from app.training.numerics import Numerics, candidates
from app.training.optimizers import make_optimizer
from app.training.order import Order
from app.training.step import StepFunction
from app.workloads.base import Workload


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all storages that come to be under it, until they are let go."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
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
    from torch._subclasses.fake_tensor import FakeTensorMode

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


BYTES_PER_NUMBER = 5_000
"""What a network may keep of each number of its samples. Assumed: the most that was counted is 3,600 (ResNet-152), of
tokens more; those are left out. Below it nothing is counted, which takes 1 to 2 s."""
MEASURED = (1.5, 2.6)
"""What a process took on a CPU for what was counted, where that was 0.9 to 5.8 GB (benchmarks memory)."""


def check_fits(order: Order, workload: Workload, context: WorkerContext) -> None:
    """Refuse a training whose tensors alone are more than its device holds.

    Raises:
        ResourceError: they are; says how much of what, and what takes less.
    """
    experiment = order.experiment
    share = order.batch_size // order.num_workers
    task = workload.parse_task(experiment.task)
    num_bytes = device_bytes(context.device, order.workers_on_node)
    num_numbers = share * sum(value[0].size for value in workload.example_batch(task, 1).values())
    if num_numbers * BYTES_PER_NUMBER < num_bytes:
        return
    demanding = candidates(experiment, context.device)[0]  # fp32 where it may be chosen: it is tried then
    try:
        wanted = step_bytes(experiment, workload, task, share, demanding)
    except Exception:  # a network that looks at values, say: unknown, and found out by training
        return
    if wanted > num_bytes:
        raise ResourceError(_refusal(experiment, share, demanding, wanted, num_bytes))


def _refusal(experiment: Experiment, share: int, numerics: Numerics, wanted: int, there: int) -> str:
    low, high = (factor * wanted / 1e9 for factor in MEASURED)
    passes = min(share, experiment.max_micro_batch_size or share)
    return (
        f"out of memory before it began: a step of {share} sample(s) a worker, {passes} at a time, in "
        f"{numerics.precision} holds {wanted / 1e9:.1f} GB of tensors ({low:.0f} to {high:.0f} GB with all else), "
        f"expected at most the {there / 1e9:.1f} GB of its device. Set a smaller max_micro_batch_size, precision bf16 "
        "where the device has it, task.recompute for a unet3d, or a smaller patch"
    )


def device_bytes(device: torch.device, workers_on_node: int) -> int:
    """Memory of this worker's device: of a GPU all, of a machine's its share."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return memory_bytes() // workers_on_node
