"""A wrong input is told before any process of Ray's is started; Ray's start is what each right input comes to."""

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image
from small_scans import write_scans

from app.configuration import to_dict
from app.data.store.manifest import MANIFEST_NAME, read_manifest, write_manifest
from app.experiment import Experiment
from app.training.checkpoint import save_best
from app.workloads.brats.task import BratsTask
from app.workloads.documents.image.networks import build_network as build_image_network
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.ocr.texts import PageText, write_part
from app.workloads.volumes.network.networks import build_network

JOBS = Path(__file__).parents[3] / "jobs"

SMALL = ("--task.filters", "4", "8", "--task.patch-size", "8", "8", "8")
IMAGE = ("--task.weights", "random")


class RayStarted(BaseException):
    """No job catches it."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scans/ and pages/ as sources; store/ and docs/ made of them; runs of both; and what is wrong with others."""
    root = tmp_path_factory.mktemp("world")
    rng = write_scans(root / "scans", 8)
    for number in range(20):
        path = root / "pages" / ("Memo", "Note")[number % 2] / f"{50000000 + number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 48), np.uint8)).save(path)
    make_stores(root)
    task = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))
    save_best(
        str(root / "run/checkpoint"),
        build_network(task),
        Experiment(name="run", workload="brats", task=to_dict(task)).to_dict(),
        {"dice": 0.1, "epoch": 1},
    )
    classes = json.loads((root / "docs/store.json").read_text())["classes"]
    image = {"weights": "random", "partition": 0, "classes": classes, "model": "mobilenetv3_small_050"}
    save_best(
        str(root / "image/checkpoint"),
        build_image_network(DocumentImageTask(**{**image, "classes": tuple(classes)})),
        Experiment(name="image", workload="document_image", task=image).to_dict(),
        {"accuracy": 0.1, "epoch": 1},
    )
    shutil.copytree(root / "store", root / "damaged")
    (root / "damaged" / MANIFEST_NAME).write_bytes(b"PAR1 and no more")
    shutil.copytree(root / "store", root / "untold")  # of one split alone
    write_manifest(str(root / "untold"), [row for row in read_manifest(str(root / "store")) if row["split"] == "train"])
    shutil.copytree(root / "docs", root / "read")
    pages = [PageText(str(row["id"]), "some words", 90.0, "ok") for row in read_manifest(str(root / "docs"))]
    write_part(str(root / "read"), pages)
    (root / "empty").mkdir()
    (root / "file").write_text("no folder")
    (root / "broken/checkpoint").mkdir(parents=True)
    (root / "broken/checkpoint/best.pt").write_bytes(b"no weights")
    shutil.copytree(root / "run", root / "full")
    (root / "full/evaluation").write_text("no folder")
    return root


def make_stores(root: Path) -> None:
    from app.workloads.brats.store.plan import plan_store
    from app.workloads.documents.store import build_store as pages
    from app.workloads.documents.store.prepare import prepare_or_keep as prepare_pages
    from app.workloads.volumes.store.build_store import finish_store
    from app.workloads.volumes.store.prepare import prepare_or_keep as prepare_scan

    _, tasks = plan_store(str(root / "scans"), str(root / "store"), "in-order")
    finish_store(str(root / "store"), [prepare_scan(task) for task in tasks], 0.0)
    plan = pages.plan_store(str(root / "pages"), str(root / "docs"), 32, num_partitions=2, per_class=5)
    pages.finish_store(str(root / "docs"), plan, [prepare_pages(task) for task in plan.tasks], 0.0)


TRAIN = ("train", "brats", "--runs", "{}/new", *SMALL)
TRAIN_IMAGE = ("train", "document-image", "--runs", "{}/new-image", "--store", "{}/docs", *IMAGE)
TRAIN_TEXT = ("train", "document-text", "--runs", "{}/new-text", "--store", "{}/docs", "--task.partition", "0")
EVALUATE = ("evaluate", "brats", "--store", "{}/store")
ENSEMBLE = ("evaluate", "documents-ensemble", "--store", "{}/docs", "--image", "{}/image", "--text")
PREDICT = ("predict", "brats", "--input", "{}/scans", "--out")
CLASSIFY = ("predict", "documents", "--input", "{}/pages", "--out")
PREPARE = ("prepare", "brats", "--source")
PREPARE_PAGES = ("prepare", "documents", "--source", "{}/pages", "--per-class", "5", "--store")
OCR = ("ocr", "--store")


