"""A worker on Ray as the training loop sees it: who reads its samples, and who hears of its figures."""

import os
from collections.abc import Iterator

import ray
import torch

from app.data import files
from app.data.samples.feeding import HostBatch, StepReader, read_steps
from app.execution.trials import gauges
from app.run_folder.run import CHECKPOINTS
from app.training.context import ProcessGroupContext
from app.training.order import Order

OF_AN_EPOCH = ("loss", "score", "samples_per_s", "waiting_share", "epoch", "eta_s")
"""The figures of an epoch that gauges show."""


class RayContext(ProcessGroupContext):
    """Alone in a Tune actor, or in the process group that Ray Train has set up."""

    launcher = "ray"

    def __init__(self, order: Order, device: torch.device | None = None) -> None:
        super().__init__(device)
        self._order = order
        self.node = ray.get_runtime_context().get_node_id()

    def _read(self, reader: StepReader, start: int, end: int) -> Iterator[HostBatch]:
        if self._order.feeding == "worker" or start >= end:
            return read_steps(reader, start, end)
        from app.data.samples.ray_feeding import ray_steps  # here: Ray Data takes a second to import

        return ray_steps(reader, start, end, f"{self._order.label}:rank{self.rank}")

    def report(self, metrics: dict[str, float], evaluated: bool) -> None:
        tags = gauges.trial_tags(self._order)
        gauges.show("device_memory_bytes", memory_bytes(self.device), {**tags, "rank": str(self.rank)})
        for name in OF_AN_EPOCH:
            if self.rank == 0 and name in metrics:
                gauges.show(name, metrics[name], tags)

    def end(self) -> None:
        gauges.forget_trial(self._order, self.rank)


class TrainContext(RayContext):
    """A worker of a TorchTrainer."""

    def __init__(self, order: Order, is_kept: bool) -> None:
        """`is_kept`: other orders follow."""
        import ray.train.torch

        super().__init__(order, ray.train.torch.get_device())
        self._is_kept = is_kept

    def report(self, metrics: dict[str, float], evaluated: bool) -> None:
        """Ray Train hears of every evaluation, with the checkpoint where it lies: nothing is copied. Of a group that is
        kept, it gets each trial's last checkpoint alone, for it writes down all that it got at each report anew."""
        super().report(metrics, evaluated)
        if not evaluated:
            return
        import ray.train

        told = {"trial": self._order.experiment.name, **metrics}
        with_checkpoint = not self._is_kept or metrics["epoch"] == self._order.experiment.epochs
        checkpoint = None
        if self.rank == 0 and with_checkpoint:
            checkpoint = ray.train.Checkpoint(files.join(self._order.folder, CHECKPOINTS))
        ray.train.report(told, checkpoint, checkpoint_upload_mode=ray.train.CheckpointUploadMode.NO_UPLOAD)


def memory_bytes(device: torch.device) -> int:
    """Most that torch held of a GPU; what this process holds where it trains on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
