"""The image workload on a real store of small pages, through the real training loop."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from app.errors import DataError, UsageError
from app.execution.models.evaluate import evaluate_run
from app.execution.trials.trial import run_trial
from app.experiment import Experiment, OptimizerConfig, ScheduleConfig
from app.training.context import LocalContext
from app.training.loop import TrainingResult, train
from app.training.order import Order
from app.workloads.documents.image.networks import build_network, mean_and_std
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.image.workload import DocumentImageWorkload, normalize, resize
from app.workloads.documents.store.build_store import finish_store, plan_store
from app.workloads.documents.store.prepare import prepare_or_keep

CPU = torch.device("cpu")
SIZE = 32
WORKLOAD = DocumentImageWorkload()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """40 pages of two classes: `top` has its ink above, `bottom` below."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    for number in range(40):
        name = ("bottom", "top")[number % 2]
        page = rng.integers(180, 255, (60, 48), dtype=np.uint8)
        row = int(rng.integers(4, 20)) + (0 if name == "top" else 28)
        page[row : row + 8, 6:42] = rng.integers(0, 60)
        path = folder / "raw" / name / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(page).save(path)
    prepare(str(folder / "raw"), str(folder / "store"))
    return str(folder / "store")


def prepare(source: str, root: str) -> None:
    plan = plan_store(source, root, image_size=SIZE)
    finish_store(root, plan, [prepare_or_keep(task) for task in plan.tasks], 0.0)


def task(store: str, **options: object) -> DocumentImageTask:
    values = {"model": "test_efficientnet", "weights": "random", "image_size": SIZE, "augment": None, **options}
    return WORKLOAD.resolve_task(WORKLOAD.parse_task(values), store)


def train_on(store: str, folder: Path, **options: object) -> TrainingResult:
    experiment = Experiment(
        name="pages",
        workload="document_image",
        task=vars(task(store, dropout=0.0, label_smoothing=0.0, **options)) | {"augment": None},
        epochs=12,
        batch_size=7,
        evaluate_every_epochs=4,
        precision="fp32",
        channels_last="no",
        optimizer=OptimizerConfig(learning_rate=3e-3),
        schedule=ScheduleConfig(warmup_share=0.1),
    )
    job = Order(experiment, store, str(folder), time.time())
    return train(job, WORKLOAD, LocalContext(CPU))


def test_it_learns_where_the_ink_is_and_starts_from_what_it_learned(store: str, tmp_path: Path) -> None:
    first = train_on(store, tmp_path / "first")
    assert first.best["accuracy"] >= 0.8 and first.origin == {}
    second = train_on(store, tmp_path / "second", weights=str(tmp_path / "first"))
    assert second.origin["source"].endswith("checkpoint/best.pt") and second.origin["new"] == []


