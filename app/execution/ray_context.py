"""What the contexts on Ray share: who reads the samples."""

from collections.abc import Iterator

import torch

from app.data.feeding import HostBatch, StepReader, read_steps
from app.execution.cluster import Feeding
from app.training.context import ProcessGroupContext


class RayContext(ProcessGroupContext):
    """Sums and gradients go through the process group; samples come from the worker's own thread or from Ray Data."""

    launcher = "ray"

    def __init__(self, feeding: Feeding, device: torch.device | None = None) -> None:
        super().__init__(device)
        self._feeding = feeding

    def _read(self, reader: StepReader, start: int, end: int) -> Iterator[HostBatch]:
        if self._feeding == "worker" or start >= end:
            return read_steps(reader, start, end)
        from app.data.ray_feeding import ray_steps  # here: Ray Data takes a second to import

        return ray_steps(reader, start, end)
