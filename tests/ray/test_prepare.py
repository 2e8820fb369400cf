"""The preparation as a user runs it, its tasks on Ray Data."""

import os
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from app.errors import DataError
from app.execution.parallel.tasks import run_cases
from app.workloads.brats.commands.flags import PrepareBrats
from app.workloads.documents.commands.flags import PrepareDocuments
from app.workloads.documents.store.prepared import DocumentStore
from app.workloads.volumes.store.prepared import VolumeStore
from jobs.prepare import main


@dataclass(frozen=True)
class Squared:
    value: int
    process: int


def square(value: int) -> Squared:
    return Squared(value**2, os.getpid())


def fail(value: int) -> int:
    raise DataError(f"the store vanished at {value}")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """BraTS 2021 folders: eight sound cases, one truncated, one without a modality."""
    rng = np.random.default_rng(0)
    root = tmp_path / "source"
    for i in range(10):
        case = f"BraTS2021_{i:05d}"
        (root / case).mkdir(parents=True)
        brain = np.zeros((20, 18, 16), np.int16)
        brain[2:18, 2:16, 2:14] = rng.integers(1, 500, (16, 14, 12))
        for name in ("flair", "t1", "t1ce", "t2"):
            nib.save(nib.Nifti1Image(np.roll(brain, 1, 0), np.eye(4)), root / case / f"{case}_{name}.nii.gz")
        label = np.zeros((20, 18, 16), np.uint8)
        label[5:9, 5:9, 5:9] = 4
        nib.save(nib.Nifti1Image(label, np.eye(4)), root / case / f"{case}_seg.nii.gz")
    truncated = root / "BraTS2021_00003" / "BraTS2021_00003_t1.nii.gz"
    truncated.write_bytes(truncated.read_bytes()[:-100])
    (root / "BraTS2021_00007" / "BraTS2021_00007_t2.nii.gz").unlink()
    return root


def test_every_item_comes_back_once_from_other_processes(ray_cluster: str) -> None:
    results = list(run_cases(square, range(20)))
    assert sorted(r.value for r in results) == [i**2 for i in range(20)]
    assert os.getpid() not in {r.process for r in results}


def test_no_item_is_no_work(ray_cluster: str) -> None:
    assert list(run_cases(square, [])) == []


def test_an_error_of_a_task_ends_the_run_with_its_message(ray_cluster: str) -> None:
    with pytest.raises(DataError, match="the store vanished at 1"):
        list(run_cases(fail, [1]))


def test_a_folder_becomes_a_store(
    ray_cluster: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = PrepareBrats(str(source), str(tmp_path / "store"))
    main(arguments)
    said = capsys.readouterr().out
    assert "layout brats2021, 10 cases, 10 with a label" in said
    assert "labels: 0=background 1=core 2=edema 4=enhancing (BraTS 2017 to 2021, by the files' names)" in said
    assert "prepare: 10/10" in said
    assert f"stands in {tmp_path}/store/quarantine.jsonl" in said
    assert "8 cases" in said.splitlines()[-1]
    assert "2 quarantined" in said.splitlines()[-1]
    store = VolumeStore(str(tmp_path / "store"))
    assert len(store.cases) == 8
    for case in store.cases:
        image, label = store.read_case(case)
        assert image.shape == (4, 12, 14, 16)
        assert label is not None
        assert int((label == 3).sum()) == 64
    from quarantine_files import read_quarantine  # here: Ray's tasks import this file, and find no other of tests

    reasons = {q.id[-1]: q for q in read_quarantine(store.root)}
    assert reasons["3"].reason.startswith(("truncated", "corrupt"))
    assert reasons["7"].file.endswith("BraTS2021_00007_t2.nii.gz")


def test_too_much_that_is_bad_fails(ray_cluster: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 10 cases are bad, at most 10%"):
        main(PrepareBrats(str(source), str(tmp_path / "store"), max_bad_fraction=0.1, num_cpus=2))


def test_folders_of_pages_become_a_store(ray_cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "tobacco" / ("Memo", "Note")[i % 2] / f"{50000000 + i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 12), np.uint8)).resize((120, 160)).save(path)
    (tmp_path / "tobacco" / "Note" / "50000003.png").write_bytes(b"broken")
    store = str(tmp_path / "store")
    main(
        PrepareDocuments(
            str(tmp_path / "tobacco"), store, image_size=64, per_class=5, num_partitions=2, layout="tobacco"
        )
    )
    said = capsys.readouterr().out
    assert "layout tobacco, 40 pages, 10 classes" in said
    assert "quarantined Note/50000003: Note/50000003.png: no image" in said
    assert "prepare: 40/40" in said
    assert "0 of 29, 0 of 29 (by partition)" in said
    assert "39 pages (2 partitions of 8 train, 2 validation, 29 test), 1 quarantined" in said.splitlines()[-1]
    opened = DocumentStore(store)
    assert opened.read_images(opened.rows("test", 1)).shape == (29, 64, 64)
