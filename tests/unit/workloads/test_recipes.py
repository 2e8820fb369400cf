"""Recipes are whole studies: their tasks are understood, and their values are those of the two studies."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.data.samples.feeding import Samples, rows_of_epoch
from app.errors import UsageError
from app.experiment import Study
from app.planning.plan import plan_of_strategy
from app.workloads.brats import recipes as brats
from app.workloads.documents import recipes as documents
from app.workloads.registry import find_workload

RECIPES = {**brats.RECIPES, **documents.RECIPES}
GPUS = (1, 2, 4, 8, 12, 16, 32)


class Cases(Samples):
    """Samples of which only the number matters."""

    def __init__(self, num_cases: int) -> None:
        self._num_cases = num_cases

    def __len__(self) -> int:
        return self._num_cases

    def load(self, rows: Any, seeds: Any) -> Any:
        raise AssertionError("nothing is read")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_study_of_its_name_that_its_workloads_understand(name: str) -> None:
    study = RECIPES[name]()
    assert study.name == name
    assert Study.from_dict(study.to_dict()) == study
    for experiment in study.experiments:
        find_workload(experiment.workload).parse_task(experiment.task)
        assert experiment.store == (None if experiment.workload == "brats" else experiment.store or "missing")
    assert plan_of_strategy(study, "experiment-parallel", 4).num_workers == 4


def test_the_seeds_grid_has_its_32_trials() -> None:
    trials = brats.distmis_grid().experiments
    assert len(trials) == 32 and [trials[0].name, trials[-1].name] == [
        "lr=0.0001-norm=batch-beta2=0.99-amsgrad=on",
        "lr=0.005-norm=group-beta2=0.999-amsgrad=off",
    ]
    for values in (
        Counter(trial.optimizer.learning_rate for trial in trials) == dict.fromkeys([1e-4, 5e-4, 1e-3, 5e-3], 8),
        Counter(trial.task["norm"] for trial in trials) == {"batch": 16, "group": 16},
        Counter(trial.optimizer.beta2 for trial in trials) == {0.99: 16, 0.999: 16},
        Counter(trial.optimizer.amsgrad for trial in trials) == {True: 16, False: 16},
    ):
        assert values
    first = trials[0]
    assert first.optimizer.name == "adam" and first.optimizer.clip_norm is None and first.schedule.name == "constant"
    assert [first.global_batch_size(k) for k in (1, 4)] == [2, 8], "two volumes a worker"
    assert [first.learning_rate(k) for k in (1, 4)] == pytest.approx([1e-4, 4e-4])
    fixed = brats.distmis_grid(batch_rule="fixed-global").experiments[0]
    assert fixed.global_batch_size(2) == 2 and fixed.learning_rate(2) == 1e-4


def test_the_seeds_task_is_whole_volumes_and_one_output() -> None:
    task = find_workload("brats").parse_task(brats.distmis_grid().experiments[0].task)
    assert (task.regions, task.network, task.filters) == (("WT",), "unet3d", (8, 16, 32, 64))
    assert (task.sampling, task.patch_size, task.samples_per_case) == ("whole", (152, 240, 240), 1)
    assert task.augment is None and task.loss == "dice"


def test_distmis_as_published_grows_the_batch_with_the_workers_and_drops_remainders() -> None:
    study = brats.distmis_published()
    assert study.name == "distmis-published" and len(study.experiments) == 32
    for trial, plain in zip(study.experiments, brats.distmis_grid().experiments, strict=True):
        assert trial.drop_remainder and not plain.drop_remainder
        assert trial.task == plain.task and trial.optimizer == plain.optimizer
        assert (trial.global_batch_size(4), trial.learning_rate(4)) == (8, 4 * plain.optimizer.learning_rate)
    assert {t.batch_rule for t in brats.distmis_published(small=True).experiments} == {"fixed-per-worker"}


def test_distmis_as_published_has_as_many_steps_an_epoch_as_its_loader_gave() -> None:
    """338 training cases, two a GPU: 169, 84, 42, 21, 14, 10 and 5 steps at 1 to 32 GPUs."""
    trial = brats.distmis_published().experiments[0]
    steps = [rows_of_epoch(Cases(338), b, trial.drop_remainder) // b for b in map(trial.global_batch_size, GPUS)]
    assert steps == [169, 84, 42, 21, 14, 10, 5]


def test_tpe_chooses_rate_decay_and_norm() -> None:
    study = brats.brats_tpe()
    assert study.search is not None and len(study.search.trials) == len(study.experiments) == 30
    chosen = study.variants()["029"]
    assert [v.optimizer.learning_rate for v in chosen[:2]] == [1e-4, 3e-2]
    assert [v.task.get("norm") for v in chosen[4:]] == ["instance", "group", "batch"]
    for variant in chosen:
        find_workload("brats").parse_task(variant.task)
    small = brats.brats_tpe(small=True)
    assert small.search is not None and small.search.algorithm == "optuna"
    assert (len(small.experiments), small.search.options) == (6, {"n_startup_trials": 3})
    assert small.experiments[0].task["patch_size"] == [32, 32, 32]


def test_a_population_differs_in_seeds_rates_and_decays() -> None:
    study = brats.brats_population()
    assert study.scheduler is not None and len(study.experiments) == 16
    population = study.scheduler.population()
    assert population is not None and population.resample_probability == 0
    assert (study.experiments[0].epochs, population.perturbation_interval) == (100, 25)
    assert len({(e.seed, e.optimizer.learning_rate, e.optimizer.weight_decay) for e in study.experiments}) == 16
    small = brats.brats_population(small=True)
    assert small.scheduler is not None and len(small.experiments) == 4
    assert small.scheduler.options["perturbation_interval"] == 2
    assert small.experiments[0].task["patch_size"] == [32, 32, 32]


def test_transfer_starts_from_rvl_cdip_with_a_new_head_and_is_compared_with_none() -> None:
    study = documents.documents_transfer(weights="file.pth")
    first, second = study.generations()
    assert first == ["rvl-cdip", *(f"tobacco-{n}-without-transfer" for n in range(10))]
    assert second == [f"tobacco-{n}-with-transfer" for n in range(10)]
    found = {experiment.name: experiment for experiment in study.experiments}
    origin, after, without = found["rvl-cdip"], found["tobacco-3-with-transfer"], found["tobacco-3-without-transfer"]
    assert (origin.store, origin.epochs, origin.batch_size, origin.starts_from) == ("rvl-cdip", 20, 16, None)
    assert origin.learning_rate(1) == pytest.approx(0.2 * 16 / 256)
    for trial in (after, without):
        assert (trial.store, trial.epochs, trial.batch_size, trial.task["partition"]) == ("tobacco", 5, 8, 3)
        assert trial.learning_rate(1) == pytest.approx(0.8 * 8 / 256)
        assert trial.schedule.name == "slanted-triangular" and trial.optimizer.name == "sgd"
    assert (after.starts_from, without.starts_from) == ("rvl-cdip", None)
    assert without.task["weights"] == origin.task["weights"] == "file.pth"
    assert "weights" not in after.task, "the runner fills them in"


ROTATION_ALONE = {"scale": 0.0, "shift": 0.0, "brightness": 0.0, "contrast": 0.0, "noise_std": 0.0}


@pytest.mark.parametrize("name", ["ferrando2020-image", "ferrando2020-transfer", "ferrando2020-partitions"])
def test_recipes_named_after_the_study_train_images_as_it_published(name: str) -> None:
    """SGD with momentum 0.9, decay 4e-5 of all parameters, rotation of 5 degrees alone, hard labels, 384 pixels, a
    triangle with cut 0.1 and ratio 32; 16 images a GPU at 0.2 x batch / 256, in transfer 8 at 0.8 x batch / 256."""
    trials = [t for t in RECIPES[name]().experiments if t.workload == "document_image"]
    assert trials
    for trial in trials:
        task, optimizer = find_workload(trial.workload).parse_task(trial.task), trial.optimizer
        assert (optimizer.name, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.9, 4e-5)
        assert not optimizer.nesterov and optimizer.decay_vectors and optimizer.clip_norm is None
        assert (trial.schedule.name, trial.schedule.warmup_share, trial.schedule.ratio) == (
            "slanted-triangular",
            0.1,
            32,
        )
        assert vars(task.augment) == {"rotation_degrees": 5.0, **ROTATION_ALONE}
        assert (task.label_smoothing, task.mixup, task.image_size, trial.ema_decay) == (0.0, 0.0, 384, None)
        rate, batch, epochs = (0.2, 16, 20) if trial.store == "rvl-cdip" else (0.8, 8, 5)
        assert (trial.epochs, trial.global_batch_size(1), trial.global_batch_size(4)) == (epochs, batch, 4 * batch)
        assert trial.learning_rate(4) == pytest.approx(rate * 4 * batch / 256)


def test_recipes_of_ours_name_what_differs_from_the_study() -> None:
    """What docs/document-recipes.md lists, and no more."""
    ours, theirs = (RECIPES[name]().experiments[0].to_dict() for name in ("documents-image", "ferrando2020-image"))
    assert {key for key in ours if ours[key] != theirs[key]} == {"task", "batch_rule", "optimizer"}
    differing = {key for key in ours["optimizer"] if ours["optimizer"][key] != theirs["optimizer"][key]}
    assert differing == {"nesterov", "decay_vectors"} and set(theirs["task"]) - set(ours["task"]) == {
        "label_smoothing",
        "augment",
    }
    told = (Path(__file__).parents[3] / "docs" / "document-recipes.md").read_text()
    for option in (*differing, "batch_rule", "label_smoothing", *ROTATION_ALONE):
        assert f"`{option}`" in told, option


def test_partitions_pair_image_and_text() -> None:
    trials = documents.documents_partitions(num_partitions=3, text_model="my-bert", epochs=2).experiments
    assert [(t.workload, t.task["partition"], t.epochs) for t in trials] == [
        (workload, partition, 2) for partition in range(3) for workload in ("document_image", "document_text")
    ]
    text = trials[1]
    assert text.task["model"] == "my-bert" and text.optimizer.learning_rate == 3e-5
    assert (text.optimizer.name, text.optimizer.weight_decay, text.batch_size) == ("adamw", 0.01, 6)


def test_batch_sizes_scale_the_rate_and_bound_the_memory() -> None:
    trials = documents.documents_batch_sizes(max_micro_batch_size=32).experiments
    assert [t.batch_size for t in trials] == [16, 32, 64, 128, 256, 512, 1024, 2048]
    assert [t.learning_rate(1) for t in trials] == pytest.approx([0.0125 * 2**n for n in range(8)])
    assert [t.max_micro_batch_size for t in trials] == [16] + [32] * 7
    assert {t.schedule.warmup_share for t in trials} == {0.1}


def test_what_may_mend_the_cost_of_large_batches_is_an_option() -> None:
    """LARS at MLPerf's 10 for 4,096 samples, so 5 at 2,048 (4.8, as
    0.6 is rounded); LAMB at its paper's 0.005 for 512 is 0.007 here, where
    rates grow in proportion."""
    lars = documents.documents_batch_sizes(optimizer="lars", warmup_share=0.25, epochs=30).experiments[-1]
    assert (lars.optimizer.name, lars.learning_rate(1), lars.epochs) == ("lars", pytest.approx(4.8), 30)
    assert (lars.schedule.name, lars.schedule.warmup_share) == ("slanted-triangular", 0.25)
    lamb = documents.documents_batch_sizes(optimizer="lamb", schedule="cosine").experiments[5]
    assert (lamb.batch_size, lamb.learning_rate(1), lamb.optimizer.weight_decay) == (512, pytest.approx(0.007), 0.01)
    assert lamb.schedule.name == "cosine"
    assert documents.documents_batch_sizes(learning_rate=0.1).experiments[4].learning_rate(1) == 0.1
    with pytest.raises(UsageError, match="optimizer: got 'adan', expected one of sgd, lars, lamb"):
        documents.documents_batch_sizes(optimizer="adan")


def test_models_of_the_image_study_can_be_chosen() -> None:
    study = documents.documents_image(models=("resnet18", "convnext_tiny"), weights="random", epochs=3)
    assert [(t.name, t.task, t.epochs) for t in study.experiments] == [
        (model, {"model": model, "weights": "random"}, 3) for model in ("resnet18", "convnext_tiny")
    ]
    assert [t.name for t in documents.documents_image().experiments] == [f"efficientnet_b{n}" for n in range(5)]


def test_networks_are_compared_under_one_protocol() -> None:
    """EfficientNets B0 to B4 beside six other networks: 16 pages a step, 20 epochs, 0.2 x 16 / 256."""
    trials = documents.documents_networks().experiments
    assert [t.name for t in trials] == [
        *("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4"),
        *("vgg16", "resnet50", "resnet152", "inception_resnet_v2", "densenet121", "convnext_tiny.fb_in1k"),
    ]
    assert [t.task for t in trials] == [{"model": t.name} for t in trials]
    alike = {str({**t.to_dict(), "name": "", "task": {}}) for t in trials}
    assert len(alike) == 1, "they differ in the network alone"
    assert (trials[5].epochs, trials[5].global_batch_size(2), trials[5].store) == (20, 16, "rvl-cdip")
    assert trials[5].learning_rate(1) == pytest.approx(0.0125)
    published = documents.documents_networks(published=True)
    assert published.name == "ferrando2020-networks"
    assert {t.global_batch_size(4) for t in published.experiments} == {64}, "16 pages a worker"
    chosen = documents.documents_networks(models=("resnet18",), weights="random").experiments
    assert [t.task for t in chosen] == [{"model": "resnet18", "weights": "random"}]


@pytest.mark.parametrize("small", [False, True])
def test_timm_has_every_network_with_weights_of_the_thousand_classes(small: bool) -> None:
    """By its registry, without building one; all weights of the large ones were trained on ImageNet-1k alone."""
    timm = pytest.importorskip("timm")
    from timm.models import get_pretrained_cfg

    for trial in documents.documents_networks(small=small).experiments:
        assert timm.is_model(trial.task["model"].split(".")[0]), trial.name
        found = get_pretrained_cfg(trial.task["model"])
        assert found is not None and found.tag and found.num_classes == 1000
        assert "12k" not in found.tag and "22k" not in found.tag and "ssld" not in found.tag, found.tag


def test_small_networks_need_no_download() -> None:
    trials = documents.documents_networks(small=True).experiments
    assert [t.task for t in trials] == [
        {"model": model, "weights": "random", "image_size": 64}
        for model in ("test_efficientnet", "test_resnet", "test_convnext")
    ]


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("-small")])
def test_small_ones_are_of_the_same_kind_and_shorter(name: str) -> None:
    small, whole = RECIPES[name](), RECIPES[name.removesuffix("-small")]()
    assert {e.workload for e in small.experiments} == {e.workload for e in whole.experiments}
    assert len(small.generations()) == len(whole.generations())
    assert sum(e.epochs for e in small.experiments) < sum(e.epochs for e in whole.experiments)
