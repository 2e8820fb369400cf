"""A workload of one's own that is not an image: from its files to report and prediction, by one line in
the registry."""

import json
from pathlib import Path

import numpy as np
import pytest
from contracts import check_contracts
from own_workloads import Jobs
from quarantine_files import read_quarantine
from vectors.workload import VectorWorkload

from app.data.store.manifest import read_manifest

NUM_ROWS = 80


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    return Jobs(tmp_path_factory.mktemp("vectors"), {"vectors": "vectors.declaration:VECTORS"})


@pytest.fixture(scope="module")
def folder(jobs: Jobs) -> Path:
    """Everything from preparation to report and prediction has run in it."""
    write_tables(jobs.folder)
    jobs.follow("docs/workloads.md", "vectors")
    return jobs.folder


def write_tables(folder: Path) -> None:
    """y is a sum of two features; one row holds a word, one ends early. And rows to predict."""
    random = np.random.default_rng(0)
    features = random.uniform(-1, 1, (NUM_ROWS + 1, 3))
    lines = [f"row{n:03d},{a:.4f},{b:.4f},{c:.4f},{a + b:.4f}" for n, (a, b, c) in enumerate(features)]
    lines[7] = "row007,0.1,many,0.2,1"
    lines.append("short,0.1,0.2")
    (folder / "table.csv").write_text("\n".join(["id,a,b,c,y", *lines]))
    (folder / "new.csv").write_text("id,a,b,c\nplus,0.5,0.5,0.9\nminus,-0.5,-0.5,0.9\n")


def test_rows_are_split_and_bad_ones_are_told(folder: Path) -> None:
    rows = read_manifest(str(folder / "store"))
    counts = {split: sum(row["split"] == split for row in rows) for split in ("train", "validation", "test")}
    assert counts == {"train": 56, "validation": 12, "test": 12}  # 70/15/15 % of 80
    assert {bad.id: bad.reason for bad in read_quarantine(folder / "store")} == {
        "row007": "could not convert string to float: 'many'",
        "short": "3 cells, expected 5",
    }


def test_it_learns_and_is_scored(folder: Path) -> None:
    summary = json.loads((folder / "runs/first/evaluation/test/summary.json").read_text())
    assert summary["num_cases"] == 12
    assert summary["scores"]["error"]["mean"] < 0.25  # always saying the mean is off by 2/3: E|a + b|
    assert summary["conventions"] == ["every row counts the same"]


def test_the_report_names_scores_as_the_workload_does(folder: Path) -> None:
    record = json.loads((folder / "runs/first/record.json").read_text())
    assert [family["title"] for family in record["scores"]] == ["Within the tolerance", "Absolute error"]
    page = (folder / "runs/first/report.html").read_text()
    assert "the mean Within the tolerance is" in page
    assert "The absolute error is in units of y (smaller is better)." in page


def test_what_is_predicted_is_the_sum(folder: Path) -> None:
    rows = dict(line.split(",") for line in (folder / "predicted/predictions.csv").read_text().splitlines())
    assert float(rows["plus"]) == pytest.approx(1.0, abs=0.3)
    assert float(rows["minus"]) == pytest.approx(-1.0, abs=0.3)


def test_the_engine_can_rely_on_it(folder: Path) -> None:
    check_contracts(VectorWorkload(), {}, str(folder / "store"))
