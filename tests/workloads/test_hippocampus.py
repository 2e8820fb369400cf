"""Another segmentation set, from its raw files to report and labels, with one line in the registry."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np
import pytest
import torch
from contracts import check_contracts
from hippocampus.predict import segment
from hippocampus.task import HIPPOCAMPUS
from hippocampus.workload import HippocampusWorkload
from own_workloads import Jobs
from synthetic_hippocampus import SHAPE, draw, write_task04

from app.data.store.quarantine import Quarantined
from app.errors import UsageError
from app.execution.models.model import load_model
from app.workloads import registry
from app.workloads.brats.task import BratsTask
from app.workloads.brats.workload import BratsWorkload
from app.workloads.volumes.checks import check_anatomy, check_task
from app.workloads.volumes.store.prepared import VolumeStore

NUM_CASES = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything from preparation to report and prediction has run in it."""
    jobs = Jobs(tmp_path_factory.mktemp("hippocampus"), {"hippocampus": "hippocampus.declaration:HIPPOCAMPUS"})
    write_task04(jobs.folder / "Task04_Hippocampus", NUM_CASES)
    jobs.follow("docs/workloads.md", "hippocampus")
    return jobs.folder


def test_the_store_has_one_modality_two_parts_and_one_orientation(folder: Path) -> None:
    store = VolumeStore(str(folder / "store"))
    assert len(store.cases) == NUM_CASES
    for number, case in enumerate(store.cases):
        image, label = store.read_case(case)
        raw, truth = draw(number)
        if number % 2:  # its file grows to the left; the store is RAS+
            raw, truth = raw[::-1], truth[::-1]
        assert image.shape == (1, *SHAPE[::-1])
        np.testing.assert_allclose(image[0] * case.scale[0], raw.transpose(2, 1, 0), atol=case.scale[0])
        np.testing.assert_array_equal(label, truth.transpose(2, 1, 0))
        assert case.num_voxels == tuple(int((truth == code).sum()) for code in range(3))
        assert case.notes == ()


def test_it_learns_and_the_report_names_its_parts(folder: Path) -> None:
    summary = json.loads((folder / "runs/first/evaluation/test/summary.json").read_text())
    assert set(summary["scores"]) == {
        f"{family}{part}" for family in ("dice", "hd95_mm") for part in ("_anterior", "_posterior")
    } | {"dice"}
    assert summary["scores"]["dice"]["mean"] > 0.6
    page = (folder / "runs/first/report.html").read_text()
    for words in ("Dice over the parts", "Dice, head", "Dice of each case"):
        assert words in page, words


def test_labels_lie_on_the_scan_s_own_grid_in_the_file_s_codes(folder: Path) -> None:
    name = f"hippocampus_{NUM_CASES:03d}.nii.gz"
    scan: Any = nib.load(folder / "Task04_Hippocampus/imagesTs" / name)
    found: Any = nib.load(folder / "predicted" / name)
    assert (found.shape, found.affine.tolist()) == (scan.shape, scan.affine.tolist())
    predicted, truth = np.asarray(found.dataobj), draw(NUM_CASES)[1]
    for code in (1, 2):
        assert (
            2
            * np.sum((predicted == code) & (truth == code))
            / np.sum((predicted == code) + (truth == code).astype(int))
            > 0.6
        )


def test_a_scan_that_the_network_cannot_tell_costs_itself_alone(folder: Path) -> None:
    lines = {"hippocampus": "hippocampus.declaration:HIPPOCAMPUS"}
    with mock.patch.dict(registry.WORKLOADS, lines):
        model = load_model(str(folder / "runs/first"))
    path = str(folder / f"Task04_Hippocampus/imagesTs/hippocampus_{NUM_CASES:03d}.nii.gz")
    with torch.no_grad():
        next(iter(model.network.parameters())).fill_(torch.nan)
    found = segment(model, path, str(folder / "nowhere"))
    assert isinstance(found, Quarantined) and (found.file, found.reason[:34]) == (
        path,
        "the network's output is not finite",
    )
    assert not (folder / "nowhere").exists()


def test_the_engine_can_rely_on_it(folder: Path) -> None:
    check_contracts(HippocampusWorkload(), {"patch_size": [16, 16, 16]}, str(folder / "store"))


def test_a_store_of_another_anatomy_is_refused(folder: Path) -> None:
    store = str(folder / "store")
    with pytest.raises(UsageError, match=r"images a scan: got 1, expected 4 \(FLAIR, T1w, T1gd, T2w\)"):
        check_task(BratsTask(), store)
    with pytest.raises(UsageError, match="images a scan: got 1, expected 4"):  # as an evaluation asks
        BratsWorkload().resolve_task(BratsTask(), store)
    other = replace(HIPPOCAMPUS, meanings={"background": 0, "left lung": 1, "anterior": 2})
    with pytest.raises(UsageError, match="labels are of posterior, expected some of background, left lung, anterior"):
        check_anatomy(other, store)
    check_anatomy(HIPPOCAMPUS, store)
