"""The work behind jobs/predict.py on pages, without Ray: what is written, whenever it ends."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drawn_sets import draw_page

from app.workloads.documents.commands import predict as command
from app.workloads.documents.commands.flags import PredictDocuments

CLASSES = ("letter", "memo")


@dataclass
class InThisProcess:
    """An Engine whose model says the same of every page, and fails from a number of pages on."""

    fails_after: int = 10**6
    seen: list[Any] = field(default_factory=list)

    def open_model(self, path: str, workload: str) -> Any:
        return SimpleNamespace(task=SimpleNamespace(classes=CLASSES, image_size=32, stored_size=32))

    def run_cases(self, function: Callable[[Any], Any], items: Sequence[Any], name: str, **how: Any) -> Iterator[Any]:
        yield from map(function, items)

    def map_with_model(self, path: str, function: Any, items: Sequence[Any], **how: Any) -> Iterator[Any]:
        for start, pages in items:
            self.seen += pages
            if len(self.seen) > self.fails_after:
                raise MemoryError
            yield start, [[0.75, 0.25] for _ in pages]


def predict(folder: Path, out: Path, engine: InThisProcess) -> None:
    flags = PredictDocuments(input=(str(folder),), out=str(out), image_model="model")
    command.predict(flags, engine)  # type: ignore[arg-type]


def rows_of(out: Path) -> list[str]:
    with open(out / "predictions.csv", newline="", encoding="utf-8") as file:
        return [row["id"] for row in csv.DictReader(file)]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c", "d", "r\udce9"):
        draw_page(ord(name[0])).save(folder / f"{name}.png")
    (folder / "bad.png").write_bytes(b"no picture")
    for name in ("notes.txt", "@eaDir/a.png/THUMB.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_every_page_is_in_the_table_or_quarantined_and_the_rest_is_told(
    pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(pages, tmp_path / "out", InThisProcess())
    assert rows_of(tmp_path / "out") == ["a", "b", "c", "d", r"r\xe9"]
    (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == "bad"
    told = capsys.readouterr().out
    assert "left out, as neither images nor PDFs: 1 .txt, 1 computers' own" in told
    assert "5 pages classified, 1 quarantined" in told


def test_what_was_classified_is_written_when_it_ends_early(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "NUM_PAGES_PER_PART", 3)
    with pytest.raises(MemoryError):
        predict(pages, tmp_path / "out", InThisProcess(fails_after=3))
    assert rows_of(tmp_path / "out") == ["a", "b"]
    assert "bad" in (tmp_path / "out" / "quarantine.jsonl").read_text()