@pytest.fixture
def start(world: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a job as its command line does, `{}` being the world's folder."""

    def started(*args: object, **options: object) -> None:
        raise RayStarted

    def call(job: str, *flags: str) -> None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setattr(ray, "init", started)  # every way into Ray comes to it
        monkeypatch.syspath_prepend(str(JOBS))
        monkeypatch.setattr(sys, "argv", [f"jobs/{job}.py", *(flag.format(world) for flag in flags)])
        runpy.run_path(str(JOBS / f"{job}.py"), run_name="__main__")

    return call


@pytest.mark.parametrize(
    "flags",
    [
        (*TRAIN, "--store", "{}/store"),
        (*TRAIN_IMAGE, "--task.partition", "1"),
        (*TRAIN_TEXT, "--task.model", "{}/empty", "--store", "{}/read"),
        (*EVALUATE, "--run", "{}/run"),
        (*ENSEMBLE, "{}/image", "--out", "{}/new"),
        (*PREDICT, "{}/new", "--model", "{}/run"),
        (*CLASSIFY, "{}/new", "--image-model", "{}/image"),
        (*PREPARE, "{}/scans", "--store", "{}/new-store"),
        (*PREPARE_PAGES, "{}/new-pages"),
        (*OCR, "{}/docs", "--source", "{}/pages"),
    ],
)
def test_a_right_input_comes_to_ray(start: Callable[..., None], flags: tuple[str, ...]) -> None:
    with pytest.raises(RayStarted):
        start(*flags)


@pytest.mark.parametrize(
    ("flags", "exit_code", "told"),
    [
        ((*TRAIN, "--store", "{}/nowhere"), 3, "store {}/nowhere does not exist (no manifest.parquet)"),
        ((*TRAIN, "--store", "{}/empty"), 3, "store {}/empty was never finished"),
        ((*TRAIN, "--store", "{}/damaged"), 3, "{}/damaged/manifest.parquet is damaged"),
        ((*TRAIN, "--store", "{}/docs"), 3, "{}/docs/manifest.parquet"),
        ((*TRAIN, "--store", "{}/untold"), 3, "no labelled case in its 'validation' split, of 5 cases"),
        ((*TRAIN, "--store", "{}/store", "--runs", "{}/file"), 3, "{}/file is not a folder"),
        ((*TRAIN, "--store", "{}/store", "--workers", "3", "--batch-size", "4"), 2, "one of [1, 2, 4] workers"),
        ((*TRAIN, "--store", "{}/store", "--task.weights", "{}/no.pt"), 2, "{}/no.pt is neither a file nor"),
        ((*TRAIN_IMAGE, "--task.partition", "2"), 2, "has 2 partitions: got 2, expected 0 to 1"),
        ((*TRAIN_IMAGE, "--task.partition", "0", "--task.model", "efficientnet_bo"), 2, "mean 'efficientnet_b"),
        ((*TRAIN_IMAGE, "--store", "{}/store"), 3, "{}/store/manifest.parquet lacks"),
        ((*TRAIN_TEXT, "--task.model", "{}/nowhere"), 2, "the folder {}/nowhere does not exist"),
        ((*TRAIN_TEXT, "--task.model", "{}/empty"), 3, "has no OCR text for 20 of 20 pages"),
        ((*EVALUATE, "--run", "{}/nowhere"), 3, "the model {}/nowhere does not exist"),
        ((*EVALUATE, "--run", "{}/empty"), 3, "{}/empty holds no model"),
        ((*EVALUATE, "--run", "{}/broken"), 3, "best.pt: not a readable checkpoint"),
        ((*EVALUATE, "--run", "{}/image"), 2, "of the workload 'document_image', expected one of 'brats'"),
        ((*EVALUATE, "--run", "{}/run", "--store", "{}/nowhere"), 3, "store {}/nowhere does not exist"),
        ((*EVALUATE, "--run", "{}/run", "--store", "{}/untold", "--split", "validation"), 3, "no labelled case"),
        ((*EVALUATE, "--run", "{}/full"), 3, "{}/full/evaluation is not a folder"),
        ((*ENSEMBLE, "{}/nowhere", "--out", "{}/new"), 3, "the model {}/nowhere does not exist"),
        ((*ENSEMBLE, "{}/image", "--out", "{}/file/new"), 3, "{}/file is not a folder"),
        ((*PREDICT, "{}/new", "--model", "{}/nowhere"), 3, "the model {}/nowhere does not exist"),
        ((*PREDICT, "{}/new", "--model", "{}/image"), 2, "of the workload 'document_image', expected one of 'brats'"),
        ((*PREDICT, "{}/file", "--model", "{}/run"), 3, "{}/file is not a folder"),
        ((*PREDICT, "{}/new", "--model", "{}/run", "--input", "{}/nowhere"), 3, "{}/nowhere"),
        ((*CLASSIFY, "{}/new", "--image-model", "{}/run"), 2, "of the workload 'brats', expected one of"),
        ((*CLASSIFY, "{}/file", "--image-model", "{}/image"), 3, "{}/file is not a folder"),
        ((*PREPARE, "{}/nowhere", "--store", "{}/new-store"), 3, "the source {}/nowhere does not exist"),
        ((*PREPARE, "{}/pages", "--store", "{}/new-store"), 3, "has an unrecognized layout"),
        ((*PREPARE, "{}/scans", "--store", "{}/file"), 3, "{}/file is not a folder"),
        ((*PREPARE, "{}/scans", "--store", "{}/docs"), 2, "the store {}/docs was made with"),
        ((*PREPARE_PAGES, "{}/file"), 3, "{}/file is not a folder"),
        ((*PREPARE_PAGES, "{}/new-pages", "--compare-with", "{}/nowhere"), 3, "store {}/nowhere does not exist"),
        ((*OCR, "{}/nowhere", "--source", "{}/pages"), 3, "store {}/nowhere does not exist"),
        ((*OCR, "{}/docs", "--source", "{}/nowhere"), 3, "the source {}/nowhere is not a folder that exists"),
        ((*OCR, "{}/docs", "--source", "{}/pages", "--language", "zzz"), 4, "no language pack zzz"),
    ],
)
def test_a_wrong_input_is_told_before_ray_is_started(
    world: Path,
    start: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    exit_code: int,
    told: str,
) -> None:
    before = set(world.iterdir())
    with pytest.raises(SystemExit) as ended:
        start(*flags)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == exit_code
    assert line.startswith("error: ") and told.format(world) in line
    assert set(world.iterdir()) == before, "nothing is made"


def test_a_training_is_checked_without_torch() -> None:
    """A study's driver asks, which never needs it."""
    code = (
        "import sys; from app.execution.trials.checks import check_order; from app.experiment import Experiment\n"
        "for name in ('brats', 'document_image', 'document_text'):\n"
        "    try: check_order(Experiment(name='a', workload=name), '/nowhere', '/tmp/a', 1)\n"
        "    except Exception as error: print(type(error).__name__, 'torch' in sys.modules, 'ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=JOBS.parent)
    assert done.stdout.splitlines() == ["DataError False False"] * 3
