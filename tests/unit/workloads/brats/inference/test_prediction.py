"""Raw scans in, labels and pictures out: in any orientation, in the input's codes, one bad input costing one case."""

import copy
import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from app.data.store.quarantine import Quarantined
from app.errors import DataError, UsageError
from app.workloads.brats.inference.prediction import (
    Predicted,
    plan_predictions,
    predict_case,
    truth_line,
    written_codes,
)
from app.workloads.brats.source.label_choice import LabelOptions
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.networks import build_network

AFFINE = np.array([[1.2, 0, 0, -10], [0, 0.9, 0, 5], [0, 0, 1.5, 30], [0, 0, 0, 1.0]])


CPU = torch.device("cpu")


@dataclass(frozen=True)
class Model:
    task: BratsTask
    network: torch.nn.Module
    device: torch.device = CPU


@pytest.fixture(scope="module")
def model() -> Model:
    """A small U-Net with random weights, whose windows do not fit the volumes evenly."""
    task = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))
    torch.manual_seed(0)
    network = build_network(task).eval()
    with torch.no_grad():  # logits of a random network lie to one side of zero: put them around it
        logits = network(torch.randn(1, 4, 16, 16, 16))
        network.head.bias -= logits.mean(dim=(0, 2, 3, 4))
    return Model(task, network)


def predict(model: Model, path: Path, out: Path, codes: str = "auto", truth: str | None = None) -> nib.Nifti1Image:
    (item,) = plan_predictions([str(path)], str(out), codes, truth)  # type: ignore[arg-type]
    result = predict_case(model, item)
    assert isinstance(result, Predicted), result
    assert Path(result.picture).read_bytes().startswith(b"\x89PNG")
    return nib.load(result.label)


@pytest.mark.parametrize("codes", ["LPS", "PIR", "SAL"])
def test_a_reoriented_scan_gives_the_reoriented_label(
    model: Model, image_xyzc: Callable[..., np.ndarray], tmp_path: Path, codes: str
) -> None:
    image = image_xyzc(1)
    turn = ornt_transform(io_orientation(AFFINE), axcodes2ornt(codes))
    turned_affine = AFFINE @ inv_ornt_aff(turn, image.shape[:3])
    nib.save(nib.Nifti1Image(image, AFFINE), tmp_path / "straight.nii.gz")
    nib.save(nib.Nifti1Image(apply_orientation(image, turn), turned_affine), tmp_path / "turned.nii.gz")
    straight = predict(model, tmp_path / "straight.nii.gz", tmp_path / "out")
    turned = predict(model, tmp_path / "turned.nii.gz", tmp_path / "out")
    expected = np.asarray(straight.dataobj)
    assert len(np.unique(expected)) == 4, "all codes occur, else equality says little"
    np.testing.assert_array_equal(np.asarray(turned.dataobj), apply_orientation(expected, turn))
    np.testing.assert_allclose(turned.affine, turned_affine)


def test_codes_are_those_of_the_input_or_those_asked_for(
    model: Model, image_xyzc: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    image = image_xyzc(1)
    nib.save(nib.Nifti1Image(image, AFFINE), tmp_path / "msd.nii.gz")
    for channel, name in enumerate(("flair", "t1", "t1ce", "t2")):
        nib.save(nib.Nifti1Image(image[..., channel], AFFINE), tmp_path / f"BraTS2021_7_{name}.nii.gz")
    msd = np.asarray(predict(model, tmp_path / "msd.nii.gz", tmp_path / "out").dataobj)
    brats = np.asarray(predict(model, tmp_path / "BraTS2021_7_t1.nii.gz", tmp_path / "out").dataobj)
    asked = np.asarray(predict(model, tmp_path / "msd.nii.gz", tmp_path / "out", "brats2023").dataobj)
    assert set(np.unique(brats)) == {0, 1, 2, 4}
    # msd: 1 edema, 2 core, 3 enhancing; brats2021: 1 core, 2 edema, 4 enhancing; brats2023: as 2021 with 3
    np.testing.assert_array_equal(np.array([0, 2, 1, 4])[msd], brats)
    np.testing.assert_array_equal(np.array([0, 2, 1, 3])[msd], asked)


def test_the_truth_does_not_change_the_prediction(
    model: Model, image_xyzc: Callable[..., np.ndarray], label_xyz: np.ndarray, tmp_path: Path
) -> None:
    label_xyz[-1, -1, -1] = 1  # outside the brain: the box that is cut out grows
    nib.save(nib.Nifti1Image(image_xyzc(1), AFFINE), tmp_path / "scan.nii.gz")
    nib.save(nib.Nifti1Image(label_xyz, AFFINE), tmp_path / "anything.nii.gz")
    plain = predict(model, tmp_path / "scan.nii.gz", tmp_path / "a")
    with_truth = predict(model, tmp_path / "scan.nii.gz", tmp_path / "b", truth=str(tmp_path / "anything.nii.gz"))
    np.testing.assert_array_equal(np.asarray(plain.dataobj), np.asarray(with_truth.dataobj))
    assert (tmp_path / "a/scan.png").read_bytes() != (tmp_path / "b/scan.png").read_bytes()


def test_a_bad_scan_is_quarantined_with_its_reason(model: Model, tmp_path: Path) -> None:
    (tmp_path / "bad.nii.gz").write_bytes(b"not a scan")
    (item,) = plan_predictions([str(tmp_path / "bad.nii.gz")], str(tmp_path / "out"), "auto", None)
    result = predict_case(model, item)
    assert isinstance(result, Quarantined)
    assert (result.id, result.file) == ("bad", str(tmp_path / "bad.nii.gz"))
    assert "NIfTI" in result.reason
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_not_finite_costs_its_case(model: Model, tmp_path: Path) -> None:
    """A network of finite weights, as one that was trained in another precision, whose logits overflow."""
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        network.head.weight.fill_(3e38)  # type: ignore[union-attr, operator]
    voxels = np.random.default_rng(0).integers(1, 900, (12, 11, 10, 4), np.int16)
    nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / "scan.nii.gz")
    (item,) = plan_predictions([str(tmp_path / "scan.nii.gz")], str(tmp_path / "out"), "auto", None)
    assert isinstance(predict_case(model, item), Predicted)
    result = predict_case(Model(model.task, network), dataclasses.replace(item, out=str(tmp_path / "lost")))
    assert isinstance(result, Quarantined) and "output is not finite; expected numbers" in result.reason
    assert not (tmp_path / "lost").exists()


