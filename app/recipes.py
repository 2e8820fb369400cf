"""Complete studies by name. `small=True` shrinks one to a laptop: the same trials in kind, fewer and shorter.

Those of the documents read stores by name: `rvl-cdip` and `tobacco` (with its partitions), made by jobs/prepare.py.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from app.experiment import BatchRule, Experiment, OptimizerConfig, ScheduleConfig, Study
from app.scheduling import Scheduler
from app.search_space import Choice, Range, Search

BRATS, IMAGE, TEXT = "brats", "document_image", "document_text"
RVL_CDIP, TOBACCO = "rvl-cdip", "tobacco"
"""Names of stores."""

EFFICIENTNETS = tuple(f"efficientnet_b{size}" for size in range(5))
SMALL_IMAGE_TASK: Mapping[str, Any] = {"model": "test_efficientnet", "weights": "random", "image_size": 64}
"""timm's smallest EfficientNet, without a download."""

IMAGE_OPTIMIZER = OptimizerConfig(
    name="sgd", learning_rate=0.2, reference_batch_size=256, weight_decay=4e-5, clip_norm=None
)
"""Of RVL-CDIP in the seed study: 0.2 x batch / 256."""
TRANSFER_OPTIMIZER = replace(IMAGE_OPTIMIZER, learning_rate=0.8)
"""Of Tobacco3482 in the seed study."""
IMAGE_SCHEDULE = ScheduleConfig(name="slanted-triangular", warmup_share=0.1)
IMAGE_EPOCHS, IMAGE_BATCH = 20, 16
TRANSFER_EPOCHS, TRANSFER_BATCH = 5, 8
TEXT_OPTIMIZER = OptimizerConfig(name="adamw", learning_rate=3e-5, weight_decay=0.01, clip_norm=1.0)
TEXT_SCHEDULE = ScheduleConfig(name="poly", warmup_share=0.1, power=1.0)
TEXT_EPOCHS, TEXT_BATCH = 5, 6
"""The batch is the seed study's; the epochs are assumed: it does not say."""
NUM_PARTITIONS = 10

BATCH_SIZES = tuple(2**power for power in range(4, 12))
"""16 to 2048."""

SEED_TASK: Mapping[str, Any] = {
    "outputs": "whole",
    "network": "unet3d",
    "filters": [8, 16, 32, 64],
    "loss": "dice",
    "sampling": "whole",
    "patch_size": [152, 240, 240],
    "samples_per_case": 1,
    "augment": None,
}
"""Of the seed study: whole volumes, 152 of the 155 slices, nothing random."""
SEED_EPOCHS = 100
"""Assumed: what we have of the seed study does not say."""
SEED_RATES, SEED_NORMS, SEED_BETAS = (1e-4, 5e-4, 1e-3, 5e-3), ("batch", "group"), (0.99, 0.999)

SMALL_BRATS_TASK: Mapping[str, Any] = {
    "patch_size": [32, 32, 32],
    "filters": [8, 16, 32],
    "samples_per_case": 2,
    "foreground_share": 0.7,
}
BRATS_EPOCHS = 100
"""Assumed, as for the seed study."""
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


def brats_seed_grid(
    *, small: bool = False, epochs: int | None = None, batch_rule: BatchRule = "fixed-per-worker"
) -> Study:
    """The 32 trials of the seed study: learning rate x norm x beta2 x amsgrad, Adam, two volumes a worker.

    By the seed study's rule batch and rate grow with the workers of a trial; `fixed-global` trains on two volumes a
    step, however many workers there are, so that all strategies give the same result.
    """
    reduced = {"filters": [8, 16], "patch_size": [32, 32, 32]} if small else {}
    trials = [
        Experiment(
            name=f"lr={rate:g}-norm={norm}-beta2={beta2:g}-amsgrad={'on' if amsgrad else 'off'}",
            workload=BRATS,
            task={**SEED_TASK, "norm": norm, **reduced},
            epochs=epochs or (1 if small else SEED_EPOCHS),
            batch_size=2,
            batch_rule=batch_rule,
            optimizer=OptimizerConfig(name="adam", learning_rate=rate, beta2=beta2, amsgrad=amsgrad, clip_norm=None),
            schedule=ScheduleConfig(name="constant", warmup_share=0.0),
        )
        for rate, norm, beta2, amsgrad in product(SEED_RATES, SEED_NORMS, SEED_BETAS, (True, False))
    ]
    return Study(_named("brats-seed-grid", small), tuple(trials))


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
    return Study(_named("brats-tpe", small), tuple(replace(base, name=name) for name in names), search=search)


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
    return Study(_named("brats-population", small), tuple(members), scheduler=Scheduler("pbt", options))


def documents_image(
    *, small: bool = False, epochs: int | None = None, models: Sequence[str] = EFFICIENTNETS, weights: str | None = None
) -> Study:
    """EfficientNets of growing size on RVL-CDIP; `weights` for all of them, by default each network's own."""
    tasks: list[Mapping[str, Any]] = [SMALL_IMAGE_TASK] if small else [{"model": model} for model in models]
    trials = [
        replace(_rvl_cdip(small, epochs, task if weights is None else {**task, "weights": weights}), name=task["model"])
        for task in tasks
    ]
    return Study(_named("documents-image", small), tuple(trials))


