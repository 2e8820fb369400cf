"""A worker on Ray as the training loop sees it: who reads its samples, and who hears of its figures."""

from collections.abc import Iterator

import torch
from ray.util.metrics import Gauge

from app.data import files
from app.data.feeding import HostBatch, StepReader, read_steps
from app.training.context import ProcessGroupContext
from app.training.order import Order

GAUGES = {
    "loss": "Mean training loss of the last epoch",
    "samples_per_s": "Steady samples a second over all workers of the trial",
    "waiting_share": "Share of the steady time that waited for data",
}
"""Figures of an epoch that Ray's dashboard and Prometheus see, as ray_twofold_NAME with the tag `trial`."""


class RayContext(ProcessGroupContext):
    """Alone in a Tune actor, or in the process group that Ray Train has set up."""

    launcher = "ray"

    def __init__(self, order: Order, device: torch.device | None = None) -> None:
        super().__init__(device)
        self._order = order

    def _read(self, reader: StepReader, start: int, end: int) -> Iterator[HostBatch]:
        if self._order.feeding == "worker" or start >= end:
            return read_steps(reader, start, end)
        from app.data.ray_feeding import ray_steps  # here: Ray Data takes a second to import

        return ray_steps(reader, start, end, self._order.experiment.name)

    def report(self, metrics: dict[str, float], evaluated: bool) -> None:
        if self.rank != 0:
            return
        for name, description in GAUGES.items():
            if name in metrics:
                gauge = Gauge(f"twofold_{name}", description, tag_keys=("trial",))
                gauge.set(metrics[name], {"trial": self._order.experiment.name})


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
            checkpoint = ray.train.Checkpoint(files.join(self._order.folder, "checkpoint"))
        ray.train.report(told, checkpoint, checkpoint_upload_mode=ray.train.CheckpointUploadMode.NO_UPLOAD)
