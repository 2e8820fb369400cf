"""A data set of several voxel sizes from its files to a score, and models of one voxel size on scans of another."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from app.configuration import from_dict, to_dict
from app.data import files
from app.data.store.manifest import STORE_NAME
from app.data.store.quarantine import Quarantined
from app.errors import DataError, UsageError
from app.workloads.brats import checks
from app.workloads.brats.inference.prediction import Predicted, plan_predictions, predict_case, summarize_ml
from app.workloads.brats.labels import region_masks, to_internal
from app.workloads.brats.store.plan import plan_store
from app.workloads.brats.task import BratsTask
from app.workloads.brats.workload import BratsWorkload
from app.workloads.volumes.inference.evaluation import evaluate_case, remarks
from app.workloads.volumes.inference.metrics import dice
from app.workloads.volumes.inference.segment import predict_label
from app.workloads.volumes.scans import resampling
from app.workloads.volumes.store.build_store import VoxelOptions, finish_store
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepare import prepare_or_keep
from app.workloads.volumes.store.prepared import VolumeStore, store_spacing

MakeMsd = Callable[..., Path]

CPU = torch.device("cpu")
ONE = (1.0, 1.0, 1.0)
SMALL: dict[str, Any] = {"filters": (4, 8), "patch_size": (8, 8, 8)}
GAIN, BIAS = np.full(4, 0.01, np.float32), np.full(4, -5, np.float32)


class Planes(torch.nn.Module):
    """A window is tumour everywhere when at least `enough` of its planes along z hold brain, else nowhere."""

    def __init__(self, enough: int) -> None:
        super().__init__()
        self.enough = enough

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        num_planes = (x != 0).any(dim=1).any(dim=-1).any(dim=-1).sum(dim=1)
        logits = (num_planes - self.enough + 0.5)[:, None, None, None, None]
        return logits.expand(-1, 3, *x.shape[2:]).float().clone()


class Bright(torch.nn.Module):
    """Every region is where the first modality is above its mean."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1].expand(-1, 3, -1, -1, -1).contiguous()


@dataclasses.dataclass(frozen=True)
class Model:
    task: BratsTask
    network: torch.nn.Module
    device: torch.device = CPU


def ramp(shape: tuple[int, int, int]) -> np.ndarray:
    """[4, D, H, W]: grows along x alone, from 100 to 900."""
    line = np.linspace(100, 900, shape[2]).astype(np.int16)
    return np.broadcast_to(line, (4, *shape)).copy()


