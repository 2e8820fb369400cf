import json
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from app.errors import DataError
from app.workloads.brats.source.contents import (
    detect_layout,
    find_inputs,
    find_source,
    left_out_lines,
    unlabelled_lines,
)
from app.workloads.volumes.source.case_files import CaseFiles

NAMES = {
    "brats2021": ("BraTS2021_{i:05d}", "_", ("flair", "t1", "t1ce", "t2")),
    "brats2023": ("BraTS-GLI-{i:05d}-000", "-", ("t2f", "t1n", "t1c", "t2w")),
}


def make_folders(root: Path, layout: str, num_cases: int = 2, ending: str = ".nii.gz", label: bool = True) -> list[str]:
    pattern, separator, names = NAMES[layout]
    ids = [pattern.format(i=i) for i in range(num_cases)]
    for case in ids:
        (root / case).mkdir(parents=True)
        for name in (*names, *(["seg"] if label else [])):
            (root / case / f"{case}{separator}{name}{ending}").touch()
    return ids


def test_msd_keeps_the_order_of_its_description(make_msd: Callable[..., Path]) -> None:
    root = make_msd(num_cases=2, num_test=1)
    facts = json.loads((root / "dataset.json").read_text())
    facts["training"].reverse()
    (root / "dataset.json").write_text(json.dumps(facts))
    layout, cases = detect_layout(str(root))
    assert layout == "msd"
    assert [c.id for c in cases] == ["BRATS_002", "BRATS_001", "BRATS_003"]
    assert cases[0].images == (f"{root}/imagesTr/BRATS_002.nii.gz",)
    assert cases[0].label == f"{root}/labelsTr/BRATS_002.nii.gz"
    assert cases[2] == CaseFiles("BRATS_003", (f"{root}/imagesTs/BRATS_003.nii.gz",), None)


def test_the_folder_around_an_msd_data_set_will_do(make_msd: Callable[..., Path]) -> None:
    root = make_msd()
    assert detect_layout(str(root.parent)) == detect_layout(str(root))


@pytest.mark.parametrize("layout", list(NAMES))
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_folders_of_one_file_a_modality(tmp_path: Path, layout: str, ending: str) -> None:
    ids = make_folders(tmp_path, layout, ending=ending)
    (tmp_path / "name_mapping.csv").touch()
    (tmp_path / ids[0] / f"._{ids[0]}_flair{ending}").touch()  # what a Mac leaves
    found, cases = detect_layout(str(tmp_path))
    _, separator, names = NAMES[layout]
    assert found == layout
    assert [c.id for c in cases] == ids
    assert cases[0].images == tuple(f"{tmp_path}/{ids[0]}/{ids[0]}{separator}{n}{ending}" for n in names)
    assert cases[0].label == f"{tmp_path}/{ids[0]}/{ids[0]}{separator}seg{ending}"


def test_cases_without_a_label_have_none(tmp_path: Path) -> None:
    make_folders(tmp_path, "brats2021", label=False)
    assert [c.label for c in detect_layout(str(tmp_path))[1]] == [None, None]


def test_a_missing_modality_is_named_and_missed_on_reading(tmp_path: Path) -> None:
    ids = make_folders(tmp_path, "brats2021")
    missing = tmp_path / ids[0] / f"{ids[0]}_t1ce.nii.gz"
    missing.unlink()
    assert detect_layout(str(tmp_path))[1][0].images[2] == str(missing)


def test_a_source_in_an_object_store(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("flair", "t1", "t1ce", "t2", "seg"):
        memory.pipe_file(f"/{tmp_path.name}/A/A_{name}.nii.gz", b"x")
    layout, cases = detect_layout(f"memory://{tmp_path.name}")
    assert layout == "brats2021"
    assert [c.id for c in cases] == ["A"]
    assert cases[0].images[0].startswith("memory://")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "saw no file at all; expected one of: dataset.json"),
        (["a/x.dcm", "readme.txt"], "saw a/x.dcm, readme.txt; expected"),
        (["A_flair.nii.gz", "B-t2f.nii.gz"], "mixes layouts"),
        (["a/A_flair.nii.gz", "b/A_flair.nii.gz"], "two cases are named A"),
    ],
)
def test_what_is_no_layout_is_described(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=message):
        detect_layout(str(tmp_path))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("[]", "is not an object"),
        ('{"training": 3}', "no list `training`"),
        ('{"training": [], "modality": {"0": "FLAIR", "1": "T1w", "2": "T1gd", "3": "T2w"}}', "has no case"),
        ('{"training": [], "modality": {"0": "MRI"}}', r"names the modalities \['MRI'\]"),
        ("{", "is damaged"),
    ],
)
def test_a_wrong_description_is_explained(tmp_path: Path, facts: str, message: str) -> None:
    (tmp_path / "dataset.json").write_text(facts)
    with pytest.raises(DataError, match=message):
        detect_layout(str(tmp_path))


