"""What a training sees of the world it runs in: who it is, which device, the samples, and sums over the workers.

LocalContext needs nothing but torch. The contexts on Ray are in app.execution.
"""

import os
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
import torch.distributed as dist

from app.data.samples.feeding import HostBatch, Prefetcher, StepReader, read_steps


class WorkerContext(Protocol):
    rank: int
    world_size: int
    device: torch.device
    launcher: str
    """`local` or `ray`; goes into the record."""
    node: str
    """Ray's id of the node that it runs on; empty without Ray."""

    def batches(self, reader: StepReader, start: int, end: int) -> Prefetcher:
        """This worker's share of steps [start, end), read ahead from now on."""

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """The model whose backward pass averages gradients over the workers."""

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Element-wise sum over the workers, on every worker; carries no gradient."""

    def gather(self, value: Any) -> list[Any]:
        """Every worker's plain value, in the order of ranks, on every worker."""

    def broadcast(self, tensors: Iterable[torch.Tensor]) -> None:
        """Make them worker 0's on every worker, in place."""

    def report(self, metrics: dict[str, float], evaluated: bool) -> None:
        """Tell the launcher of a finished epoch, evaluated or not; every worker calls it equally often."""

    def end(self) -> None:
        """The training is over, or is given up here."""


class ProcessGroupContext:
    """A worker in a torch.distributed process group, or alone where there is none. Base of every context."""

    launcher = "local"
    node = ""

    def __init__(self, device: torch.device | None = None) -> None:
        grouped = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if grouped else 0
        self.world_size = dist.get_world_size() if grouped else 1
        self.device = device or default_device()

    def batches(self, reader: StepReader, start: int, end: int) -> Prefetcher:
        return Prefetcher(lambda: self._read(reader, start, end))

    def _read(self, reader: StepReader, start: int, end: int) -> Iterator[HostBatch]:
        return read_steps(reader, start, end)

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        if self.world_size == 1:
            return model
        from torch.nn.parallel import DistributedDataParallel

        # Of 1x1x1 kernels in channels_last, whose strides are any: a few numbers are copied, nothing is slow.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids, gradient_as_bucket_view=True)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        total = values.detach().clone()
        if self.world_size > 1:
            dist.all_reduce(total)
        return total

    def gather(self, value: Any) -> list[Any]:
        if self.world_size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world_size
        dist.all_gather_object(gathered, value)
        return gathered

    def broadcast(self, tensors: Iterable[torch.Tensor]) -> None:
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def report(self, metrics: dict[str, float], evaluated: bool) -> None:
        """Nobody to tell."""

    def end(self) -> None:
        """As for `report`."""


class LocalContext(ProcessGroupContext):
    """Without Ray: tests, profiling, a single GPU, or torchrun (whose process group it then joins)."""

    def __init__(self, device: torch.device | None = None) -> None:
        if "TORCHELASTIC_RUN_ID" in os.environ and not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        super().__init__(device)


def exchange_s(model: torch.nn.Module) -> float:
    """Seconds that each backward pass of a wrapped model spends on the exchange of gradients beyond what it computes
    meanwhile, as torch measured it in some of the steps (the first ten, then each hundredth); 0 for one worker."""
    logged = getattr(model, "_get_ddp_logging_data", None)
    if logged is None:
        return 0.0
    found: dict[str, float] = logged()
    beyond_ns = found.get("avg_backward_comm_time", 0) - found.get("avg_backward_compute_comm_overlap_time", 0)
    return max(0.0, beyond_ns / 1e9)


def default_device() -> torch.device:
    """The GPU of this worker where there is one, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def to_device(batch: HostBatch, device: torch.device) -> dict[str, torch.Tensor]:
    """Host arrays as tensors on the device. Copied: arrays of Ray's object store are read-only."""
    return {
        key: torch.as_tensor(value.copy() if not value.flags.writeable else value).to(device, non_blocking=True)
        for key, value in batch.items()
    }


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
