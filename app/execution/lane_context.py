"""A lane's worker as the training loop sees it: sums go through the lane's process group, figures to Ray's gauges."""

from ray.util.metrics import Gauge

from app.execution.cluster import Feeding
from app.execution.early_stopping import Comparison, StoppedEarly
from app.execution.ray_context import RayContext

GAUGES = {
    "loss": "Mean training loss of the last epoch",
    "samples_per_s": "Steady samples a second over all workers of the trial",
    "waiting_share": "Share of the steady time that waited for data",
}
"""Figures of an epoch that Ray's dashboard and Prometheus see, as ray_twofold_NAME with the tag `trial`."""


class LaneContext(RayContext):
    def __init__(self, trial: str, feeding: Feeding, comparison: Comparison | None) -> None:
        super().__init__(feeding)
        self._trial, self._comparison = trial, comparison

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