@pytest.mark.parametrize("entry", [3, {"label": "x"}, {"image": 3}, {"image": "a.nii", "label": 3}])
def test_a_wrong_entry_is_shown(make_msd: Callable[..., Path], entry: object) -> None:
    path = make_msd() / "dataset.json"
    facts = json.loads(path.read_text())
    facts["training"].append(entry)
    path.write_text(json.dumps(facts))
    with pytest.raises(DataError, match="cannot read the entry"):
        detect_layout(str(path.parent))


def test_two_data_sets_ask_for_a_choice(make_msd: Callable[..., Path]) -> None:
    make_msd(name="a")
    root = make_msd(name="b")
    with pytest.raises(DataError, match="several data sets"):
        detect_layout(str(root.parent))


def test_a_missing_source_and_a_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "x.nii.gz").touch()
    with pytest.raises(DataError, match="does not exist"):
        detect_layout(str(tmp_path / "gone"))
    with pytest.raises(DataError, match="is a file"):
        detect_layout(str(tmp_path / "x.nii.gz"))


def test_inputs_to_segment(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "scan.nii.gz").touch()
    (plain / "notes.txt").touch()
    single = ("msd", (CaseFiles("scan", (str(plain / "scan.nii.gz"),), None),))
    for path in (plain / "scan.nii.gz", plain):
        found = find_inputs(str(path))
        assert (found.layout, found.cases) == single


def test_one_modality_file_brings_its_siblings(tmp_path: Path) -> None:
    ids = make_folders(tmp_path, "brats2023")
    found = find_inputs(str(tmp_path / ids[1] / f"{ids[1]}-t1c.nii.gz"))
    assert found.layout == "brats2023"
    assert list(found.cases) == [c for c in detect_layout(str(tmp_path))[1] if c.id == ids[1]]


def test_a_folder_in_a_known_layout_is_input_too(tmp_path: Path) -> None:
    make_folders(tmp_path, "brats2021")
    found = find_inputs(str(tmp_path))
    assert (found.layout, list(found.cases)) == detect_layout(str(tmp_path))


def test_inputs_that_are_no_volumes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="not a NIfTI file"):
        find_inputs(str(tmp_path / "a.png"))
    with pytest.raises(DataError, match="has an unrecognized layout"):
        find_inputs(str(tmp_path))
    with pytest.raises(DataError, match="does not exist"):
        find_inputs(str(tmp_path / "gone.nii"))


def test_a_case_whose_name_is_no_utf8_costs_itself_and_is_told(tmp_path: Path) -> None:
    """It ended prepare in a trace, when patients were split and when the manifest was written."""
    first, second = make_folders(tmp_path, "brats2021")
    (tmp_path / first).rename(tmp_path / "r\udce9mi")
    found = find_source(str(tmp_path))
    assert [case.id for case in found.cases] == [second]
    assert unlabelled_lines(found) == [f"left out, as their paths are no UTF-8 (rename them): {first}"]
    assert len(find_inputs(str(tmp_path)).cases) == 2  # of those to segment the name alone is written
    (tmp_path / second).rename(tmp_path / "\udce9")
    with pytest.raises(DataError, match=f"the paths of all 2 cases are no UTF-8: rename {first}, or the folder above"):
        find_source(str(tmp_path))
    (tmp_path / "r\udce9mi" / "\udce9_t1.nii.gz").touch()
    assert find_inputs(str(tmp_path)).misnamed == (r"\xe9",)


def test_a_scan_to_segment_whose_name_is_no_utf8_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "\udce9.nii.gz").touch()
    for path in (tmp_path, tmp_path / "\udce9.nii.gz"):
        with pytest.raises(DataError, match=r"all 1 cases are no UTF-8: rename \\xe9"):
            find_inputs(str(path))


def test_volumes_of_other_formats_are_counted(tmp_path: Path) -> None:
    """As of BraTS 2015, or what a viewer saved: nothing is left out without a word."""
    line = "left out, as they are no NIfTI files (.nii.gz or .nii): 2 .mha, 1 .img.gz"
    make_folders(tmp_path, "brats2021")
    for name in ("A/flair.MHA", "t1.mha", "x.img.gz", "LICENSE", "names.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert unlabelled_lines(find_source(str(tmp_path))) == [line]
    for path in tmp_path.rglob("*_*.nii.gz"):
        path.unlink()
    (tmp_path / "scan.nii.gz").touch()
    assert left_out_lines(find_inputs(str(tmp_path))) == [line]
