"""nnU-Net's folders, and paths that lead out of a data set."""

import json
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.errors import DataError
from app.workloads.brats.source.contents import find_inputs, find_source, unlabelled_lines
from app.workloads.volumes.source.case_files import CaseFiles

CHANNELS = {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"}
"""So FLAIR, T1w, T1gd, T2w are 3, 0, 1, 2."""
V2 = {"channel_names": CHANNELS, "labels": {"background": 0, "edema": 1}, "numTraining": 2, "file_ending": ".nii.gz"}


def make_nnunet(root: Path, facts: dict[str, Any], ending: str = ".nii.gz") -> Path:
    """Cases a and b with labels, c without."""
    for folder, names in (("imagesTr", "ab"), ("imagesTs", "c")):
        (root / folder).mkdir(parents=True)
        for name in names:
            for channel in range(4):
                (root / folder / f"{name}_{channel:04d}{ending}").touch()
    (root / "labelsTr").mkdir()
    for name in "ab":
        (root / "labelsTr" / f"{name}{ending}").touch()
    (root / "dataset.json").write_text(json.dumps(facts))
    return root


def expected(root: Path, name: str, folder: str = "imagesTr", label: bool = True) -> CaseFiles:
    images = tuple(f"{root}/{folder}/{name}_000{channel}.nii.gz" for channel in (3, 0, 1, 2))
    return CaseFiles(name, images, f"{root}/labelsTr/{name}.nii.gz" if label else None)


def test_version_2_has_the_cases_of_its_folders(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path, V2)
    found = find_source(str(root))
    assert found.layout == "nnunet"
    assert found.cases == (expected(root, "a"), expected(root, "b"), expected(root, "c", "imagesTs", label=False))
    assert found.label_names == {"background": 0, "edema": 1}
    assert found.strays == ()


@pytest.mark.parametrize(
    "names",
    [
        ["T1-weighted", "T1-CE", "T2-weighted", "T2-FLAIR"],
        {"0": "t1n", "1": "t1c", "2": "t2w", "3": "t2f"},
        {"0": "T1 native", "1": "T1 post-contrast", "2": "T2", "3": "FLAIR"},
    ],
)
def test_channels_are_known_by_many_names(tmp_path: Path, names: object) -> None:
    assert find_source(str(make_nnunet(tmp_path, {**V2, "channel_names": names}))).cases[0] == expected(tmp_path, "a")


def test_version_1_lists_cases_without_their_channels(tmp_path: Path) -> None:
    training = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in "ba"]
    root = make_nnunet(tmp_path, {"modality": CHANNELS, "training": training, "test": ["./imagesTs/c.nii.gz"]})
    found = find_source(str(root))
    assert found.layout == "nnunet"
    assert found.cases == (expected(root, "b"), expected(root, "a"), expected(root, "c", "imagesTs", label=False))


def test_version_2_may_give_each_case_its_files(tmp_path: Path) -> None:
    images = [f"imagesTr/{name}_0000.nii.gz" for name in ("w", "x", "y", "z")]
    root = make_nnunet(tmp_path, {**V2, "dataset": {"own": {"images": images, "label": "labelsTr/a.nii.gz"}}})
    (case,) = find_source(str(root)).cases
    assert case.images == tuple(f"{root}/imagesTr/{name}_0000.nii.gz" for name in "zwxy")
    assert case.label == f"{root}/labelsTr/a.nii.gz"


def test_a_missing_channel_is_named(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path, V2)
    (root / "imagesTr" / "a_0001.nii.gz").unlink()
    assert find_source(str(root)).cases[0] == expected(root, "a")