def test_truths_are_found_by_the_cases_names(make_msd: Callable[..., Path]) -> None:
    root = make_msd(2, 1)
    by_folder = plan_predictions([str(root)], "out", "auto", str(root / "labelsTr"))
    labels = [task.files.label for task in by_folder]
    assert labels == [f"{root}/labelsTr/BRATS_001.nii.gz", f"{root}/labelsTr/BRATS_002.nii.gz", None]
    whole_set = plan_predictions([str(root)], "out", "auto", str(root))
    assert [task.files.label for task in whole_set] == labels, "an image is not its own truth"
    assert [task.files.label for task in plan_predictions([str(root)], "out", "auto", None)] == [None] * 3
    images = plan_predictions([str(root / "imagesTr")], "out", "auto", str(root / "labelsTr"))
    assert [task.files.label for task in images] == labels[:2]


def test_two_truths_of_one_case_are_refused(make_msd: Callable[..., Path], tmp_path: Path) -> None:
    """Such as an earlier prediction beside the label."""
    root = make_msd(1)
    for name in ("BRATS_001.nii.gz", "BRATS_001_seg.nii.gz"):
        (tmp_path / "truth").mkdir(exist_ok=True)
        (tmp_path / "truth" / name).touch()
    with pytest.raises(UsageError, match=r"BRATS_001\.nii\.gz and .*BRATS_001_seg\.nii\.gz may both be of BRATS_001"):
        plan_predictions([str(root)], "out", "auto", str(tmp_path / "truth"))


def test_files_that_fit_no_case_are_told(make_msd: Callable[..., Path], tmp_path: Path) -> None:
    root = make_msd(2)
    (root / "imagesTr/odd.nii.gz").touch()
    for name in ("BRATS_001", "BRATS_01", "BRATS_003_seg"):
        (tmp_path / "truth").mkdir(exist_ok=True)
        (tmp_path / "truth" / f"{name}.nii.gz").touch()
    told: list[str] = []
    plan_predictions([str(root)], "out", "auto", str(tmp_path / "truth"), say=told.append)
    assert told == [
        f"{root}: left out, as they fit no case: imagesTr/odd.nii.gz",
        f"{tmp_path}/truth: labels of none of the inputs: BRATS_003_seg.nii.gz, BRATS_01.nii.gz",
    ]
    told.clear()
    plan_predictions([str(root)], "out", "auto", str(tmp_path / "truth" / "BRATS_01.nii.gz"), say=told.append)
    assert told[1].endswith("labels of none of the inputs: BRATS_01.nii.gz")
    told.clear()
    plan_predictions([str(root)], "out", "auto", str(root), say=told.append)
    assert told == [f"{root}: left out, as they fit no case: imagesTr/odd.nii.gz"]


def test_what_would_be_lost_is_refused(make_msd: Callable[..., Path], tmp_path: Path) -> None:
    root = make_msd(1)
    scan = root / "imagesTr/BRATS_001.nii.gz"
    with pytest.raises(UsageError, match="is an input"):
        plan_predictions([str(scan)], str(root / "imagesTr"), "auto", None)
    with pytest.raises(UsageError, match="is an input"):
        plan_predictions([str(scan)], str(root / "labelsTr"), "auto", str(root / "labelsTr"))
    with pytest.raises(UsageError, match="two inputs are named BRATS_001"):
        plan_predictions([str(scan), str(root)], str(tmp_path / "out"), "auto", None)
    with pytest.raises(DataError, match=r"the truth .* does not exist"):
        plan_predictions([str(scan)], str(tmp_path / "out"), "auto", str(tmp_path / "nothing"))


