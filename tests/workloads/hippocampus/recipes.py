"""Complete studies of the hippocampus."""

from dataclasses import replace

from app.experiment import Experiment, OptimizerConfig, Study
from app.workloads.declaration import Recipe


def hippocampus_rates(*, epochs: int = 50) -> Study:
    """Three learning rates."""
    base = Experiment(name="base", workload="hippocampus", epochs=epochs)
    rates = (1e-3, 3e-3, 1e-2)
    trials = [replace(base, name=f"lr={rate:g}", optimizer=OptimizerConfig(learning_rate=rate)) for rate in rates]
    return Study("hippocampus-rates", tuple(trials))


RECIPES: dict[str, Recipe] = {"hippocampus-rates": hippocampus_rates}
