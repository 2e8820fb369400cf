"""Scores against hand-made predictions, at the source's geometry, with BraTS's conventions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from app.data.store.manifest import read_manifest, write_manifest
from app.errors import DataError
from app.workloads.brats.store.plan import plan_store
from app.workloads.brats.task import BratsTask
from app.workloads.brats.workload import BratsWorkload
from app.workloads.volumes.inference import evaluation
from app.workloads.volumes.inference.evaluation import evaluate_case, summarize
from app.workloads.volumes.inference.metrics import MISSED_HD95_MM, dice, hd95_mm
from app.workloads.volumes.scans.reading import to_ras
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.prepare import prepare_or_keep
from app.workloads.volumes.store.prepared import VolumeStore

NETWORK = torch.nn.Identity()
CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"filters": (4, 8), "patch_size": (8, 8, 8)}


@pytest.fixture
def store(make_msd: Callable[..., Path], tmp_path: Path) -> str:
    """Truth (conftest): a tumour of 6x6x6 voxels, in it a core of 4x4x4, of which 2x2x2 do not enhance."""
    _, tasks = plan_store(str(make_msd(1)), str(tmp_path / "store"))
    finish_store(str(tmp_path / "store"), [prepare_or_keep(task) for task in tasks], 0.0)
    return str(tmp_path / "store")


def predicts(monkeypatch: pytest.MonkeyPatch, label: np.ndarray) -> list[dict[str, Any]]:
    """Let the model predict `label`; returns the list in which its calls' options are noted."""
    calls: list[dict[str, Any]] = []

    def fake(*_: Any, **options: Any) -> np.ndarray:
        calls.append(options)
        return label.astype(np.uint8)

    monkeypatch.setattr(evaluation, "predict_label", fake)
    return calls


def true_label(store: str) -> np.ndarray:
    opened = VolumeStore(store)
    label = opened.read_case(opened.cases[0])[1]
    assert label is not None
    return label


def score(store: str, thorough: bool = True, **options: Any) -> dict[str, float | None]:
    return evaluate_case(BratsTask(**{**SMALL, **options}), NETWORK, store, "BRATS_001", CPU, thorough)


def test_a_perfect_prediction(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    predicts(monkeypatch, true_label(store))
    names = ("WT", "TC", "ET")
    expected = {"dice": 1.0} | {f"dice_{n}": 1.0 for n in names} | {f"hd95_mm_{n}": 0.0 for n in names}
    assert score(store) == expected


def test_regions_are_scored_one_by_one_and_missed_ones_as_brats_does(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicts(monkeypatch, np.where(true_label(store) > 0, 2, 0))  # all edema
    scores = score(store)
    assert (scores["dice_WT"], scores["dice_TC"], scores["dice_ET"]) == (1, 0, 0)
    assert scores["dice"] == pytest.approx(1 / 3)
    assert (scores["hd95_mm_WT"], scores["hd95_mm_TC"]) == (0, MISSED_HD95_MM)


def test_dice_by_hand(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = true_label(store)
    predicts(monkeypatch, np.where(truth == 1, 0, truth))  # the 2x2x2 that do not enhance are missed
    scores = score(store, thorough=False)
    assert scores["dice_WT"] == pytest.approx(2 * 208 / (208 + 216))
    assert scores["dice_TC"] == pytest.approx(2 * 56 / (56 + 64))
    assert scores["dice_ET"] == 1
    assert "hd95_mm_WT" not in scores


def test_whole_tumour_has_one_score(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    predicts(monkeypatch, np.where(true_label(store) > 0, 2, 0))
    assert score(store, outputs="whole") == {"dice_whole": 1.0, "dice": 1.0, "hd95_mm_whole": 0.0}


def test_scores_are_those_of_the_original_geometry(
    store: str, make_msd: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tumour as large as the brain touches the stored box on every side; the source's grid goes on beyond it."""
    truth = true_label(store)
    predicted = np.full(truth.shape, 2)
    predicts(monkeypatch, predicted)
    scores = score(store)
    case = VolumeStore(store).cases[0]
    source = nib.load(case.sources[-1])
    whole_truth = to_ras(np.asarray(source.dataobj).transpose(2, 1, 0), source.affine) > 0
    whole_predicted = np.zeros(case.shape_zyx, bool)
    box = tuple(slice(a, a + n) for a, n in zip(case.crop_start, case.crop_shape, strict=True))
    whole_predicted[box] = True
    assert whole_truth.shape == whole_predicted.shape != truth.shape
    assert scores["dice_WT"] == dice(whole_predicted, whole_truth)
    assert scores["hd95_mm_WT"] == hd95_mm(whole_predicted, whole_truth, case.spacing_mm)


def test_the_final_evaluation_takes_the_final_windows(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = predicts(monkeypatch, true_label(store))
    options = {"evaluation_overlap": 0.1, "final_overlap": 0.6, "mirror": True}
    score(store, thorough=False, **options)
    score(store, thorough=True, **options)
    own = {"spacing_mm": (1.0, 1.0, 1.0)}
    assert calls == [{"overlap": 0.1, "mirror": False, **own}, {"overlap": 0.6, "mirror": True, **own}]


def test_a_case_that_is_not_there_is_named(store: str) -> None:
    with pytest.raises(DataError, match="BRATS_999"):
        evaluate_case(BratsTask(**SMALL), NETWORK, store, "BRATS_999", CPU, True)


def test_a_store_prepared_anew_is_opened_anew(
    store: str, make_msd: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    predicts(monkeypatch, true_label(store))
    score(store)
    _, tasks = plan_store(str(make_msd(2)), store)
    finish_store(store, [prepare_or_keep(task) for task in tasks], 0.0)
    assert evaluate_case(BratsTask(**SMALL), NETWORK, store, "BRATS_002", CPU, False)["dice"] == 1


def test_means_are_over_the_cases_with_a_score() -> None:
    cases: list[dict[str, float | None]] = [{"dice": 0.5, "hd95_mm_ET": None}, {"dice": 1.0, "hd95_mm_ET": 4.0}]
    assert summarize(BratsTask(), cases) == {"dice": 0.75, "hd95_mm_ET": 4.0}
    assert np.isnan(summarize(BratsTask(), [{"dice": None}])["dice"])


def test_an_evaluation_is_outdated_by_what_its_cases_hold_now(store: str) -> None:
    def told() -> str:
        return BratsWorkload().contents(BratsTask(**SMALL), store, ["BRATS_001"])

    before = told()
    assert told() == before
    (row,) = read_manifest(store)
    write_manifest(store, [{**row, "crc32": row["crc32"] ^ 1}])
    assert told() != before
