"""Synthetic sets: the real formats, the same bytes on any number of processes, and hard enough to need context."""

import json
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from app.errors import UsageError
from app.workloads.brats.labels import CORE, EDEMA, ENHANCING, Layout, to_internal
from app.workloads.brats.source.contents import detect_layout
from app.workloads.brats.synthetic.case import SyntheticCase, make_case
from app.workloads.brats.synthetic.data_sets import (
    SyntheticSet,
    describe_msd,
    finish_set,
    list_cases,
    open_set,
    write_cases,
)

SHAPE = (36, 32, 28)
FLAIR, T1, T1GD, T2 = range(4)


def write(folder: Path, which: SyntheticSet, num_processes: int = 1) -> list[str]:
    done = list(write_cases(str(folder), which, open_set(str(folder), which), num_processes))
    finish_set(str(folder), which)
    return done


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.nii.gz")}


@cache
def sample(index: int) -> SyntheticCase:
    return make_case(0, index, (56, 64, 64))


NUM_SAMPLES = 16


def test_msd_as_distributed(tmp_path: Path) -> None:
    write(tmp_path, SyntheticSet(num_cases=2, num_test_cases=1, shape=SHAPE))
    assert sorted(contents(tmp_path)) == [
        "imagesTr/BRATS_001.nii.gz",
        "imagesTr/BRATS_002.nii.gz",
        "imagesTs/BRATS_485.nii.gz",
        "labelsTr/BRATS_001.nii.gz",
        "labelsTr/BRATS_002.nii.gz",
    ]
    image, label = (nib.load(tmp_path / f / "BRATS_001.nii.gz") for f in ("imagesTr", "labelsTr"))
    assert image.shape == (*SHAPE, 4)
    assert label.shape == SHAPE
    assert (image.get_data_dtype(), label.get_data_dtype()) == (np.int16, np.uint8)
    for volume in (image, label):
        np.testing.assert_array_equal(volume.affine, np.eye(4))
        assert volume.header.get_zooms()[:3] == (1, 1, 1)
        assert volume.header.get_xyzt_units() == ("mm", "sec")
        assert (int(volume.header["qform_code"]), int(volume.header["sform_code"])) == (1, 1)
    assert set(np.unique(label.dataobj)) <= {0, 1, 2, 3}


