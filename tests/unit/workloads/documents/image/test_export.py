"""The exported page classifier computes what the network computes, and says how to feed it."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from app.configuration import to_dict
from app.errors import UsageError
from app.execution.models.model import load_model
from app.experiment import Experiment
from app.training.numerics import Numerics
from app.workloads.documents.image.export import form
from app.workloads.documents.image.networks import build_network
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.image.workload import DocumentImageWorkload, normalize
from app.workloads.documents.pages.files import PageFile, ReadPage, read_for_prediction
from app.workloads.documents.predict.prediction import classify
from app.workloads.documents.store.build_store import finish_store, plan_store
from app.workloads.documents.store.prepare import prepare_or_keep
from app.workloads.documents.store.prepared import DocumentStore
from app.workloads.exporting import export_model

OPTIONS = {"model": "test_efficientnet", "weights": "random", "image_size": 64, "classes": ["letter", "memo", "form"]}
WORKLOAD = DocumentImageWorkload()
TASK: DocumentImageTask = WORKLOAD.parse_task(OPTIONS)


def export(folder: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_network(TASK).eval()
    experiment = Experiment(name="e", workload="document_image", task=OPTIONS).to_dict()
    content = {"format": 1, "model": network.state_dict(), "experiment": experiment, "metrics": {"accuracy": 0.8}}
    weights = io.BytesIO()
    torch.save(content, weights)
    export_model(form(TASK), network, weights.getvalue(), {"best_validation": {"accuracy": 0.8}}, str(folder))
    return network


def test_other_programs_get_torchs_logits_by_what_model_json_says(tmp_path: Path) -> None:
    network = export(tmp_path)
    facts = json.loads((tmp_path / "model.json").read_text())
    assert facts["outputs"]["classes"] == ["letter", "memo", "form"] and facts["best_validation"] == {"accuracy": 0.8}
    preprocessing = facts["preprocessing"]
    grey = np.random.default_rng(0).integers(0, 256, (5, 1, 64, 64), dtype=np.uint8)
    mean, std = (np.array(preprocessing[key], np.float32)[None, :, None, None] for key in ("mean", "std"))
    image = (np.repeat(grey, 3, axis=1).astype(np.float32) / 255 - mean) / std
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": image})
    batch = {"image": torch.from_numpy(grey), "label": torch.zeros(5, dtype=torch.int64)}
    with torch.no_grad():
        expected = WORKLOAD.forward(TASK, network, WORKLOAD.to_inputs(TASK, batch, None)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


def test_predict_opens_the_folder_as_it_does_a_run(tmp_path: Path) -> None:
    network = export(tmp_path).state_dict()
    opened = load_model(str(tmp_path))
    assert opened.workload.name == "document_image" and opened.task.classes == TASK.classes
    torch.testing.assert_close(opened.network.state_dict(), network, rtol=0, atol=0)
    other = build_network(TASK).state_dict()
    assert not torch.equal(other["backbone.classifier.weight"], network["backbone.classifier.weight"])


STORED, SIZE = 96, 64


def draw(seed: int, width: int, height: int) -> Image.Image:
    """Paper with dark lines of random lengths."""
    random = np.random.default_rng(seed)
    page = np.full((height, width), 235, np.uint8)
    for row in range(20, height - 20, int(random.integers(11, 30))):
        page[row : row + int(random.integers(2, 6)), 20 : int(random.integers(60, width - 10))] = random.integers(0, 90)
    return Image.fromarray(page)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pages of three classes in files of all kinds and sizes, large JPEGs among them."""
    folder = tmp_path_factory.mktemp("pages")
    for number in range(18):
        kind = ("jpg", "tif", "png")[number % 3]
        page = draw(number, 260 + 97 * (number % 5), 400 + 113 * (number % 4))
        path = folder / "raw" / ("letter", "memo", "form")[number // 6] / f"{number:02d}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.convert("1").save(path, compression="group4") if kind == "tif" else page.save(path)
    plan = plan_store(str(folder / "raw"), str(folder / "store"), image_size=STORED)
    finish_store(str(folder / "store"), plan, [prepare_or_keep(task) for task in plan.tasks], 0.0)
    return str(folder / "store")


def lively(task: DocumentImageTask) -> torch.nn.Module:
    """Random weights whose probabilities depend on the page: statistics of pages, and a head of some size."""
    torch.manual_seed(0)
    network = build_network(task)
    pages = np.stack([np.asarray(draw(seed, 300, 400).resize((SIZE, SIZE))) for seed in range(8)])[:, None]
    for _ in range(50):
        network(normalize(task.model, torch.from_numpy(pages).float() / 255))
    torch.nn.init.normal_(network.backbone.classifier.weight, std=0.5)  # type: ignore[union-attr, arg-type]
    return network.eval()


def by_the_words_of(preprocessing: dict[str, Any], path: str, reduces: bool = True) -> np.ndarray:
    """A file as model.json says it, with Pillow and numpy; `reduces` left out is the filter alone."""
    stored, size = preprocessing["stored_size"], preprocessing["size"]
    image = Image.open(path)
    if path.endswith("jpg"):
        image.draft("L", (stored, stored))
    page = np.asarray(image.convert("L"))
    height, width = page.shape
    fx, fy = (max(1, int(edge / stored * 1.03)) if reduces else 1 for edge in (width, height))
    blocks = [[page[y : y + fy, x : x + fx].mean() for x in range(0, width, fx)] for y in range(0, height, fy)]
    reduced = Image.fromarray(np.floor(np.array(blocks) + 0.5).astype(np.uint8))
    box = (0, 0, width / fx, height / fy)
    kept = np.asarray(reduced.resize((stored, stored), Image.Resampling.BILINEAR, box=box)).astype(np.float32)
    seen = np.asarray(Image.fromarray(kept).resize((size, size), Image.Resampling.BILINEAR))
    mean, std = (np.array(preprocessing[key], np.float32)[:, None, None] for key in ("mean", "std"))
    return (seen[None] / 255 - mean) / std


def test_from_a_file_to_probabilities_all_ways_are_one(store: str, tmp_path: Path) -> None:
    """Evaluation of the stored page, prediction on its file, and the ONNX file fed by what model.json says."""
    task = WORKLOAD.resolve_task(WORKLOAD.parse_task({**OPTIONS, "image_size": SIZE, "classes": ()}), store)
    assert task.stored_size == STORED
    network, opened = lively(task), DocumentStore(store)
    experiment = Experiment(name="e", workload="document_image", task=to_dict(task)).to_dict()
    weights = io.BytesIO()
    torch.save({"format": 1, "model": network.state_dict(), "experiment": experiment, "metrics": {}}, weights)
    export_model(form(task), network, weights.getvalue(), {}, str(tmp_path))
    with torch.inference_mode():
        scores = WORKLOAD.evaluate_cases(task, network, store, opened.ids, torch.device("cpu"), thorough=True)
    stored = np.array([[score[f"p_{name}"] for name in task.classes] for score in scores])
    assert stored.max(1).min() < 0.95 and np.ptp(stored, axis=0).min() > 0.1, "pages differ, and are not certain"

    files = [str(Path(store).parent / "raw" / opened.page(row).source) for row in range(len(opened))]
    read = [read_for_prediction(PageFile(path, path), task.stored_size) for path in files]
    model = load_model(str(tmp_path))
    model = replace(model, numerics=Numerics("fp32", channels_last=False))
    with torch.inference_mode():
        predicted = classify(model, [page.pixels for page in read if isinstance(page, ReadPage)])
    np.testing.assert_allclose(predicted, stored, atol=1e-5)

    preprocessing = json.loads((tmp_path / "model.json").read_text())["preprocessing"]
    assert all(word in preprocessing["page"] for word in (f"{STORED} pixels", "1.03", "1/8", "Pillow's BILINEAR"))
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])

    def run(**how: bool) -> np.ndarray:
        (logits,) = session.run(None, {"image": np.stack([by_the_words_of(preprocessing, p, **how) for p in files])})
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(shares / shares.sum(1, keepdims=True))

    off = np.abs(run() - stored).max()
    assert off < 0.01
    assert np.abs(run(reduces=False) - stored).max() > 3 * off, "another way to shrink is seen in the probabilities"


def test_a_store_of_another_size_is_not_the_tasks(store: str) -> None:
    with pytest.raises(UsageError, match=r"pages stored at 384 pixels, the store .* keeps 96"):
        WORKLOAD.resolve_task(WORKLOAD.parse_task({**OPTIONS, "classes": (), "stored_size": 384}), store)
