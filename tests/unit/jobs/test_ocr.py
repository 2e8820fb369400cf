"""The ocr job with its tasks run in this process: what it says, what it leaves behind, how it goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image, ImageDraw, ImageFont

from app.command_line import run
from app.data.manifest import write_manifest
from app.workloads.documents.texts import read_texts


@pytest.fixture
def job(open_job: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = open_job("ocr")
    monkeypatch.setattr("app.execution.prepare.run_cases", lambda function, items, *_: map(function, items))
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
    write_manifest(root, [{"id": name, "source": f"{name}.png"} for name in ("good", "bad")])
    return root


def call(job: ModuleType, *flags: str) -> None:
    run(job.Ocr, job.main, list(flags), job.__doc__)


def fails(job: ModuleType, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        call(job, *flags)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return int(str(ended.value.code)), told


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract here")
def test_pages_are_read_once(job: ModuleType, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--store", store, "--source", str(tmp_path / "source"))
    call(job, *flags)
    told = capsys.readouterr().out
    assert "failed bad: can not be decoded" in told and "1 failed, 1 ok" in told
    assert read_texts(store, ["good", "bad"]) == ["total amount due", ""]
    call(job, *flags)
    assert "nothing was missing" in capsys.readouterr().out
    shutil.copy(tmp_path / "source/good.png", tmp_path / "source/bad.png")
    call(job, *flags, "--again", "failed")
    assert f"{store}: 1 ok" in capsys.readouterr().out
    assert read_texts(store, ["bad"]) == ["total amount due"]


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract here")
def test_pages_are_read_without_ray_where_asked(
    job: ModuleType, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.prepare.run_cases", None)
    call(job, "--store", store, "--source", str(tmp_path / "source"), "--launcher", "local")
    assert read_texts(store, ["good", "bad"]) == ["total amount due", ""]


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


MISSING_SOURCE = "error: got neither --source (the data set to read) nor --import (text to take over); wanted one\n"