def test_dataset_json_has_the_real_keys() -> None:
    facts = describe_msd(SyntheticSet(num_cases=2, num_test_cases=1))
    assert list(facts) == [
        "name", "description", "reference", "licence", "release", "tensorImageSize", "modality", "labels",
        "numTraining", "numTest", "training", "test",
    ]  # fmt: skip
    assert facts["modality"] == {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    assert facts["labels"] == {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
    assert facts["training"][1] == {"image": "./imagesTr/BRATS_002.nii.gz", "label": "./labelsTr/BRATS_002.nii.gz"}
    assert facts["test"] == ["./imagesTs/BRATS_485.nii.gz"]
    assert (facts["numTraining"], facts["numTest"]) == (2, 1)


@pytest.mark.parametrize(
    ("layout", "first", "test"),
    [("brats2021", "BraTS2021_00000", "BraTS2021_01667"), ("brats2023", "BraTS-GLI-00000-000", "BraTS-GLI-01667-000")],
)
def test_folder_layouts(tmp_path: Path, layout: Layout, first: str, test: str) -> None:
    write(tmp_path, SyntheticSet(layout, num_cases=1, num_test_cases=1, shape=SHAPE))
    found, cases = detect_layout(str(tmp_path))
    assert found == layout
    assert [(case.id, case.label is not None) for case in cases] == [(first, True), (test, False)]
    made = make_case(0, 0, SHAPE[::-1])
    for modality, path in enumerate(cases[0].images):
        volume = nib.load(path)
        assert nib.aff2axcodes(volume.affine) == ("L", "P", "S")
        np.testing.assert_array_equal(volume.affine[:3, 3], [0, SHAPE[1] - 1, 0])
        np.testing.assert_array_equal(nib.as_closest_canonical(volume).dataobj, made.image[modality].T)
    label = np.asarray(nib.as_closest_canonical(nib.load(cases[0].label)).dataobj)
    assert set(np.unique(label)) == ({0, 1, 2, 4} if layout == "brats2021" else {0, 1, 2, 3})
    np.testing.assert_array_equal(to_internal(label, layout), made.label.T)


def test_msd_holds_the_modalities_in_order_and_its_own_codes(tmp_path: Path) -> None:
    write(tmp_path, SyntheticSet(num_cases=1, num_test_cases=0, shape=SHAPE))
    made = make_case(0, 1, SHAPE[::-1])
    image, label = (np.asarray(nib.load(tmp_path / f / "BRATS_001.nii.gz").dataobj) for f in ("imagesTr", "labelsTr"))
    np.testing.assert_array_equal(image, made.image.T)
    np.testing.assert_array_equal(label == 1, made.label.T == EDEMA)
    np.testing.assert_array_equal(label == 2, made.label.T == CORE)


def test_bytes_do_not_depend_on_processes_or_the_number_of_cases(tmp_path: Path) -> None:
    write(tmp_path / "alone", SyntheticSet(num_cases=2, num_test_cases=1, shape=SHAPE, seed=7))
    write(tmp_path / "more", SyntheticSet(num_cases=3, num_test_cases=2, shape=SHAPE, seed=7), num_processes=2)
    alone, more = contents(tmp_path / "alone"), contents(tmp_path / "more")
    assert len(alone) == 5
    assert alone == {path: more[path] for path in alone}
    assert len(set(more.values())) == len(more) == 8  # no two cases are the same
    write(tmp_path / "other", SyntheticSet(num_cases=2, num_test_cases=1, shape=SHAPE, seed=8))
    assert not set(contents(tmp_path / "other").values()) & set(alone.values())


def test_interrupted_set_is_finished(tmp_path: Path) -> None:
    which = SyntheticSet(num_cases=3, num_test_cases=0, shape=SHAPE)
    write(tmp_path, which)
    whole = contents(tmp_path)
    kept = (tmp_path / "imagesTr" / "BRATS_001.nii.gz").stat()
    (tmp_path / "labelsTr" / "BRATS_002.nii.gz").unlink()
    (tmp_path / "dataset.json").unlink()
    assert write(tmp_path, which) == ["BRATS_002"]
    assert contents(tmp_path) == whole
    assert (tmp_path / "imagesTr" / "BRATS_001.nii.gz").stat() == kept
    assert json.loads((tmp_path / "dataset.json").read_text())["numTraining"] == 3


def test_folders_with_something_else_are_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="exists and holds something else"):
        open_set(str(mine), SyntheticSet())
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]
    open_set(str(tmp_path / "set"), SyntheticSet(seed=1))
    with pytest.raises(UsageError, match=r"holds another synthetic set \(seed 1 there, 2 wanted\)"):
        open_set(str(tmp_path / "set"), SyntheticSet(seed=2))


def test_test_cases_never_share_a_number_with_training_cases() -> None:
    ids = [case.id for case in list_cases(SyntheticSet(num_cases=600, num_test_cases=2))]
    assert ids[-2:] == ["BRATS_601", "BRATS_602"]
    assert len(set(ids)) == 602


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_cases": -1}, "got -1 cases"),
        ({"num_cases": 0, "num_test_cases": 0}, "not both 0"),
        ({"shape": (240, 240, 3)}, "at least 24 along each axis"),
        ({"seed": -1}, "got seed -1"),
    ],
)
def test_impossible_sets_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SyntheticSet(**wrong)  # type: ignore[arg-type]


