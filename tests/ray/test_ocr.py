"""OCR as a user runs it, its tasks on Ray Data."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from app.data.store.manifest import write_manifest
from app.workloads.documents.ocr.engines import OcrOptions
from app.workloads.documents.ocr.recognition import NUM_PAGES_PER_TASK
from app.workloads.documents.ocr.texts import read_notes, read_texts
from jobs.ocr import Ocr, main

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

NUM_PAGES = NUM_PAGES_PER_TASK + 2
"""Two tasks."""


def test_pages_on_the_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, store = tmp_path / "source", str(tmp_path / "store")
    source.mkdir()
    font = ImageFont.load_default(30)
    for i in range(NUM_PAGES - 1):
        page = Image.new("L", (420, 80), 255)
        ImageDraw.Draw(page).text((30, 20), f"invoice number {100 + i}", 0, font)
        page.save(source / f"{i}.png")
    write_manifest(store, [{"id": f"page-{i}", "source": f"{i}.png", "crc32": i} for i in range(NUM_PAGES)])
    main(Ocr(store=store, source=str(source), num_cpus=2))
    assert f"1 failed, {NUM_PAGES - 1} ok" in capsys.readouterr().out
    notes = read_notes(store)
    assert len(notes) == NUM_PAGES and notes[f"page-{NUM_PAGES - 1}"].status == "failed"
    assert notes["page-3"].asked == OcrOptions().asked and notes["page-3"].picture == 3
    assert read_texts(store, ["page-3", f"page-{NUM_PAGES - 1}"]) == ["invoice number 103", ""]
