"""Complete studies of brain scans by name, those of DistMIS among them.

`small=True` shrinks one to a laptop: the same trials in kind, fewer and shorter.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from app.experiment import BatchRule, Experiment, OptimizerConfig, ScheduleConfig, Study
from app.scheduling import Scheduler
from app.search_space import Choice, Range, Search
from app.workloads.declaration import Recipe, named

BRATS = "brats"
DISTMIS_TASK: Mapping[str, Any] = {
    "outputs": "whole",
    "network": "unet3d",
    "filters": [8, 16, 32, 64],
    "loss": "dice",
    "sampling": "whole",
    "patch_size": [152, 240, 240],
    "samples_per_case": 1,
    "augment": None,
}
"""DistMIS's task: whole volumes, 152 of the 155 slices, nothing random. The network is UNet3d of
workloads/volumes/network/networks.py."""
DISTMIS_EPOCHS = 100
"""Assumed: the published code of DistMIS does not say."""
DISTMIS_RATES, DISTMIS_NORMS, DISTMIS_BETAS = (1e-4, 5e-4, 1e-3, 5e-3), ("batch", "group"), (0.99, 0.999)

SMALL_BRATS_TASK: Mapping[str, Any] = {
    "patch_size": [32, 32, 32],
    "filters": [8, 16, 32],
    "samples_per_case": 2,
    "foreground_share": 0.7,
}
BRATS_EPOCHS = 100
"""Assumed, as for DistMIS."""
RATES, DECAYS = Range(1e-4, 3e-2, log=True), Range(1e-6, 1e-1, log=True)
"""Assumed: a factor of ten and more to both sides of AdamW's usual 1e-3 to 3e-3 and 1e-4 to 1e-2."""


def brats_smoke(*, epochs: int = 8) -> Study:
    """Four short trials on small patches, two rates x two norms: a study to try things with."""
    trials = [
        Experiment(
            name=f"lr={rate:g}-norm={norm}",
            workload=BRATS,
            task={**SMALL_BRATS_TASK, "norm": norm},
            epochs=epochs,
            evaluate_every_epochs=epochs,
            batch_size=4,
            optimizer=OptimizerConfig(learning_rate=rate),
        )
        for rate, norm in product((1e-2, 2e-2), ("instance", "group"))
    ]
    return Study("brats-smoke", tuple(trials))


def distmis_grid(
    *, small: bool = False, epochs: int | None = None, batch_rule: BatchRule = "fixed-per-worker"
) -> Study:
    """The 32 trials of DistMIS: learning rate x norm x beta2 x amsgrad, Adam, two volumes a worker.

    By DistMIS's rule batch and rate grow with the workers of a trial; `fixed-global` trains on two volumes a
    step, however many workers there are, so that all strategies give the same result.
    """
    reduced = {"filters": [8, 16], "patch_size": [32, 32, 32]} if small else {}
    trials = [
        Experiment(
            name=f"lr={rate:g}-norm={norm}-beta2={beta2:g}-amsgrad={'on' if amsgrad else 'off'}",
            workload=BRATS,
            task={**DISTMIS_TASK, "norm": norm, **reduced},
            epochs=epochs or (1 if small else DISTMIS_EPOCHS),
            batch_size=2,
            batch_rule=batch_rule,
            optimizer=OptimizerConfig(name="adam", learning_rate=rate, beta2=beta2, amsgrad=amsgrad, clip_norm=None),
            schedule=ScheduleConfig(name="constant", warmup_share=0.0),
        )
        for rate, norm, beta2, amsgrad in product(DISTMIS_RATES, DISTMIS_NORMS, DISTMIS_BETAS, (True, False))
    ]
    return Study(named("distmis-grid", small), tuple(trials))


def distmis_published(*, small: bool = False, epochs: int | None = None) -> Study:
    """The grid as DistMIS trained it: two volumes a worker, rate x workers, and of each epoch the whole batches alone.

    Its split in the order of dataset.json is the store's: jobs/prepare.py brats --split in-order.
    """
    trials = distmis_grid(small=small, epochs=epochs, batch_rule="fixed-per-worker").experiments
    return Study(named("distmis-published", small), tuple(replace(t, drop_remainder=True) for t in trials))


def brats_tpe(*, small: bool = False, epochs: int | None = None, num_trials: int | None = None) -> Study:
    """Rate, weight decay and norm of the network, chosen for each trial from how those before did."""
    base = _brats(small, epochs)
    names = tuple(f"{number:03d}" for number in range(num_trials or (6 if small else 30)))
    parameters: dict[str, Choice] = {
        "optimizer.learning_rate": RATES,
        "optimizer.weight_decay": DECAYS,
        "task.norm": ("instance", "group", "batch"),
    }
    search = Search("optuna", parameters, names, {"n_startup_trials": 3 if small else 10})
    return Study(named("brats-tpe", small), tuple(replace(base, name=name) for name in names), search=search)


def brats_population(*, small: bool = False, epochs: int | None = None, num_members: int | None = None) -> Study:
    """Networks with rates and weight decays drawn from wide ranges, trained side by side: after each quarter of the
    epochs the worst go on from the best, with rates and decays near theirs."""
    base = _brats(small, epochs)
    chance = random.Random(0)
    members = [
        replace(
            base,
            name=f"member-{number:02d}",
            seed=number,
            optimizer=OptimizerConfig(learning_rate=RATES.draw(chance), weight_decay=DECAYS.draw(chance)),
        )
        for number in range(num_members or (4 if small else 16))
    ]
    mutations = {"optimizer.learning_rate": RATES, "optimizer.weight_decay": DECAYS}
    interval = base.evaluate_every_epochs
    options = {"perturbation_interval": interval, "hyperparam_mutations": mutations, "resample_probability": 0.0}
    return Study(named("brats-population", small), tuple(members), scheduler=Scheduler("pbt", options))


def _brats(small: bool, epochs: int | None) -> Experiment:
    """Three regions by the workload's own network; evaluated four times."""
    num_epochs = epochs or (8 if small else BRATS_EPOCHS)
    return Experiment(
        name="base",
        workload=BRATS,
        task=dict(SMALL_BRATS_TASK) if small else {},
        epochs=num_epochs,
        evaluate_every_epochs=max(1, num_epochs // 4),
        batch_size=4 if small else 2,
    )


RECIPES: dict[str, Recipe] = {
    "brats-smoke": brats_smoke,
    "distmis-grid": distmis_grid,
    "distmis-published": distmis_published,
    "brats-tpe": brats_tpe,
    "brats-population": brats_population,
    "distmis-grid-small": partial(distmis_grid, small=True),
    "distmis-published-small": partial(distmis_published, small=True),
    "brats-tpe-small": partial(brats_tpe, small=True),
    "brats-population-small": partial(brats_population, small=True),
}
"""By the name of the study that each returns."""