def test_upper_case_endings_are_read(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path, V2, ".NII.GZ")
    case = find_source(str(root)).cases[0]
    assert case.images[0].endswith("/a_0003.NII.GZ")
    assert str(case.label).endswith("/a.NII.GZ")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({**V2, "channel_names": {"0": "T1", "1": "T2"}}, r"names the channels \['T1', 'T2'\]; expected FLAIR, T1w"),
        ({**V2, "channel_names": {**CHANNELS, "3": "T2"}}, "names the channels"),
        ({**V2, "channel_names": {**CHANNELS, "3": "MRI"}}, "names the channels"),
        ({**V2, "dataset": {"own": {"images": ["a"], "label": "b"}}}, "cannot read the case own"),
        (
            {**V2, "channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "4": "Flair"}},
            "numbers the channels 0, 1, 2, 4; ex",
        ),
        (
            {**V2, "channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "9" * 5000: "Flair"}},
            "numbers the channels 0, 1, 2, 9",
        ),
        (
            {**V2, "dataset": {case: {"images": [*"wxyz"], "label": f"{case}.nii"} for case in "ab"}},
            r"/[wxyz] is listed of two cases, a and b; expected files of each",
        ),
        (
            {**V2, "dataset": {case: {"images": [f"{case}{i}" for i in range(4)], "label": "l"} for case in "ab"}},
            r"/l is listed of two cases, a and b",
        ),
        ({**V2, "dataset": {"own": {"images": ["a", "b", "c", "/etc/passwd"]}}}, "/etc/passwd, which is an absolute"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_source(str(make_nnunet(tmp_path, facts)))


def test_channels_without_a_dataset_json_are_refused_by_name(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path, V2)
    (root / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"as nnU-Net names them: a_0000.nii.gz; its dataset.json says which"):
        find_source(str(root))
    for path in (root / "imagesTr", root / "imagesTr" / "a_0001.nii.gz"):
        with pytest.raises(DataError, match=r"holds channels \(as nnU-Net names them"):
            find_inputs(str(path))


def test_channels_to_segment_are_never_cases_of_their_own(tmp_path: Path) -> None:
    root = make_nnunet(tmp_path, V2)
    whole = find_inputs(str(root / "imagesTr"))
    assert (whole.layout, whole.cases) == (
        "nnunet",
        (expected(root, "a", label=False), expected(root, "b", label=False)),
    )
    one = find_inputs(str(root / "imagesTs" / "c_0002.nii.gz"))
    assert one.cases == (expected(root, "c", "imagesTs", label=False),)
    assert one.label_names == V2["labels"]
    assert [case.id for case in find_inputs(str(root)).cases] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["scan.nii.gz", "a_0000.nii.gz"])
def test_scans_to_segment_that_are_links_out_are_refused(tmp_path: Path, name: str) -> None:
    """4D files, and channels whose dataset.json lies in the folder above."""
    images = make_nnunet(tmp_path / "set", V2) / "imagesTr"
    alone = [*images.iterdir(), tmp_path / "set" / "dataset.json"]
    for path in alone if name == "scan.nii.gz" else [images / name]:
        path.unlink()
    (tmp_path / "secret.nii.gz").touch()
    (images / name).symlink_to(tmp_path / "secret.nii.gz")
    with pytest.raises(DataError, match=rf"{name} is a link to .*secret\.nii\.gz, out of .*--allow-outside"):
        find_inputs(str(images))
    assert find_inputs(str(images), allow_outside=True).cases


@pytest.mark.parametrize("place", ["imagesTs", "imagesTs/x.nii.gz", "ImagesTr", "y.nii.gz"])
def test_4d_files_of_another_order_are_refused_however_they_are_named(tmp_path: Path, place: str) -> None:
    """The file alone, its folder, or one beside dataset.json: T1w would be segmented as FLAIR."""
    for name in ("imagesTs/x.nii.gz", "ImagesTr/z.nii.gz", "y.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    order = ["FLAIR", "T1w", "T1gd", "T2w"]
    facts: dict[str, Any] = {"labels": {"1": "edema"}, "training": []}
    for names, key in product((order, [order[i] for i in (1, 0, 2, 3)]), ("modality", "channel_names")):
        named = {str(i): name for i, name in enumerate(names)}
        (tmp_path / "dataset.json").write_text(json.dumps(facts | {key: named}))
        if names == order:
            assert find_inputs(str(tmp_path / place)).label_names == {"1": "edema"}
            continue
        with pytest.raises(DataError, match=r"names the modalities \['T1w', 'FLAIR', 'T1gd', 'T2w'\]; expected"):
            find_inputs(str(tmp_path / place))


def test_a_4d_file_may_be_named_as_a_channel(tmp_path: Path) -> None:
    (tmp_path / "x_0000.nii.gz").touch()
    (tmp_path / "y_0000.nii.gz").touch()
    assert [case.id for case in find_inputs(str(tmp_path)).cases] == ["x_0000", "y_0000"]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("image", "../secret.nii.gz", "leads out of"),
        ("label", "../secret.nii.gz", "leads out of"),
        ("image", "/secret.nii.gz", "is an absolute path"),
        ("label", "labelsTr/link.nii.gz", "is a link to"),
    ],
)
def test_a_dataset_json_that_names_files_elsewhere(
    make_msd: Callable[..., Path], field: str, value: str, reason: str
) -> None:
    root = make_msd(1)
    (root.parent / "secret.nii.gz").touch()
    os.symlink("../../secret.nii.gz", root / "labelsTr" / "link.nii.gz")
    facts = json.loads((root / "dataset.json").read_text())
    other = {"image": "imagesTr/BRATS_009.nii.gz", "label": "labelsTr/BRATS_009.nii.gz"}
    facts["training"].append({**other, field: value})
    (root / "dataset.json").write_text(json.dumps(facts))
    for find in (find_source, find_inputs):
        with pytest.raises(DataError, match=f"names .*{Path(value).name}, which {reason}.*--allow-outside"):
            find(str(root))
    taken = find_source(str(root), allow_outside=True).cases[1]
    assert (taken.images[0] if field == "image" else taken.label) in (value, f"{root}/{value}")


def test_a_case_folder_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("flair", "t1", "t1ce", "t2", "seg"):
        (tmp_path / "elsewhere" / f"A_{name}.nii.gz").touch()
    (tmp_path / "set").mkdir()
    os.symlink("../elsewhere", tmp_path / "set" / "A")
    with pytest.raises(DataError, match=r"is a link to .*--allow-outside"):
        find_source(str(tmp_path / "set"))
    assert len(find_source(str(tmp_path / "set"), allow_outside=True).cases) == 1


def test_a_label_whose_name_fits_nothing_is_named(tmp_path: Path) -> None:
    for number in (354, 355):
        folder = tmp_path / f"BraTS20_Training_{number}"
        folder.mkdir()
        for name in ("flair", "t1", "t1ce", "t2", "seg"):
            (folder / f"{folder.name}_{name}.nii").touch()
    odd = tmp_path / "BraTS20_Training_355"
    (odd / f"{odd.name}_seg.nii").rename(odd / "W39_1998.09.19_Segm.nii")
    (tmp_path / "name_mapping.csv").touch()
    assert unlabelled_lines(find_source(str(tmp_path))) == [
        "1 of 2 cases have no label: BraTS20_Training_355 (beside it: W39_1998.09.19_Segm.nii)",
        "left out, as they fit no case: BraTS20_Training_355/W39_1998.09.19_Segm.nii",
    ]


def test_labels_beside_no_image_are_named(make_msd: Callable[..., Path]) -> None:
    root = make_msd(2, 7)
    for number in range(7):
        (root / "labelsTr" / f"odd{number}.nii.gz").touch()
    unlabelled, left_out = unlabelled_lines(find_source(str(root)))
    assert unlabelled == "7 of 9 cases have no label: BRATS_003, BRATS_004, BRATS_005, BRATS_006, BRATS_007 and 2 more"
    odd = ", ".join(f"labelsTr/odd{number}.nii.gz" for number in range(5))
    assert left_out == f"left out, as they fit no case: {odd} and 2 more"


def test_names_in_upper_and_mixed_case_are_the_same_case(tmp_path: Path) -> None:
    names = ("A_FLAIR.NII.GZ", "a_T1.nii.gz", "A_t1CE.Nii.Gz", "A_T2.nii", "A_Seg.NII.GZ")
    for name in names:
        (tmp_path / name).touch()
    found = find_source(str(tmp_path))
    (case,) = found.cases
    assert (*case.images, case.label) == tuple(f"{tmp_path}/{name}" for name in names)
    assert (found.layout, case.id, found.strays) == ("brats2021", "A", ())
