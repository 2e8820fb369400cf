"""Successive halving as Tune does it (ASHA, Li et al. 2020)."""

import random
from typing import Any

import numpy as np
from ray.tune.schedulers import AsyncHyperBandScheduler


class Halving(AsyncHyperBandScheduler):
    """Tune's, with one thing mended: with several brackets the one of a trial is drawn from the process's generator,
    so a study that goes on would compare its trials in others than before. Here it follows from the study's seed and
    the trial's name."""

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self._own_seed = seed

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        before = np.random.get_state()  # noqa: NPY002
        name = trial.config.get("name", trial.trial_id)
        np.random.seed(random.Random(f"{self._own_seed} {name}").getrandbits(32))  # noqa: NPY002
        try:
            super().on_trial_add(tune_controller, trial)
        finally:
            np.random.set_state(before)  # noqa: NPY002
