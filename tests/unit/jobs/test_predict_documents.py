"""The predict job on documents, from files to its table: PDFs, two models, an export, pages that OCR cannot read."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.csv
import pytest
import torch
from PIL import Image
from quarantine_files import read_quarantine

from app.command_line import run
from app.configuration import to_dict
from app.experiment import Experiment
from app.training.checkpoint import save_best
from app.workloads.documents.commands import predict as documents
from app.workloads.documents.commands.flags import PredictDocuments
from app.workloads.documents.image.networks import PageNetwork, build_network
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.ocr.engines import OcrOptions, OcrTimeout
from app.workloads.documents.predict.prediction import classify_numbered
from app.workloads.documents.text.tiny_bert import SmallBert, make_small_bert
from app.workloads.registry import find_workload

CLASSES = ("form", "memo")
GREYS = {"letter-p1": 250, "letter-p2": 7, "note": 120}
"""Every pixel of each page."""
BF16 = 0.03
"""Of probabilities, where the processor has it (measured: 0.022)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PDF of two pages and an image in `in`; runs `image` and `text`."""
    root = tmp_path_factory.mktemp("predict")
    (root / "in").mkdir()
    first, second, note = (Image.new("L", (200, 260), grey) for grey in GREYS.values())
    first.save(root / "in/letter.pdf", save_all=True, append_images=[second], resolution=50)
    note.save(root / "in/note.png")
    torch.manual_seed(0)
    image = {"model": "test_efficientnet", "weights": "random", "image_size": 32, "stored_size": 64}
    save(root / "image", lively(build_network(DocumentImageTask(**image, classes=CLASSES))), "document_image", image)  # type: ignore[arg-type]
    make_small_bert(["dear sir", "the total amount"], str(root / "bert"), SmallBert(100, 32, 1, 2, 32))
    read = OcrOptions(language="deu", psm=6).asked
    text = {"model": str(root / "bert"), "num_layers": 1, "max_length": 16, "ocr": read}
    workload = find_workload("document_text")
    save(root / "text", workload.build_model(workload.parse_task({**text, "classes": CLASSES})), "document_text", text)
    return root


def lively(network: PageNetwork) -> PageNetwork:
    """Whose answers depend on the page."""
    for _ in range(20):
        network(torch.rand(8, 1, 1, 1) * torch.ones(8, 3, 32, 32) * 4 - 2)
    torch.nn.init.normal_(network.backbone.classifier.weight, std=0.5)  # type: ignore[union-attr, arg-type]
    return network


def save(folder: Path, network: torch.nn.Module, workload: str, task: dict[str, Any], precision: Any = "auto") -> None:
    options = {**task, "classes": list(CLASSES)}
    experiment = Experiment(name="e", workload=workload, task=options, precision=precision).to_dict()
    save_best(str(folder / "checkpoint"), network, experiment, {"accuracy": 0.5, "epoch": 1})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[OcrOptions]:
    """How pages were read. The darkest takes too long; the others say what they are."""
    seen: list[OcrOptions] = []

    def recognise(image: Image.Image, options: OcrOptions) -> tuple[str, float]:
        seen.append(options)
        grey = np.asarray(image).mean()
        if grey < 50:
            raise OcrTimeout
        return ("dear sir" if grey > 200 else "the total amount"), 90.0

    monkeypatch.setattr("app.workloads.documents.ocr.recognition.recognise", recognise)
    monkeypatch.setattr("app.workloads.documents.ocr.engines.check_engine", lambda _: None)
    return seen


@pytest.fixture
def predict(open_job: Callable[[str], ModuleType], folder: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the job; the rows of its table by id."""
    job = open_job("predict")

    def call(*flags: str, source: Path = folder / "in") -> dict[str, Any]:
        fixed = ("--input", str(source), "--out", str(tmp_path), "--launcher", "local")
        run(PredictDocuments, job.main, [*fixed, *flags], job.__doc__)
        return {row["id"]: row for row in pyarrow.csv.read_csv(tmp_path / "predictions.csv").to_pylist()}

    return call


