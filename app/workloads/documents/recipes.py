"""Complete studies of documents by name, this project's own and those of Ferrando 2020 as published.

They read stores by name: `rvl-cdip` and `tobacco` (with its partitions), made by jobs/prepare.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from app.errors import UsageError
from app.experiment import Experiment, OptimizerConfig, ScheduleConfig, Study
from app.workloads.declaration import Recipe, named

IMAGE, TEXT = "document_image", "document_text"
RVL_CDIP, TOBACCO = "rvl-cdip", "tobacco"
"""Names of stores."""

EFFICIENTNETS = tuple(f"efficientnet_b{size}" for size in range(5))
OTHER_NETWORKS = ("vgg16", "resnet50", "resnet152", "inception_resnet_v2", "densenet121", "convnext_tiny.fb_in1k")
"""By timm's names. ConvNeXt-T with weights of ImageNet's thousand classes, as all others have: by its plain name timm
gives those of a larger set."""
SMALL_NETWORKS = ("test_efficientnet", "test_resnet", "test_convnext")
"""timm's smallest of three families."""
SMALL_IMAGE_TASK: Mapping[str, Any] = {"model": "test_efficientnet", "weights": "random", "image_size": 64}
"""timm's smallest EfficientNet, without a download."""

IMAGE_OPTIMIZER = OptimizerConfig(
    name="sgd", learning_rate=0.2, reference_batch_size=256, weight_decay=4e-5, clip_norm=None
)
"""RVL-CDIP's: the rate of Ferrando 2020, 0.2 x batch / 256, momentum and decay; Nesterov momentum and undecayed vectors
are ours."""
LARGE_BATCH_OPTIMIZERS: Mapping[str, OptimizerConfig] = {
    "sgd": IMAGE_OPTIMIZER,
    "lars": replace(IMAGE_OPTIMIZER, name="lars", learning_rate=0.6),
    "lamb": replace(IMAGE_OPTIMIZER, name="lamb", learning_rate=0.0035, weight_decay=0.01),
}
"""LARS: MLPerf's ResNet-50 has 10 at a batch of 4,096, which is 0.6 at 256. LAMB: You et al. 2020 have 0.005 at 512 and
grow it with the root of the batch; ours grows in proportion from what that gives at 256, its decay theirs."""
TRANSFER_RATE = 0.8
"""The rate on Tobacco3482 in Ferrando 2020, in place of 0.2."""
ROTATION_ALONE: Mapping[str, Any] = {
    "rotation_degrees": 5.0,
    "scale": 0.0,
    "shift": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "noise_std": 0.0,
}
PUBLISHED_TASK: Mapping[str, Any] = {"label_smoothing": 0.0, "augment": ROTATION_ALONE}
"""The task of Ferrando 2020 where it differs from this project's own (docs/document-recipes.md says what each does)."""
IMAGE_SCHEDULE = ScheduleConfig(name="slanted-triangular", warmup_share=0.1)
IMAGE_EPOCHS, IMAGE_BATCH = 20, 16
TRANSFER_EPOCHS, TRANSFER_BATCH = 5, 8
TEXT_OPTIMIZER = OptimizerConfig(name="adamw", learning_rate=3e-5, weight_decay=0.01, clip_norm=1.0)
TEXT_SCHEDULE = ScheduleConfig(name="poly", warmup_share=0.1, power=1.0)
TEXT_EPOCHS, TEXT_BATCH = 5, 6
"""The batch is that of Ferrando 2020; the epochs are assumed: it does not say."""
NUM_PARTITIONS = 10

BATCH_SIZES = tuple(2**power for power in range(4, 12))
"""16 to 2048."""


def documents_image(
    *,
    small: bool = False,
    published: bool = False,
    epochs: int | None = None,
    models: Sequence[str] = EFFICIENTNETS,
    weights: str | None = None,
    image_size: int | None = None,
) -> Study:
    """EfficientNets of growing size on RVL-CDIP; `weights` and `image_size` for all of them, by default each network's
    own weights and the task's size.

    `published` trains as Ferrando 2020 does, here and in the recipes below.
    """
    tasks: list[Mapping[str, Any]] = [SMALL_IMAGE_TASK] if small else [{"model": model} for model in models]
    chosen = _given(weights=weights, image_size=image_size)
    trials = [replace(_rvl_cdip(small, epochs, {**task, **chosen}), name=task["model"]) for task in tasks]
    return _study("documents-image", small, published, trials)