@pytest.fixture
def mixed(make_msd: MakeMsd) -> Path:
    """Five cases in order, 3 to train, 1 to validate, 1 to test: the second and the last have slices of 3 mm."""
    source = make_msd(5)
    for name in ("BRATS_002", "BRATS_005"):
        for folder in ("imagesTr", "labelsTr"):
            path = source / folder / f"{name}.nii.gz"
            data = np.asarray(nib.load(path).dataobj)
            nib.save(nib.Nifti1Image(data, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return source


def build(source: Path, store: Path, **options: Any) -> tuple[dict[str, Case], list[str]]:
    told: list[str] = []
    _, tasks = plan_store(str(source), str(store), "in-order", say=told.append, **options)
    return {c.id: c for c in finish_store(str(store), [prepare_or_keep(t) for t in tasks], 0.0)}, told


def test_the_network_sees_the_training_s_voxels() -> None:
    """Two slices of 4 mm are eight of 1 mm: to the network, and only if they are resampled."""
    image = ramp((2, 8, 8))
    task = BratsTask(**SMALL, spacing_mm=ONE)
    thick = {"overlap": 0.0, "spacing_mm": (4.0, 1.0, 1.0)}
    assert (predict_label(task, Planes(8), image, GAIN, BIAS, CPU, **thick) == 3).all()
    assert not predict_label(task, Planes(8), image, GAIN, BIAS, CPU, overlap=0.0, spacing_mm=ONE).any()
    as_it_is = dataclasses.replace(task, resampling=False)
    assert not predict_label(as_it_is, Planes(8), image, GAIN, BIAS, CPU, **thick).any()
    unknown = dataclasses.replace(task, spacing_mm=None)
    assert not predict_label(unknown, Planes(8), image, GAIN, BIAS, CPU, **thick).any()


@pytest.mark.parametrize("spacing", [(4.0, 1.0, 1.0), (0.5, 1.0, 1.0), (2.0, 2.0, 1.0), (0.5, 0.5, 1.0)])
def test_what_does_not_vary_along_the_resampled_axes_gives_the_same_label(spacing: tuple[float, float, float]) -> None:
    image = ramp((6, 8, 20))
    image[:, :, :2] = 0
    image[:, 0, :, :7] = 0
    task = BratsTask(**SMALL, spacing_mm=ONE)
    label = predict_label(task, Bright(), image, GAIN, BIAS, CPU, overlap=0.5, spacing_mm=spacing)
    expected = np.where(image[0] > 500, 3, 0)
    np.testing.assert_array_equal(label, expected)


def test_what_is_brought_back_are_probabilities_and_not_labels() -> None:
    """A probability that is just below a half in one training voxel, and high in the next, crosses the half near the
    first one's centre; labels could only change from one to the next.

    By hand: logits -0.1, -0.1, 3, 3 at the fine voxels 0.5, 2.5, 4.5, 6.5 are probabilities of 0.475 and 0.953; a
    quarter of the way between them, at voxel 3, the cubic is at 0.475 + 0.227 * 0.478 = 0.58.
    """
    fine = np.repeat(np.array([400, 400, 800, 800], np.int16), 2)
    image = np.broadcast_to(fine, (4, 4, 4, 8)).copy()
    task = BratsTask(filters=(4, 8), patch_size=(8, 8, 8), spacing_mm=(1.0, 1.0, 2.0))
    seen: list[np.ndarray] = []

    class Steps(Bright):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x[0, 0, 2, 2].numpy().copy())
            return torch.where(x[:, :1] > 0.5, 3.0, -0.1).expand(-1, 3, -1, -1, -1).contiguous()

    label = predict_label(task, Steps(), image, GAIN, BIAS, CPU, overlap=0.0, spacing_mm=ONE)
    assert np.count_nonzero(seen[0]) == 4, "eight voxels of 1 mm are four of 2 mm"
    assert (label[0, 0] > 0).tolist() == [False] * 3 + [True] * 5


def test_training_cases_take_the_median_and_all_others_keep_their_own(mixed: Path, tmp_path: Path) -> None:
    cases, told = build(mixed, tmp_path / "store")
    assert store_spacing(str(tmp_path / "store")) == ONE
    assert told[-1] == (
        "voxels of training: 1 x 1 x 1 mm (median of the labelled cases); 2 of 5 cases differ by more than 5%: "
        "resampled to it for training, and scored on their own grid"
    )
    trained, tested = cases["BRATS_002"], cases["BRATS_005"]
    assert (trained.split, tested.split) == ("train", "test")
    assert (trained.crop_shape, trained.shape_zyx, trained.crop_start) == ((39, 15, 18), (48, 20, 24), (3, 2, 3))
    assert (trained.spacing_mm, trained.source_spacing_mm) == (ONE, (3.0, 1.0, 1.0))
    assert (tested.crop_shape, tested.spacing_mm) == ((13, 15, 18), (3.0, 1.0, 1.0))
    assert cases["BRATS_001"].crop_shape == (13, 15, 18)
    plain, _ = build(mixed, tmp_path / "plain", voxels=VoxelOptions(resampling=False))
    assert plain["BRATS_002"].crop_shape == (13, 15, 18)
    assert trained.mean == plain["BRATS_002"].mean, "statistics are of the scan's own voxels, as in prediction"
    label = VolumeStore(str(tmp_path / "store")).read_case(trained)[1]
    assert label is not None
    assert trained.num_voxels[1:] == tuple(int((label == code).sum()) for code in (1, 2, 3)) == (24, 456, 168)


def test_voxels_as_they_are_leave_the_model_without_a_size(mixed: Path, make_msd: MakeMsd, tmp_path: Path) -> None:
    _, told = build(mixed, tmp_path / "store", voxels=VoxelOptions(resampling=False))
    assert store_spacing(str(tmp_path / "store")) is None
    assert told[-1].startswith("voxels of training: several, 2 of 5 cases differ")
    build(make_msd(3, name="alike"), tmp_path / "alike", voxels=VoxelOptions(resampling=False))
    assert store_spacing(str(tmp_path / "alike")) == ONE, "one size is a size, resampling or not"


def test_a_size_asked_for_is_taken(mixed: Path, tmp_path: Path) -> None:
    cases, _ = build(mixed, tmp_path / "store", voxels=VoxelOptions(spacing_mm=(3.0, 1.0, 1.0)))
    assert [cases[f"BRATS_00{n}"].crop_shape[0] for n in (1, 2, 3, 4)] == [4, 13, 4, 13]
    with pytest.raises(UsageError, match="was made with spacing_mm"):
        plan_store(str(mixed), str(tmp_path / "store"), "in-order", voxels=VoxelOptions(spacing_mm=ONE))


def test_a_store_that_was_begun_keeps_its_size_and_its_cases_move_with_their_split(mixed: Path, tmp_path: Path) -> None:
    """Of eleven cases the first seven train: the fifth becomes one of them, and is prepared again as such."""
    build(mixed, tmp_path / "store")
    facts = json.loads((mixed / "dataset.json").read_text())
    for number in range(6, 12):
        for folder in ("imagesTr", "labelsTr"):
            (mixed / folder / f"BRATS_{number:03d}.nii.gz").write_bytes(
                (mixed / folder / "BRATS_005.nii.gz").read_bytes()
            )
        names = {"image": f"imagesTr/BRATS_{number:03d}.nii.gz", "label": f"labelsTr/BRATS_{number:03d}.nii.gz"}
        facts["training"].append(names)
    (mixed / "dataset.json").write_text(json.dumps(facts))
    cases, told = build(mixed, tmp_path / "store")
    assert told[-1] == "voxels of training: 1 x 1 x 1 mm (as the store was begun)"
    assert (cases["BRATS_005"].split, cases["BRATS_005"].crop_shape[0]) == ("train", 39)
    again, _ = build(mixed, tmp_path / "store")
    assert {c.id: c.crc32 for c in again.values()} == {c.id: c.crc32 for c in cases.values()}


def test_a_scan_is_predicted_and_scored_alike_and_on_its_own_grid(mixed: Path, tmp_path: Path) -> None:
    cases, _ = build(mixed, tmp_path / "store")
    task = BratsTask(**SMALL, spacing_mm=ONE)
    scan = mixed / "imagesTr" / "BRATS_005.nii.gz"
    (item,) = plan_predictions([str(scan)], str(tmp_path / "out"), "msd", None)
    result = predict_case(Model(task, Bright()), item)
    assert isinstance(result, Predicted)
    assert result.voxels == "resampled from 1 x 1 x 3 mm to the training's 1 x 1 x 1 mm and back"
    assert summarize_ml(result).endswith(f" ml; {result.voxels}")
    made = nib.load(result.label)
    assert made.shape == nib.load(scan).shape[:3]
    np.testing.assert_array_equal(made.affine, np.diag([1.0, 1.0, 3.0, 1.0]))
    predicted = to_internal(np.asarray(made.dataobj), "msd")
    assert result.volumes_ml["WT"] == pytest.approx((predicted > 0).sum() * 3 / 1000)
    truth = to_internal(np.asarray(nib.load(mixed / "labelsTr" / "BRATS_005.nii.gz").dataobj), "msd")
    expected = dice(region_masks(predicted)[0], region_masks(truth)[0])
    assert 0 < expected < 1
    scores = evaluate_case(task, Bright(), str(tmp_path / "store"), "BRATS_005", CPU, thorough=False)
    assert scores["dice_WT"] == pytest.approx(expected)
    assert remarks(task, [cases["BRATS_004"], cases["BRATS_005"]]) == (
        "1 of 2 cases were resampled to the training's 1 x 1 x 1 mm for the network; scores are on their own grids",
    )
    as_it_is = dataclasses.replace(task, resampling=False)
    assert remarks(as_it_is, [cases["BRATS_005"]]) == (
        "1 of 1 cases are not of the training's 1 x 1 x 1 mm and were not resampled",
    )
    assert remarks(task, [cases["BRATS_004"]]) == ()
    assert "no voxel size" in remarks(BratsTask(**SMALL), [cases["BRATS_005"]])[0]
    assert "resampled when they were stored" in remarks(task, [cases["BRATS_002"]])[0]
    told = predict_case(Model(as_it_is, Bright()), item)
    assert isinstance(told, Predicted)
    assert told.voxels == "voxels of 1 x 1 x 3 mm are not the training's 1 x 1 x 1 mm and were not resampled"


def test_a_scan_too_large_to_resample_costs_itself(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "MAX_VOXELS", 1000)
    (item,) = plan_predictions([str(mixed / "imagesTr" / "BRATS_005.nii.gz")], str(tmp_path / "out"), "msd", None)
    result = predict_case(Model(BratsTask(**SMALL, spacing_mm=ONE), Bright()), item)
    assert isinstance(result, Quarantined)
    assert "expected at most 1000; --no-resampling" in result.reason
    _, tasks = plan_store(str(mixed), str(tmp_path / "store"), "in-order")
    bad = [r for r in map(prepare_or_keep, tasks) if isinstance(r, Quarantined)]
    assert [q.id for q in bad] == ["BRATS_002"]


def test_the_store_fills_in_the_training_s_size(mixed: Path, make_msd: MakeMsd, tmp_path: Path) -> None:
    store, other = str(tmp_path / "store"), str(tmp_path / "other")
    build(mixed, tmp_path / "store", voxels=VoxelOptions(spacing_mm=(3.0, 1.0, 1.0)))
    build(make_msd(5, name="alike"), tmp_path / "other")
    task = checks.check(SMALL, store)
    assert task.spacing_mm == (3.0, 1.0, 1.0)
    workload = BratsWorkload()
    assert workload.resolve_task(BratsTask(**SMALL), store) == task
    assert from_dict(BratsTask, to_dict(task)) == task
    assert workload.resolve_task(task, other) == task, "a model is scored on other stores with its own size"
    with pytest.raises(UsageError, match=r"got 1 x 1 x 3 mm, the store .* has 1 x 1 x 1 mm"):
        checks.check(to_dict(task), other)
    with pytest.raises(DataError, match="does not exist"):
        workload.resolve_task(BratsTask(**SMALL), str(tmp_path / "nowhere"))


def test_a_store_of_before_is_told_apart(make_msd: MakeMsd, tmp_path: Path) -> None:
    source, store = make_msd(3), tmp_path / "store"
    cases, _ = build(source, store)
    old = {"workload": "brats", "format": 1, "layout": "msd", "split": "in-order", "seed": None}
    files.write_json(str(store / STORE_NAME), old)
    with pytest.raises(UsageError, match="was made with format 1, now 2"):
        plan_store(str(source), str(store), "in-order")
    row = {k: v for k, v in cases["BRATS_001"].to_row().items() if k not in ("patient", "source_spacing_mm")}
    with pytest.raises(DataError, match=r"of another version \(fields \['patient', 'source_spacing_mm'\]\)"):
        Case.from_row(row, "manifest.parquet")