def test_a_training_says_what_its_first_weights_leave_random(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the head, as the weights are of three classes."""
    other = build_network(DocumentImageTask(model="test_efficientnet", weights="random", classes=("a", "b", "c")))
    weights = tmp_path / "three.pt"
    torch.save(other.state_dict(), weights)
    options = {"model": "test_efficientnet", "weights": str(weights), "image_size": SIZE, "augment": None}
    experiment = Experiment(name="pages", workload="document_image", task=options, epochs=1, batch_size=16)
    run_trial(Order(experiment, store, str(tmp_path / "run"), time.time(), launcher="local"))
    num = len(other.state_dict())
    told = f"pages: {num - 2} of {num} tensors are from {weights}; random: classifier.bias, classifier.weight\n"
    assert told in capsys.readouterr().out


def test_labels_follow_their_pages(store: str) -> None:
    """In any order and batch: where the ink is says what the label has to be."""
    samples = WORKLOAD.open_samples(task(store), store)
    rows = np.random.default_rng(1).permutation(len(samples))
    batch = samples.load(rows, np.zeros(len(rows), np.uint64))
    halves = batch["image"][:, 0].astype(float).reshape(len(rows), 2, -1).mean(2)
    expected = (halves[:, 0] < halves[:, 1]).astype(int)  # darker above: `top`, class 1
    assert batch["label"].tolist() == expected.tolist() and 0 < expected.sum() < len(rows)


def test_pages_that_the_store_excludes_are_neither_trained_on_nor_judged(store: str, tmp_path: Path) -> None:
    other = str(shutil.copytree(store, tmp_path / "store"))
    trained, judged = (WORKLOAD.validation_ids(task(store), store, split) for split in ("train", "validation"))
    left_out = [trained[3], judged[1]]
    pq.write_table(pa.table({"id": left_out, "reason": ["leaked", "leaked"]}), f"{other}/excluded.parquet")
    assert WORKLOAD.validation_ids(task(other), other, "validation") == [judged[0], *judged[2:]]
    assert len(WORKLOAD.open_samples(task(other), other)) == len(trained) - 1
    everything = task(other, with_excluded=True)
    assert WORKLOAD.validation_ids(everything, other, "validation") == judged
    assert len(WORKLOAD.open_samples(everything, other)) == len(trained)


def test_other_pictures_are_other_contents(store: str, tmp_path: Path) -> None:
    """By which an evaluation knows that it is of before."""
    raw, root = tmp_path / "raw", str(tmp_path / "store")
    shutil.copytree(Path(store).parent / "raw", raw)
    prepare(str(raw), root)
    ids = WORKLOAD.validation_ids(task(root), root, "validation")
    assert WORKLOAD.contents(task(root), root, ids) == WORKLOAD.contents(task(store), store, ids)
    changed = next(raw.rglob(f"{ids[0].rpartition('/')[2]}.png"))
    Image.fromarray(255 - np.asarray(Image.open(changed))).save(changed)
    prepare(str(raw), root)
    assert WORKLOAD.contents(task(root), root, ids) != WORKLOAD.contents(task(store), store, ids)
    assert WORKLOAD.contents(task(root), root, ids[1:]) == WORKLOAD.contents(task(store), store, ids[1:])


def test_the_size_of_pages_comes_from_the_store(store: str) -> None:
    assert task(store, image_size=48).stored_size == SIZE


def test_the_classes_come_from_the_store(store: str) -> None:
    assert task(store).classes == ("bottom", "top")
    with pytest.raises(UsageError, match="partition"):
        task(store, partition=3)
    with pytest.raises(DataError, match="prepare"):
        task(store + "-nowhere")


def test_a_store_of_other_classes_is_not_scored(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its labels would be taken for those of the classes that the network knows."""
    other = replace(task(store), classes=("top", "bottom"))
    model = SimpleNamespace(workload=WORKLOAD, task=other)
    monkeypatch.setattr("app.execution.models.evaluate.load_model", lambda *_, **__: model)
    with pytest.raises(UsageError, match=r"the task has the classes top, bottom; the store .* has bottom, top"):
        evaluate_run("run", store, "test", launcher="local")


def test_scores_of_a_page_do_not_depend_on_its_neighbours(store: str) -> None:
    resolved = task(store)
    model = WORKLOAD.build_model(resolved).eval()
    ids = WORKLOAD.validation_ids(resolved, store, "validation")
    with torch.inference_mode():
        together = WORKLOAD.evaluate_cases(resolved, model, store, ids, CPU, thorough=True)
        alone = [WORKLOAD.evaluate_cases(resolved, model, store, [i], CPU, thorough=True)[0] for i in ids]
    for a, b in zip(together, alone, strict=True):
        assert a.keys() == b.keys() and a["p_top"] == pytest.approx(b["p_top"], abs=1e-5)
        assert a["p_top"] is not None and a["p_bottom"] is not None
        assert a["p_top"] + a["p_bottom"] == pytest.approx(1, abs=1e-5)


def test_each_page_is_scored_against_its_own_label(store: str) -> None:
    """A network that says of every page that it is of `top` with a chance of 0.7."""
    resolved = task(store)
    model = WORKLOAD.build_model(resolved).eval()
    ids = WORKLOAD.validation_ids(resolved, store, "train")
    ids = [ids[i] for i in np.random.default_rng(0).permutation(len(ids))]
    with torch.inference_mode():
        head = model.backbone.classifier
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.3, 0.7]).log())
        scores = WORKLOAD.evaluate_cases(resolved, model, store, ids, CPU, thorough=False)
    are_top = [page.startswith("top/") for page in ids]
    assert 0 < sum(are_top) < len(ids)
    assert [score["accuracy"] for score in scores] == [float(is_top) for is_top in are_top]
    expected = [-np.log(0.7 if is_top else 0.3) for is_top in are_top]
    assert [score["cross_entropy"] for score in scores] == pytest.approx(expected, abs=1e-6)