def test_background_is_zero_in_all_modalities_and_the_brain_in_none() -> None:
    for index in range(4):
        case = sample(index)
        brain = case.image[0] != 0
        for modality in case.image[1:]:
            np.testing.assert_array_equal(modality != 0, brain)
        assert 0.1 < brain.mean() < 0.3  # 0.16 of a real volume of 240 x 240 x 155 is brain
        assert not (case.label[~brain]).any()
        assert (case.image >= 0).all()


def test_tumours_are_nested_as_gliomas_are() -> None:
    """Around the core lies tumour, around the necrosis of an enhancing tumour lies core."""
    around_core, around_necrosis = [], []
    for index in range(NUM_SAMPLES):
        case = sample(index)
        brain = case.image[0] != 0
        core = (case.label == CORE) | (case.label == ENHANCING)
        shell = ndimage.binary_dilation(core) & ~core & brain
        around_core.append((case.label[shell] == EDEMA).mean())
        necrosis = case.label == CORE
        if necrosis.any() and (case.label == ENHANCING).any():
            shell = ndimage.binary_dilation(necrosis) & ~necrosis
            around_necrosis.append((case.label[shell] == ENHANCING).mean())
        share = (case.label > 0).sum() / brain.sum()
        assert 0.002 < share < 0.35
    assert np.mean(around_core) > 0.5
    assert np.mean(around_necrosis) > 0.6


def test_shares_of_tumours_without_enhancement_and_without_necrosis() -> None:
    labels = [make_case(3, index, (32, 32, 32)).label for index in range(80)]
    assert all((label > 0).any() for label in labels)
    without_enhancing = sum(not (label == ENHANCING).any() for label in labels)
    without_necrosis = sum(not (label == CORE).any() for label in labels)
    assert 3 <= without_enhancing <= 22  # 12 expected, three standard deviations of 3.2
    assert 1 <= without_necrosis <= 16


def test_tissues_are_as_bright_as_radiology_has_them() -> None:
    codes = (CORE, EDEMA, ENHANCING)
    means = np.array([[[_mean_z(sample(i), m, c) for c in codes] for i in range(NUM_SAMPLES)] for m in range(4)])
    core, edema, enhancing = np.moveaxis(np.nanmean(means, axis=1), 1, 0)
    assert edema[FLAIR] > 0.8  # bright
    assert edema[FLAIR] > core[FLAIR] + 1  # fluid in the necrosis is suppressed
    assert edema[T2] > 0.3
    assert core[T2] > edema[T2]
    assert core[T1] < edema[T1] < -0.1  # dark, even among grey matter and CSF
    assert enhancing[T1GD] > 1
    assert enhancing[T1GD] > enhancing[T1] + 1  # what gadolinium adds


def test_no_threshold_finds_the_tumour() -> None:
    """Even the best threshold of each case, chosen with the truth at hand, is far from a segmentation."""
    for modality in range(4):
        best = [_best_threshold_dice(sample(i), modality) for i in range(NUM_SAMPLES)]
        assert np.mean(best) < 0.6, modality  # measured: 0.47 on FLAIR, 0.24 and less elsewhere


def _z_scores(case: SyntheticCase, modality: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    brain = case.image[modality] != 0
    values = case.image[modality][brain].astype(np.float64)
    return (values - values.mean()) / values.std(), case.label[brain]


def _mean_z(case: SyntheticCase, modality: int, code: int) -> float:
    values, label = _z_scores(case, modality)
    return float(values[label == code].mean()) if (label == code).any() else np.nan


def _best_threshold_dice(case: SyntheticCase, modality: int) -> float:
    """Over all thresholds, above or below."""
    values, label = _z_scores(case, modality)
    whole = label[np.argsort(values)] > 0
    counts = np.arange(1, whole.size + 1)
    below = 2 * np.cumsum(whole) / (counts + whole.sum())
    above = 2 * np.cumsum(whole[::-1]) / (counts + whole.sum())
    return float(max(below.max(), above.max()))
