"""The ocr job with its tasks run in this process: what it says, what it leaves behind, how it goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image, ImageDraw, ImageFont

from app.command_line import run
from app.data.store.manifest import write_manifest
from app.workloads.documents.ocr.texts import read_texts


@pytest.fixture
def job(open_job: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = open_job("ocr")
    monkeypatch.setattr("app.execution.parallel.tasks.run_cases", lambda function, items, *_: map(function, items))
    return module


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Two pages, of which one is damaged."""
    page = Image.new("L", (400, 120), 255)
    ImageDraw.Draw(page).text((30, 30), "total amount due", 0, ImageFont.load_default(32))
    (tmp_path / "source").mkdir()
    page.save(tmp_path / "source/good.png")
    (tmp_path / "source/bad.png").write_bytes(b"no image")
    root = str(tmp_path / "store")
    write_store(root, good=1, bad=2)
    return root


def write_store(root: str, **pictures: int) -> None:
    """The manifest alone, with the checksum of each page's picture."""
    rows = [{"id": name, "source": f"{name}.png", "crc32": picture} for name, picture in pictures.items()]
    write_manifest(root, rows)


def call(job: ModuleType, *flags: str) -> None:
    run(job.Ocr, job.main, list(flags), job.__doc__)


def fails(job: ModuleType, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        call(job, *flags)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return int(str(ended.value.code)), told


def test_pages_are_read_once(job: ModuleType, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--store", store, "--source", str(tmp_path / "source"), "--max-bad-fraction", "0.5")
    call(job, *flags)
    told = capsys.readouterr().out
    assert "failed bad: cannot be decoded" in told and "1 failed, 1 ok" in told
    assert read_texts(store, ["good", "bad"]) == ["total amount due", ""]
    call(job, *flags)
    assert "nothing was missing" in capsys.readouterr().out
    shutil.copy(tmp_path / "source/good.png", tmp_path / "source/bad.png")
    call(job, *flags, "--again", "failed")
    assert f"{store}: 1 ok" in capsys.readouterr().out
    assert read_texts(store, ["bad"]) == ["total amount due"]


def test_pages_are_read_without_ray_where_asked(
    job: ModuleType, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.parallel.tasks.run_cases", None)
    half = ("--max-bad-fraction", "0.5")
    call(job, "--store", store, "--source", str(tmp_path / "source"), "--launcher", "local", *half)
    assert read_texts(store, ["good", "bad"]) == ["total amount due", ""]


def read_as(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Every page that can be decoded reads as this; no Tesseract is asked."""
    monkeypatch.setattr("app.workloads.documents.ocr.engines.check_engine", lambda _: None)
    monkeypatch.setattr("app.workloads.documents.ocr.recognition.check_engine", lambda _: None)
    monkeypatch.setattr(
        "app.workloads.documents.ocr.recognition.recognise", lambda _, options: (f"{text} {options.language}", 90.0)
    )


def test_too_many_failures_end_the_job_and_do_so_again(
    job: ModuleType, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of two pages is damaged: half of them, where a fifth may be. A folder of another set loses all."""
    read_as(monkeypatch, "text")
    flags = ("--store", store, "--source", str(tmp_path / "source"))
    for _ in range(2):  # what failed before is not forgotten because nothing was missing
        code, told = fails(job, capsys, *flags)
        assert code == 3 and f"OCR failed on 1 of 2 pages of {store} (the first: bad), at most 20% are allowed" in told
    call(job, *flags, "--max-bad-fraction", "0.5")
    (tmp_path / "other").mkdir()
    again = ("--again", "failed", "--max-bad-fraction", "0.99", "--language", "deu")
    code, told = fails(job, capsys, "--store", store, "--source", str(tmp_path / "other"), *again)
    assert code == 3 and "OCR failed on 2 of 2 pages" in told
    assert fails(job, capsys, *flags, "--max-bad-fraction", "1.5")[0] == 2


def test_pages_are_read_anew_when_asked_otherwise_or_of_another_picture(
    job: ModuleType, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--store", store, "--source", str(tmp_path / "source"))
    shutil.copy(tmp_path / "source/good.png", tmp_path / "source/bad.png")
    read_as(monkeypatch, "first")
    call(job, *flags)
    read_as(monkeypatch, "second")
    call(job, *flags)
    assert "nothing was missing" in capsys.readouterr().out and read_texts(store, ["good"]) == ["first eng"]
    write_store(store, good=1, bad=3)
    call(job, *flags)
    assert "1 pages have a text of another picture: read again" in capsys.readouterr().out
    assert read_texts(store, ["good", "bad"]) == ["first eng", "second eng"]
    call(job, *flags, "--language", "deu")
    assert "2 pages have a text read otherwise: read again" in capsys.readouterr().out
    assert read_texts(store, ["good", "bad"]) == ["second deu", "second deu"]


def test_ready_text(job: ModuleType, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/good.txt").write_text("ready\n")
    call(job, "--store", store, "--import", str(tmp_path / "texts"))
    told = capsys.readouterr().out
    assert f"{store}: 1 ok" in told and "1 pages have no text yet" in told
    assert read_texts(store, ["good"]) == ["ready"]


def test_what_is_missing_is_one_line(
    job: ModuleType, store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fails(job, capsys, "--store", store) == (2, MISSING_SOURCE)
    assert fails(job, capsys, "--store", f"{store}/none", "--source", "x")[0] == 3
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, told = fails(job, capsys, "--store", store, "--source", "x")
    assert code == 4 and "sudo apt-get install" in told


MISSING_SOURCE = "error: got neither --source (the data set to read) nor --import (text to take over); expected one\n"


def test_the_limit_of_size_is_an_option(
    job: ModuleType, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """good.png has 400 x 120 = 48,000 pixels."""
    flags = ("--store", store, "--source", str(tmp_path / "source"), "--max-bad-fraction", "1")
    for launcher, limit, status in (
        ("local", "47999", "2 failed"),
        ("ray", "47999", "2 failed"),
        ("ray", "48000", "1 failed, 1 ok"),
    ):
        call(job, *flags, "--launcher", launcher, "--max-pixels", limit, "--again", "failed")
        told = capsys.readouterr().out
        assert status in told
        assert ("at most 47999 are decoded (--max-pixels raises it)" in told) == (limit == "47999")
