"""A lane's worker as the training loop sees it: sums go through the lane's process group, figures to Ray's gauges."""

from collections.abc import Iterator

from ray.util.metrics import Gauge

from app.data.feeding import HostBatch, StepReader, read_steps
from app.execution.early_stopping import Comparison, StoppedEarly
from app.execution.lane_worker import Feeding
from app.training.context import ProcessGroupContext

GAUGES = {
    "loss": "Mean training loss of the last epoch",
    "samples_per_s": "Steady samples a second over all workers of the trial",
    "waiting_share": "Share of the steady time that waited for data",
}
"""Figures of an epoch that Ray's dashboard and Prometheus see, as ray_twofold_NAME with the tag `trial`."""


class LaneContext(ProcessGroupContext):
    launcher = "ray"

    def __init__(self, trial: str, feeding: Feeding, comparison: Comparison | None) -> None:
        super().__init__()
        self._trial, self._feeding, self._comparison = trial, feeding, comparison

    def _read(self, reader: StepReader, start: int, end: int) -> Iterator[HostBatch]:
        if self._feeding == "worker" or start >= end:
            return read_steps(reader, start, end)
        from app.data.ray_feeding import ray_steps  # here: Ray Data takes a second to import

        return ray_steps(reader, start, end)

    def report(self, metrics: dict[str, float]) -> None:
        """Raises StoppedEarly, on every worker alike, where the trial falls behind the others of its study."""
        if self.rank == 0:
            self._show(metrics)
        if self._comparison is not None:
            behind = self.rank == 0 and self._comparison.falls_behind(int(metrics["epoch"]))
            if any(self.gather(behind)):
                raise StoppedEarly

    def _show(self, metrics: dict[str, float]) -> None:
        for name, description in GAUGES.items():
            if name in metrics:
                Gauge(f"twofold_{name}", description, tag_keys=("trial",)).set(metrics[name], {"trial": self._trial})
