"""The way from a raw scan to scores, by evaluation of the stored case and by prediction on the raw one, against what
numpy finds in the files themselves: unequal voxels, an orientation of their own, contrasts normalised by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from app.workloads.brats.inference.prediction import Predicted, plan_predictions, predict_case
from app.workloads.brats.store.plan import plan_store
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.inference import evaluation, segment
from app.workloads.volumes.inference.evaluation import evaluate_case
from app.workloads.volumes.network.networks import build_network
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.prepare import prepare_or_keep

CPU = torch.device("cpu")
SPACING_XYZ = (1.2, 0.9, 2.5)
LPS = np.diag([-1.2, -0.9, 2.5, 1.0])
"""x and y of the files grow to the left and to the back; voxels are unequal."""
TASK = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))


@dataclass(frozen=True)
class Model:
    task: BratsTask
    network: torch.nn.Module
    device: torch.device = CPU


@dataclass(frozen=True)
class Scan:
    """A labelled case as files and as a store; its arrays as the files have them, axes x, y, z."""

    image: np.ndarray
    label: np.ndarray
    path: Path
    store: str


@pytest.fixture
def scan(make_msd: Callable[..., Path], tmp_path: Path) -> Scan:
    root = make_msd(1)
    arrays = {}
    for folder in ("imagesTr", "labelsTr"):
        path = root / folder / "BRATS_001.nii.gz"
        arrays[folder] = np.asarray(nib.load(path).dataobj)
        nib.save(nib.Nifti1Image(arrays[folder], LPS), path)
    store = str(tmp_path / "store")
    _, tasks = plan_store(str(root), store)
    finish_store(store, [prepare_or_keep(task) for task in tasks], 0.0)
    return Scan(arrays["imagesTr"], arrays["labelsTr"], root / "imagesTr/BRATS_001.nii.gz", store)


def evaluated(network: torch.nn.Module, scan: Scan) -> dict[str, float | None]:
    return evaluate_case(TASK, network, scan.store, "BRATS_001", CPU, thorough=True)


def predicted(network: torch.nn.Module, scan: Scan, out: Path) -> np.ndarray:
    """The label written for the raw scan, axes x, y, z, MSD's codes."""
    (item,) = plan_predictions([str(scan.path)], str(out), "auto", None)
    result = predict_case(Model(TASK, network), item)
    assert isinstance(result, Predicted), result
    return np.asarray(nib.load(result.label).dataobj)


def dice_by_hand(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Of MSD's codes: 1 edema, 2 core, 3 enhancing."""
    codes = {"dice_WT": (1, 2, 3), "dice_TC": (2, 3), "dice_ET": (3,)}
    pairs = {name: (np.isin(predicted, inside), np.isin(truth, inside)) for name, inside in codes.items()}
    return {name: 2 * np.sum(a & b) / (a.sum() + b.sum()) for name, (a, b) in pairs.items()}


@pytest.mark.parametrize(("axis_zyx", "distance_mm"), [(0, 2.5), (1, 0.9), (2, 1.2)])
def test_distances_of_unequal_voxels_are_in_mm(
    scan: Scan, monkeypatch: pytest.MonkeyPatch, axis_zyx: int, distance_mm: float
) -> None:
    """A cube moved by a voxel: a quarter of its surface lies one voxel away, so does the 95th percentile."""
    opened = evaluation._open_store(scan.store, "")
    truth = opened.read_case(opened.cases[0])[1]
    assert truth is not None
    monkeypatch.setattr(evaluation, "predict_label", lambda *_, **__: np.roll(truth, 1, axis_zyx))
    assert evaluated(torch.nn.Identity(), scan)["hd95_mm_WT"] == pytest.approx(distance_mm, abs=1e-6)


class Brightness(torch.nn.Module):
    """Every region is where a contrast of its own is above its mean: the logits are the normalised contrasts."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :3].clone()


def brighter_than_the_mean(image: np.ndarray) -> np.ndarray:
    """MSD's codes by hand: each region by one contrast, whose mean is that of the brain; the inner region wins."""
    brain = image.any(-1)
    whole, core, enhancing = (brain & (image[..., c] > image[brain][:, c].mean()) for c in range(3))
    return np.where(enhancing, 3, np.where(core, 2, np.where(whole, 1, 0)))


def test_contrasts_are_normalised_alike_in_evaluation_and_in_prediction(scan: Scan, tmp_path: Path) -> None:
    expected = brighter_than_the_mean(scan.image)
    np.testing.assert_array_equal(predicted(Brightness(), scan, tmp_path / "out"), expected)
    scores = evaluated(Brightness(), scan)
    assert {name: scores[name] for name in ("dice_WT", "dice_TC", "dice_ET")} == pytest.approx(
        dice_by_hand(expected, scan.label)
    )


def test_a_raw_scan_is_segmented_as_the_stored_one(scan: Scan, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(TASK).eval()
    with torch.no_grad():  # logits of a random network lie to one side of zero: put them around it
        network.head.bias -= network(torch.randn(1, 4, 16, 16, 16)).mean(dim=(0, 2, 3, 4))
    with torch.inference_mode():
        label, scores = predicted(network, scan, tmp_path / "out"), evaluated(network, scan)
    assert len(np.unique(label)) == 4, "all codes occur, else equality says little"
    by_hand = dice_by_hand(label, scan.label)
    assert {name: scores[name] for name in by_hand} == pytest.approx(by_hand)
    assert scores["dice"] == pytest.approx(np.mean(list(by_hand.values())))


def test_a_prediction_takes_the_final_windows(scan: Scan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the final evaluation does, flips included."""
    calls: list[tuple[float, bool]] = []

    def no_tumour(task: Any, network: Any, image: np.ndarray, *_: Any, **options: Any) -> np.ndarray:
        calls.append((options["overlap"], options["mirror"]))
        return np.zeros(image.shape[1:], np.uint8)

    monkeypatch.setattr(segment, "predict_label", no_tumour)
    task = replace(TASK, evaluation_overlap=0.1, final_overlap=0.6, mirror=True)
    (item,) = plan_predictions([str(scan.path)], str(tmp_path / "out"), "auto", None)
    assert isinstance(predict_case(Model(task, torch.nn.Identity()), item), Predicted)
    assert calls == [(0.6, True)]