def documents_transfer(
    *,
    small: bool = False,
    epochs: int | None = None,
    transfer_epochs: int = TRANSFER_EPOCHS,
    num_partitions: int | None = None,
    model: str = EFFICIENTNETS[0],
    weights: str = "pretrained",
) -> Study:
    """RVL-CDIP first; then each partition of Tobacco3482 from its network, with a new head, and without it.

    `weights` are the first ones of RVL-CDIP's training and of those without transfer.
    """
    task = dict(SMALL_IMAGE_TASK) if small else {"model": model, "weights": weights}
    origin = _rvl_cdip(small, epochs, task)
    transferred = {key: value for key, value in task.items() if key != "weights"}
    trials = [origin]
    for partition in range(num_partitions or (2 if small else NUM_PARTITIONS)):
        without = _tobacco_image(f"tobacco-{partition}-without-transfer", partition, transfer_epochs, task)
        after = replace(
            without,
            name=f"tobacco-{partition}-with-transfer",
            task={**transferred, "partition": partition},
            starts_from=origin.name,
        )
        trials += [after, without]
    return Study(_named("documents-transfer", small), tuple(trials))


def documents_partitions(
    *,
    small: bool = False,
    epochs: int | None = None,
    num_partitions: int | None = None,
    image_model: str = EFFICIENTNETS[0],
    image_weights: str = "pretrained",
    text_model: str = "bert-base-uncased",
) -> Study:
    """Image and text on each partition of Tobacco3482, for their ensemble (jobs/evaluate.py documents-ensemble).

    `text_model` is a hub id or a folder; `small` reads 128 tokens with two layers of it.
    """
    image_task = dict(SMALL_IMAGE_TASK) if small else {"model": image_model, "weights": image_weights}
    text_task = {"model": text_model, **({"max_length": 128, "num_layers": 2} if small else {})}
    trials = []
    for partition in range(num_partitions or (2 if small else NUM_PARTITIONS)):
        image = _tobacco_image(f"image-{partition}", partition, epochs or TRANSFER_EPOCHS, image_task)
        text = Experiment(
            name=f"text-{partition}",
            workload=TEXT,
            task={**text_task, "partition": partition},
            store=TOBACCO,
            epochs=epochs or TEXT_EPOCHS,
            batch_size=TEXT_BATCH,
            optimizer=TEXT_OPTIMIZER,
            schedule=TEXT_SCHEDULE,
        )
        trials += [image, text]
    return Study(_named("documents-partitions", small), tuple(trials))


def documents_batch_sizes(
    *,
    small: bool = False,
    epochs: int | None = None,
    batch_sizes: Sequence[int] | None = None,
    max_micro_batch_size: int = IMAGE_BATCH,
    model: str = EFFICIENTNETS[0],
    weights: str = "pretrained",
) -> Study:
    """One training at global batches from 16 to 2048: rates grow with the batch from the same reference, and rise to
    their peak over the first tenth; more samples a worker than `max_micro_batch_size` are accumulated."""
    task = dict(SMALL_IMAGE_TASK) if small else {"model": model, "weights": weights}
    base = _rvl_cdip(small, epochs, task)
    trials = [
        replace(base, name=f"batch={size}", batch_size=size, max_micro_batch_size=min(size, max_micro_batch_size))
        for size in batch_sizes or (BATCH_SIZES[:3] if small else BATCH_SIZES)
    ]
    return Study(_named("documents-batch-sizes", small), tuple(trials))


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


def _rvl_cdip(small: bool, epochs: int | None, task: Mapping[str, Any]) -> Experiment:
    """The seed study's training of the image network."""
    return Experiment(
        name=RVL_CDIP,
        workload=IMAGE,
        task=dict(task),
        store=RVL_CDIP,
        epochs=epochs or (2 if small else IMAGE_EPOCHS),
        batch_size=IMAGE_BATCH,
        optimizer=IMAGE_OPTIMIZER,
        schedule=IMAGE_SCHEDULE,
    )


def _tobacco_image(name: str, partition: int, epochs: int, task: Mapping[str, Any]) -> Experiment:
    return Experiment(
        name=name,
        workload=IMAGE,
        task={**task, "partition": partition},
        store=TOBACCO,
        epochs=epochs,
        batch_size=TRANSFER_BATCH,
        optimizer=TRANSFER_OPTIMIZER,
        schedule=IMAGE_SCHEDULE,
    )


def _named(name: str, small: bool) -> str:
    return f"{name}-small" if small else name


RECIPES: dict[str, Callable[..., Study]] = {
    "brats-smoke": brats_smoke,
    "brats-seed-grid": brats_seed_grid,
    "brats-tpe": brats_tpe,
    "brats-population": brats_population,
    "documents-image": documents_image,
    "documents-transfer": documents_transfer,
    "documents-partitions": documents_partitions,
    "documents-batch-sizes": documents_batch_sizes,
    "brats-seed-grid-small": partial(brats_seed_grid, small=True),
    "brats-tpe-small": partial(brats_tpe, small=True),
    "brats-population-small": partial(brats_population, small=True),
    "documents-image-small": partial(documents_image, small=True),
    "documents-transfer-small": partial(documents_transfer, small=True),
    "documents-partitions-small": partial(documents_partitions, small=True),
    "documents-batch-sizes-small": partial(documents_batch_sizes, small=True),
}
"""By the name of the study that each returns."""