def seen(store: str, seeds: np.ndarray | None, **options: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Of 16 pages, grey all over, half of them white and of `top`, the others black: grey values of one pixel each as
    the network sees them, and their targets."""
    resolved = task(store, model="resnet18", **options)
    labels = torch.arange(16) % 2
    image = (255 * labels).to(torch.uint8)[:, None, None, None].expand(16, 1, SIZE, SIZE)
    inputs = WORKLOAD.to_inputs(resolved, {"image": image, "label": labels}, seeds)
    return inputs["image"][:, 0, 16, 16] * 0.229 + 0.485, inputs["target"]  # red's deviation and mean in ImageNet


def test_pages_are_changed_in_training_alone_and_as_the_task_says(store: str) -> None:
    seeds, labels = np.arange(16, dtype=np.uint64), torch.arange(16) % 2
    still = {"rotation_degrees": 0, "scale": 0, "shift": 0, "contrast": 0, "noise_std": 0}
    for chosen, augment in ((seeds, None), (None, {**still, "brightness": 0.3})):
        grey, target = seen(store, chosen, augment=augment)
        torch.testing.assert_close(grey, labels.float(), atol=1e-5, rtol=0)
        assert torch.equal(target, torch.eye(2)[labels])
    grey, target = seen(store, seeds, augment={**still, "brightness": 0.3})
    darker = (labels.float() - grey).abs()
    assert 0.15 < darker.max() <= 0.3 and torch.equal(target, torch.eye(2)[labels])


def test_with_mixup_a_page_is_as_much_of_its_neighbour_as_its_target_says(store: str) -> None:
    grey, target = seen(store, np.arange(16, dtype=np.uint64), mixup=0.4)
    torch.testing.assert_close(grey, target[:, 1], atol=1e-5, rtol=0)
    assert ((target > 0.05) & (target < 0.95)).any() and torch.equal(target.argmax(1), torch.arange(16) % 2)


def test_grey_becomes_three_channels_as_imagenet_has_them() -> None:
    image = normalize("efficientnet_b0", torch.full((1, 1, 2, 2), 0.5))
    expected = (0.5 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(image[0, :, 0, 0], expected)


def test_pages_of_another_size_are_resized() -> None:
    halves = torch.cat([torch.zeros(1, 1, 8, 4), torch.ones(1, 1, 8, 4)], 3)
    small = resize(halves, 2)
    # Triangle over pixels 0 to 5: weights 5 7 7 5 3 1 (of 28), the last two of them on the white half.
    torch.testing.assert_close(small[0, 0], torch.tensor([[4 / 28, 24 / 28]] * 2))
    assert resize(halves, 8) is halves


def test_loss_is_the_mean_cross_entropy_with_smoothed_labels(store: str) -> None:
    resolved = task(store, label_smoothing=0.1)
    logits, label = torch.tensor([[2.0, 0.0], [0.5, 1.5]]), torch.tensor([0, 1])
    target = torch.nn.functional.one_hot(label, 2).float()
    sums = WORKLOAD.loss_sums(resolved, logits, {"target": target})
    expected = torch.nn.functional.cross_entropy(logits, label, label_smoothing=0.1)
    torch.testing.assert_close(WORKLOAD.loss_value(resolved, sums), expected)


def test_synchronised_statistics_want_a_gpu(store: str) -> None:
    resolved = task(store, norm="sync")
    model = WORKLOAD.build_model(resolved).train()
    with pytest.raises(UsageError, match="GPUs only"):
        WORKLOAD.forward(resolved, model, {"image": torch.zeros(2, 3, SIZE, SIZE)})


def test_asking_for_mean_and_std_draws_no_random_number() -> None:
    """The first step of a process that goes on with a training asks; its dropout must be that of any other."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    mean_and_std(DocumentImageTask(model="test_efficientnet"))
    assert torch.equal(before, torch.get_rng_state())
