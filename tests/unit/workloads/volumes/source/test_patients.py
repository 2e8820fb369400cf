"""All scans of a patient in one split: by their names, by a file, and against people's own splits."""

import json
from pathlib import Path

import pytest

from app.data.samples.splits import SplitRule, torn_groups
from app.errors import DataError, UsageError
from app.workloads.volumes.source.patients import SplitOptions, assign, patient_of

IDS = [f"BraTS-GLI-{patient:05d}-{time:03d}" for patient in range(20) for time in range(100, 100 + 1 + patient % 3)]


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("BraTS-GLI-02101-100", "BraTS-GLI-02101"),
        ("BraTS-MEN-RT-0002-1", "BraTS-MEN-RT-0002"),
        ("UPENN-GBM-00012_21", "UPENN-GBM-00012"),
        ("UCSF-PDGM-0004_FU003d", "UCSF-PDGM-0004"),
        ("TCGA-02-0006_1996.08.23", "TCGA-02-0006"),
        ("sub-01_ses-02", "sub-01"),
        ("brats-gli-02101-100", "brats-gli-02101"),
        ("PatientID_0003_Timepoint_1", "PatientID_0003"),
        ("Patient-001_week-000-1", "Patient-001"),
        ("glioma_17_tp2", "glioma_17"),
        ("week_3", "week_3"),
        ("site3_visit1_patient07", "site3_visit1_patient07"),
        ("scan_tp_12", "scan_tp_12"),
        ("BraTS2021_00000", "BraTS2021_00000"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BRATS_001", "BRATS_001"),
        ("BraTS-GLI-02101", "BraTS-GLI-02101"),
    ],
)
def test_names_that_tell_the_patient(name: str, patient: str) -> None:
    assert patient_of(name) == patient


def test_a_patient_is_one_in_upper_and_lower_case() -> None:
    ids = ["BraTS-GLI-00005-000", "brats-gli-00005-001", "BraTS-GLI-00006-000", "BRATS-GLI-00006-001"]
    found = assign(ids, ids, SplitOptions("in-order"))
    assert list(found.patients.values()) == ["BraTS-GLI-00005"] * 2 + ["BraTS-GLI-00006"] * 2
    assert torn_groups(found.splits, found.patients) == {}


@pytest.mark.parametrize("rule", ["seeded", "in-order", "folds"])
@pytest.mark.parametrize("seed", range(3))
def test_no_rule_tears_a_patient(rule: SplitRule, seed: int) -> None:
    found = assign([*IDS, "later"], IDS, SplitOptions(rule, seed))
    assert torn_groups(found.splits, {i: i.rpartition("-")[0] for i in IDS}) == {}
    assert set(found.splits.values()) == {"train", "validation", "test", "unlabelled"}
    assert found.splits["later"] == "unlabelled"
    assert found.patients["BraTS-GLI-00002-101"] == "BraTS-GLI-00002"


def test_what_is_told_and_what_tells_stores_apart() -> None:
    """By hand: 20 patients give 14, 3 and 3; the first 14 have 4 * (1 + 2 + 3) + 1 + 2 scans."""
    found = assign(IDS, IDS, SplitOptions("in-order"))
    assert found.told == (
        "patients: 39 cases are of 20 (by their names; --patients FILE says it otherwise)",
        "split (in-order): train 27 cases of 14 patients, validation 6 cases of 3 patients, test 6 cases of 3 patients",
    )
    assert found.facts == {"split": "in-order", "seed": None, "fold": None, "patients": "by name"}
    folds = assign(IDS, IDS, SplitOptions("folds", 4, num_folds=6, fold=2))
    assert folds.facts == {"split": "folds", "seed": 4, "fold": "2 of 6", "patients": "by name"}


def test_a_file_says_whose_scan_a_case_is(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("case,patient\na,X\nb,X\nc,Y\nd,X\n")
    found = assign(["a", "b", "c", "d"], ["a", "b", "c", "d"], SplitOptions("in-order", patients=str(path)))
    assert found.splits == {"a": "train", "b": "train", "c": "validation", "d": "train"}
    assert str(found.facts["patients"]).startswith("patients.csv, SHA-256 ")
    before = found.facts
    path.write_text("case,patient\na,X\nb,X\nc,Y\nd,Y\n")
    assert assign(["a", "b", "c", "d"], ["a"], SplitOptions("in-order", patients=str(path))).facts != before
    with pytest.raises(DataError, match=r"does not name 1 of 5 cases: e"):
        assign(["a", "b", "c", "d", "e"], ["a"], SplitOptions(patients=str(path)))


def test_a_split_of_ones_own_may_not_tear_a_patient_unless_patients_are_set_aside(tmp_path: Path) -> None:
    first, second, other = "BraTS-GLI-00001-100", "BraTS-GLI-00001-101", "BraTS-GLI-00002-100"
    path = tmp_path / "splits_final.json"
    path.write_text(
        json.dumps([{"train": [first, other], "val": [second]}, {"train": [first, second], "val": [other]}])
    )
    ids = [first, second, other]
    with pytest.raises(DataError, match=r"BraTS-GLI-00001 into train and validation; .* --patients none"):
        assign(ids, ids, SplitOptions(splits=str(path)))
    alone = assign(ids, ids, SplitOptions(splits=str(path), patients="none"))
    assert alone.splits == {first: "train", second: "validation", other: "train"}
    whole = assign(ids, ids, SplitOptions(splits=str(path), fold=1))
    assert whole.splits == {first: "train", second: "train", other: "validation"}
    assert (whole.facts["seed"], whole.facts["fold"]) == (None, "1 of 2")


def test_a_file_and_a_rule_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of them"):
        assign(["a"], ["a"], SplitOptions("folds", splits=str(tmp_path / "splits.csv")))


def test_a_fold_of_what_has_none_is_refused(tmp_path: Path) -> None:
    """It would be one and the same split for each fold."""
    with pytest.raises(UsageError, match="got --fold 2, but --split seeded is one split and has no folds"):
        assign(IDS, IDS, SplitOptions(fold=2))
    path = tmp_path / "splits.csv"
    path.write_text("case,split\n" + "".join(f"{i},train\n" for i in IDS))
    with pytest.raises(UsageError, match=r"got --fold 1, but --splits .*splits\.csv is one split"):
        assign(IDS, IDS, SplitOptions(splits=str(path), fold=1))
    assert set(assign(IDS, IDS, SplitOptions(splits=str(path))).splits.values()) == {"train"}