def by_hand(run: Path, grey: int) -> list[float]:
    """Probabilities of a page that is grey all over, from the run's weights."""
    network = build_network(DocumentImageTask(model="test_efficientnet", weights="random", classes=CLASSES))
    network.load_state_dict(torch.load(run / "checkpoint/best.pt", weights_only=True)["model"])
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    image = ((grey / 255 - mean) / std)[None, :, None, None].expand(1, 3, 32, 32)
    with torch.no_grad():
        shares: list[float] = network.eval()(image).softmax(1)[0].tolist()
    return shares


def test_each_page_of_a_pdf_is_classified_for_itself_by_a_run_and_by_its_export(
    predict: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    exported = tmp_path / "exported"
    rows = predict("--image-model", str(folder / "image"), "--export", str(exported))
    assert {name: row["page"] for name, row in rows.items()} == {"letter-p1": 1, "letter-p2": 2, "note": 1}
    expected = {name: by_hand(folder / "image", grey) for name, grey in GREYS.items()}
    assert np.ptp(list(expected.values()), axis=0).max() > 3 * BF16, "pages differ"
    for name, shares in expected.items():
        assert [rows[name]["image_form"], rows[name]["image_memo"]] == pytest.approx(shares, abs=BF16)
        assert rows[name]["class"] == CLASSES[int(np.argmax(shares))]
    assert {path.name for path in exported.iterdir()} == {"model.json", "model.onnx", "weights.pt", "README.txt"}
    again = predict("--image-model", str(exported))
    assert {name: row["image_memo"] for name, row in again.items()} == {
        name: pytest.approx(row["image_memo"], abs=1e-6) for name, row in rows.items()
    }


def test_a_page_is_shrunk_as_those_of_the_model_s_store_were(
    predict: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    """By Pillow alone: 200 x 260 pixels by 3 x 4 and the filter to 64, then to the network's 32. Straight to 32 the
    network sees another page."""
    rng = np.random.default_rng(1)
    page = Image.fromarray(np.repeat(rng.integers(0, 256, (65, 200), dtype=np.uint8), 4, axis=0))
    (tmp_path / "fine").mkdir()
    page.save(tmp_path / "fine/page.png")
    task = DocumentImageTask(
        model="test_efficientnet", weights="random", image_size=32, stored_size=64, classes=CLASSES
    )
    network = build_network(task)
    network.load_state_dict(torch.load(folder / "image/checkpoint/best.pt", weights_only=True)["model"])
    save(tmp_path / "run", network, "document_image", to_dict(task), precision="fp32")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def memo(grey: Image.Image) -> float:
        """Its probability of a page of 32 x 32."""
        image = (torch.from_numpy(np.asarray(grey, np.float32) / 255)[None] - mean[:, None, None]) / std[:, None, None]
        with torch.no_grad():
            return float(network.eval()(image[None]).softmax(1)[0, 1])

    bilinear = Image.Resampling.BILINEAR
    stored = page.reduce((3, 4)).resize((64, 64), bilinear, box=(0, 0, 200 / 3, 65))
    expected = memo(stored.convert("F").resize((32, 32), bilinear))
    straight = memo(page.reduce((6, 8)).resize((32, 32), bilinear, box=(0, 0, 200 / 6, 260 / 8)))
    assert abs(straight - expected) > 1e-2
    (row,) = predict("--image-model", str(tmp_path / "run"), source=tmp_path / "fine").values()
    assert row["image_memo"] == pytest.approx(expected, abs=1e-4)


def test_where_ocr_fails_the_image_alone_decides_and_the_row_says_so(
    predict: Callable[..., dict[str, Any]],
    folder: Path,
    tmp_path: Path,
    asked: list[OcrOptions],
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = predict("--image-model", str(folder / "image"), "--text-model", str(folder / "text"))
    assert {name: row["ocr"] for name, row in rows.items()} == {"letter-p1": "ok", "letter-p2": "timeout", "note": "ok"}
    for name in ("letter-p1", "note"):
        row = rows[name]
        assert row["both_memo"] == pytest.approx((row["image_memo"] + row["text_memo"]) / 2, abs=1e-6)
        assert row["probability"] == pytest.approx(max(row["both_form"], row["both_memo"]), abs=1e-6)
    failed = rows["letter-p2"]
    assert failed["text_memo"] is None and failed["both_memo"] is None
    assert failed["probability"] == pytest.approx(max(by_hand(folder / "image", GREYS["letter-p2"])), abs=BF16)
    assert "letter-p2 is classified by its image alone: OCR timeout" in capsys.readouterr().out
    assert "No text: OCR failed" in (tmp_path / "sheet.html").read_text()
    assert {(options.language, options.psm) for options in asked} == {("deu", 6)}, "as the model's own pages were read"


def test_by_text_alone_a_page_that_ocr_can_not_read_is_not_classified(
    predict: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path, asked: list[OcrOptions]
) -> None:
    rows = predict("--text-model", str(folder / "text"), "--language", "fra")
    assert set(rows) == {"letter-p1", "note"}
    (bad,) = read_quarantine(str(tmp_path))
    assert (bad.id, bad.reason) == ("letter-p2", "no text: not done after 60 s")
    assert {(options.language, options.psm) for options in asked} == {("fra", 6)}


def test_a_page_without_text_counts_for_its_image_alone_and_options_of_ocr_are_taken(
    predict: Callable[..., dict[str, Any]],
    folder: Path,
    tmp_path: Path,
    asked: list[OcrOptions],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    turned: list[OcrOptions] = []
    monkeypatch.setattr(
        "app.workloads.documents.ocr.recognition.recognise", lambda image, options: asked.append(options) or ("", None)
    )
    monkeypatch.setattr(
        "app.workloads.documents.ocr.recognition.find_rotation", lambda image, options: turned.append(options) or 0
    )
    models = ("--image-model", str(folder / "image"), "--text-model", str(folder / "text"))
    rows = predict(*models, "--orientation", "yes", "--psm", "4", "--time-limit-s", "7", "--byte-order-mark")
    for name, row in rows.items():
        assert (row["ocr"], row["by"]) == ("empty", "image")
        assert row["probability"] == pytest.approx(max(by_hand(folder / "image", GREYS[name])), abs=BF16)
    assert {(o.language, o.psm, o.orientation, o.time_limit_s) for o in asked} == {("deu", 4, True, 7.0)}
    assert len(turned) == 3
    assert "note is classified by its image alone: OCR empty: no text was found" in capsys.readouterr().out
    assert "No text was found" in (tmp_path / "sheet.html").read_text()
    assert (tmp_path / "predictions.csv").read_bytes()[:3] == b"\xef\xbb\xbf"


def test_rows_of_a_part_are_there_when_the_next_one_fails_and_no_name_stops_it(
    predict: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("r\udce9.png", "s.png", "t.png"):
        Image.new("L", (64, 64), 200).save(pages / "plain.png")
        (pages / "plain.png").rename(pages / name)
    flags = ("--image-model", str(folder / "image"), "--input", str(pages))
    assert sorted(row["file"] for row in predict(*flags).values()) == [
        f"{pages}/{name}" for name in (r"r\xe9.png", "s.png", "t.png")
    ]
    (tmp_path / "predictions.csv").unlink()
    monkeypatch.setattr(documents, "NUM_PAGES_PER_PART", 2)
    classify, calls = documents._classify, []

    def once(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return classify(*arguments)

    monkeypatch.setattr(documents, "_classify", once)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        predict(*flags)
    assert len(pyarrow.csv.read_csv(tmp_path / "predictions.csv")) == 2


def test_a_page_whose_probabilities_are_not_finite_is_lost_alone(
    predict: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_fails(model: Any, item: Any) -> Any:
        number, rows = classify_numbered(model, item)
        rows[1] = [float("nan")] * len(CLASSES)
        return number, rows

    monkeypatch.setattr(documents, "classify_numbered", second_fails)
    assert list(predict("--image-model", str(folder / "image"))) == ["letter-p1", "note"]
    (lost,) = read_quarantine(str(tmp_path))
    assert lost.id == "letter-p2" and "not finite" in lost.reason
    assert "letter-p2" not in (tmp_path / "sheet.html").read_text()