@pytest.mark.parametrize(("dtype", "factor"), [(np.int16, 3.2), (np.float32, 5.2)])
def test_memory_stays_within_the_stated_bound(tmp_path: Path, dtype: type, factor: float) -> None:
    """Scaled from 512^3 to 96^3, the worst case: a brain that fills the volume. I is the image's size in int16."""

    class Echo(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :3].clone()

    image = np.random.default_rng(0).integers(1, 99, (96, 96, 96, 4)).astype(dtype)
    nib.save(nib.Nifti1Image(image, AFFINE), tmp_path / "scan.nii")
    num_bytes = image.size * 2
    model = Model(BratsTask(filters=(4, 8), patch_size=(16, 16, 16)), Echo())
    (item,) = plan_predictions([str(tmp_path / "scan.nii")], str(tmp_path / "out"), "auto", None)
    predict_case(model, item)  # first use imports and caches
    tracemalloc.start()
    predict_case(model, item)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    drawing_bytes = 2**22  # does not grow with the volume's depth
    assert peak_bytes < factor * num_bytes + drawing_bytes, peak_bytes / num_bytes


def test_written_codes_are_those_that_dataset_json_names(make_msd: Callable[..., Path]) -> None:
    root = make_msd(1)
    facts = json.loads((root / "dataset.json").read_text())
    facts["labels"] = {"background": 0, "necrosis": 1, "edema": 2, "enhancing": 5}
    (root / "dataset.json").write_text(json.dumps(facts))
    for path in (root, root / "imagesTr"):
        tasks = plan_predictions([str(path)], "out", "auto", str(root / "labelsTr"))
        assert written_codes(tasks) == "0=background 1=core 2=edema 5=enhancing (dataset.json)"
        assert truth_line(tasks) == f"true labels for all 1 cases: {written_codes(tasks)}"
    asked = plan_predictions([str(root)], "out", "brats2021", None)
    assert written_codes(asked) == "0=background 1=core 2=edema 4=enhancing (--label-codes brats2021)"
    assert asked[0].truth_codes.codes == {0: "background", 1: "core", 2: "edema", 5: "enhancing"}


def test_a_truth_whose_codes_nothing_tells_is_asked_about(make_msd: Callable[..., Path]) -> None:
    root = make_msd(1)
    facts = json.loads((root / "dataset.json").read_text())
    del facts["labels"]
    (root / "dataset.json").write_text(json.dumps(facts))
    untold = written_codes(plan_predictions([str(root)], "out", "auto", None))
    assert untold == "0=background 1=edema 2=core 3=enhancing (msd, for lack of any in dataset.json)"
    with pytest.raises(DataError, match=r"names no labels.*--challenge"):
        plan_predictions([str(root)], "out", "auto", str(root / "labelsTr"))
    said = LabelOptions("brats2023")
    tasks = plan_predictions([str(root)], "out", "auto", str(root / "labelsTr"), said)
    codes = "0=background 1=core 2=edema 3=enhancing (--challenge brats2023)"
    assert truth_line(tasks) == f"true labels for all 1 cases: {codes}"


def test_codes_without_one_kind_of_tumour_are_not_written(make_msd: Callable[..., Path]) -> None:
    said = LabelOptions(None, {1: "edema", 2: "edema"})
    with pytest.raises(UsageError, match=r"no code for core; choose others with --label-codes"):
        plan_predictions([str(make_msd(1))], "out", "auto", None, said)


def test_cases_without_a_truth_are_named(make_msd: Callable[..., Path]) -> None:
    root = make_msd(2, 1)
    said = truth_line(plan_predictions([str(root)], "out", "auto", str(root / "labelsTr")))
    assert said.startswith("true labels for 2 of 3 cases, none for BRATS_003: 0=background 1=edema 2=core 3=enhancing")
    (root / "labelsTr" / "BRATS_001.nii.gz").rename(root / "labelsTr" / "odd.nii.gz")
    (root / "labelsTr" / "BRATS_002.nii.gz").unlink()
    none = truth_line(plan_predictions([str(root)], "out", "auto", str(root / "labelsTr")))
    assert none == "true labels for 0 of 3 cases, none for BRATS_001, BRATS_002, BRATS_003"


def test_a_case_whose_name_is_no_utf8_is_told_and_costs_itself(make_msd: Callable[..., Path], tmp_path: Path) -> None:
    images = make_msd(2) / "imagesTr"
    first = next(images.iterdir())
    first.rename(images / "\udce9.nii.gz")
    told: list[str] = []
    tasks = plan_predictions([str(images)], str(tmp_path / "out"), "auto", None, say=told.append)
    assert len(tasks) == 1
    assert told == [rf"{images}: left out, as their paths are no UTF-8 (rename them): \xe9"]
