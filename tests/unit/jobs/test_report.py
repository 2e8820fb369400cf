"""What the report job takes from the store: as many pages as the training took."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from small_scans import make_store

from app.records import Timings, TrialRecord
from app.run_folder.run import RECORD
from app.workloads.documents.ocr.texts import PageText, write_part


@pytest.fixture
def job(open_job: Callable[[str], ModuleType]) -> ModuleType:
    return open_job("report")


def record(store: str, workload: str = "document_image", **task: Any) -> dict[str, bytes]:
    experiment = {"workload": workload, "task": task}
    made = TrialRecord(
        name="a", status="finished", experiment=experiment, store=store, num_workers=1, launcher="local", device="cpu",
        global_batch_size=1, num_steps=1, num_parameters=1, numerics={}, timings=Timings(), samples_per_s=None,
        samples_per_s_per_worker=None, waiting_share=None, binding_limit="compute", metrics={},
    )  # fmt: skip
    return {"record.json": RECORD.text(made).encode()}


class Pages:
    """A store of 6 training pages, of which one has no label and one is left out, and of 2 that validate."""

    labels = np.array([0, 1, -1, 0, 1, 0, 1, 0])
    ids = tuple("abcdefgh")

    def rows(self, split: str, partition: int | None, with_excluded: bool) -> np.ndarray:
        assert partition == 3
        train = [0, 1, 2, 3, 4, *([5] if with_excluded else [])]
        return np.array({"train": train, "validation": [6, 7]}.get(split, []), np.int64)


@pytest.mark.parametrize(("with_excluded", "num_trained"), [(False, 4), (True, 5)])
def test_pages_that_training_left_out_are_not_counted(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, with_excluded: bool, num_trained: int
) -> None:
    monkeypatch.setattr("app.workloads.documents.store.prepared.open_store", lambda _: Pages())
    found = job.case_counts(record("/store", partition=3, with_excluded=with_excluded))
    assert found == {"train": num_trained, "validation": 2}


def test_pages_whose_ocr_failed_are_not_counted_of_a_training_by_text(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.workloads.documents.store.prepared.open_store", lambda _: Pages())
    texts = [
        PageText("b", "", None, "failed", "x"),
        PageText("d", "", None, "empty"),
        PageText("g", "", None, "timeout"),
    ]
    write_part(str(tmp_path), texts)
    found = job.case_counts(record(str(tmp_path), "document_text", partition=3))
    assert found == {"train": 3, "validation": 1}  # of 4 and 2


def test_a_store_that_is_gone_counts_nothing(job: ModuleType) -> None:
    assert job.case_counts(record("/nowhere", partition=3)) == {}
    assert job.store_facts(record("/nowhere", partition=3)) == {}


def test_how_the_store_was_made_stands_in_the_report(job: ModuleType, tmp_path: Path) -> None:
    """Eight scans of eight patients in their order: 70 % are 5, then 1.5 rounded up is 2, and 1."""
    store = make_store(tmp_path)
    found = job.store_facts(record(str(store)))
    assert found["labels"] == "0=background 1=core 2=edema 4=enhancing"
    assert (found["split"], found["patients"], found["spacing_mm"]) == ("in-order", "by name", [1.0, 1.0, 1.0])
    assert found["patients_by_split"] == {"test": 1, "train": 5, "validation": 2}
    (tmp_path / "run").mkdir()
    for name, content in {**record(str(store)), "config.json": b"{}"}.items():
        (tmp_path / "run" / name).write_bytes(content)
    report = job.run_report(str(tmp_path / "run"), None, "today")
    assert report.data["store"] == found
    assert "How the store was made" in report.html
    assert "0=background 1=core 2=edema 4=enhancing" in report.html
    assert "test 1, train 5, validation 2" in report.html