def documents_networks(
    *,
    small: bool = False,
    published: bool = False,
    epochs: int | None = None,
    models: Sequence[str] | None = None,
    weights: str | None = None,
    image_size: int | None = None,
) -> Study:
    """EfficientNets beside other networks on RVL-CDIP, all trained alike; `image_size` for all, by default the task's
    own."""
    if small:
        tasks = [{**SMALL_IMAGE_TASK, "model": model} for model in models or SMALL_NETWORKS]
    else:
        tasks = [{"model": model} for model in models or (*EFFICIENTNETS, *OTHER_NETWORKS)]
    chosen = _given(weights=weights, image_size=image_size)
    trials = [replace(_rvl_cdip(small, epochs, {**task, **chosen}), name=task["model"]) for task in tasks]
    return _study("documents-networks", small, published, trials)


def documents_transfer(
    *,
    small: bool = False,
    published: bool = False,
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
    return _study("documents-transfer", small, published, trials)


def documents_partitions(
    *,
    small: bool = False,
    published: bool = False,
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
    return _study("documents-partitions", small, published, trials)


def documents_batch_sizes(
    *,
    small: bool = False,
    epochs: int | None = None,
    batch_sizes: Sequence[int] | None = None,
    max_micro_batch_size: int = IMAGE_BATCH,
    model: str = EFFICIENTNETS[0],
    weights: str = "pretrained",
    optimizer: str = "sgd",
    learning_rate: float | None = None,
    warmup_share: float = 0.1,
    schedule: str = "slanted-triangular",
) -> Study:
    """One training at global batches from 16 to 2048: rates grow with the batch from the same reference, and rise to
    their peak over the first tenth; more samples a worker than `max_micro_batch_size` are accumulated.

    What may mend the cost of large batches: `optimizer` lars or lamb (at LARGE_BATCH_OPTIMIZERS' rates for 256 samples
    unless `learning_rate` says another), a longer `warmup_share`, another `schedule`, more `epochs`.
    """
    task = dict(SMALL_IMAGE_TASK) if small else {"model": model, "weights": weights}
    options = LARGE_BATCH_OPTIMIZERS.get(optimizer)
    if options is None:
        raise UsageError(f"optimizer: got {optimizer!r}, expected one of {', '.join(LARGE_BATCH_OPTIMIZERS)}")
    base = replace(
        _rvl_cdip(small, epochs, task),
        optimizer=options if learning_rate is None else replace(options, learning_rate=learning_rate),
        schedule=replace(IMAGE_SCHEDULE, name=cast(Any, schedule), warmup_share=warmup_share),
    )
    trials = [
        replace(base, name=f"batch={size}", batch_size=size, max_micro_batch_size=min(size, max_micro_batch_size))
        for size in batch_sizes or (BATCH_SIZES[:3] if small else BATCH_SIZES)
    ]
    return _study("documents-batch-sizes", small, False, trials)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _rvl_cdip(small: bool, epochs: int | None, task: Mapping[str, Any]) -> Experiment:
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
        optimizer=replace(IMAGE_OPTIMIZER, learning_rate=TRANSFER_RATE),
        schedule=IMAGE_SCHEDULE,
    )


def _study(name: str, small: bool, published: bool, trials: Sequence[Experiment]) -> Study:
    chosen = [_published(t) if published and t.workload == IMAGE else t for t in trials]
    return Study(named(name.replace("documents-", "ferrando2020-") if published else name, small), tuple(chosen))


def _published(trial: Experiment) -> Experiment:
    """An image training as in Ferrando 2020: plain momentum, every parameter decayed, pages turned and no more, hard
    labels, and its batch on each GPU."""
    return replace(
        trial,
        task={**trial.task, **PUBLISHED_TASK},
        batch_rule="fixed-per-worker",
        optimizer=replace(trial.optimizer, nesterov=False, decay_vectors=True),
    )


RECIPES: dict[str, Recipe] = {
    "documents-image": documents_image,
    "documents-networks": documents_networks,
    "documents-transfer": documents_transfer,
    "documents-partitions": documents_partitions,
    "documents-batch-sizes": documents_batch_sizes,
    "ferrando2020-image": partial(documents_image, published=True),
    "ferrando2020-transfer": partial(documents_transfer, published=True),
    "ferrando2020-partitions": partial(documents_partitions, published=True),
    "documents-image-small": partial(documents_image, small=True),
    "documents-networks-small": partial(documents_networks, small=True),
    "documents-transfer-small": partial(documents_transfer, small=True),
    "documents-partitions-small": partial(documents_partitions, small=True),
    "documents-batch-sizes-small": partial(documents_batch_sizes, small=True),
}
"""By the name of the study that each returns."""
