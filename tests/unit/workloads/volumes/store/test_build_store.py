"""A store from a whole data set: complete only at the end, what is missing finished, other options refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from quarantine_files import read_quarantine

from app.data import files
from app.data.store.manifest import read_claim
from app.errors import DataError, UsageError
from app.workloads.brats.checks import check
from app.workloads.brats.labels import BRAIN, FILE_CODES
from app.workloads.brats.scans import condition
from app.workloads.brats.store.plan import plan_store
from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.store import prepare
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepare import CaseTask, prepare_or_keep
from app.workloads.volumes.store.prepared import VolumeStore, store_labels

Images = Callable[..., npt.NDArray[np.generic]]
Write = Callable[..., str]
MakeMsd = Callable[..., Path]


def build(source: Path, store: Path, max_bad_fraction: float = 0.2, **options: object) -> list[Case]:
    _, tasks = plan_store(str(source), str(store), **options)  # type: ignore[arg-type]
    return finish_store(str(store), [prepare_or_keep(task) for task in tasks], max_bad_fraction)


def test_a_store_is_complete_only_at_the_end(make_msd: MakeMsd, tmp_path: Path) -> None:
    source, store = make_msd(num_cases=6, num_test=1), tmp_path / "store"
    _, tasks = plan_store(str(source), str(store))
    results = [prepare_or_keep(task) for task in tasks]
    with pytest.raises(DataError, match="never finished"):
        VolumeStore(str(store))
    cases = finish_store(str(store), results, 0.0)
    assert [c.id for c in cases] == [f"BRATS_{i:03d}" for i in range(1, 8)]
    assert sorted(c.split for c in cases) == ["test"] * 1 + ["train"] * 4 + ["unlabelled"] + ["validation"] * 1
    assert [c.to_row() for c in VolumeStore(str(store)).cases] == [c.to_row() for c in cases]
    assert read_quarantine(str(store)) == []


def test_an_interrupted_preparation_finishes_only_what_is_missing(
    make_msd: MakeMsd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, store = make_msd(num_cases=4), str(tmp_path / "store")
    _, tasks = plan_store(str(source), store)
    for task in tasks[:2]:
        prepare_or_keep(task)
    (tmp_path / "store" / "cases" / "BRATS_002.json").unlink()  # as if stopped between frame and record
    anew: list[str] = []
    monkeypatch.setattr(prepare, "condition", lambda c, *how: (anew.append(c.id), condition(c, how[0]))[1])
    build(source, Path(store))
    assert anew == ["BRATS_002", "BRATS_003", "BRATS_004"]
    anew.clear()
    build(source, Path(store))
    assert anew == []


@pytest.mark.parametrize("damage", ["source", "frame", "record"])
def test_what_changed_is_prepared_again(make_msd: MakeMsd, tmp_path: Path, damage: str) -> None:
    source, store = make_msd(num_cases=3), tmp_path / "store"
    before = build(source, store)
    if damage == "source":
        os.utime(source / "imagesTr" / "BRATS_002.nii.gz", ns=(5, 5))
    elif damage == "frame":
        (store / "cases" / "BRATS_002.b2nd").write_bytes(b"short")
    else:
        (store / "cases" / "BRATS_002.json").write_text('{"id": "BRATS_002"}')
    stamp = files.stamp(str(store / "cases" / "BRATS_001.b2nd"))
    build(source, store)
    opened = VolumeStore(str(store))
    assert [c.crc32 for c in opened.cases] == [c.crc32 for c in before]
    opened.read_case(opened.case("BRATS_002"))
    assert files.stamp(str(store / "cases" / "BRATS_001.b2nd")) == stamp


def test_a_bad_case_leaves_the_split_of_the_others_alone(make_msd: MakeMsd, tmp_path: Path) -> None:
    source = make_msd(num_cases=10)
    whole = {c.id: c.split for c in build(source, tmp_path / "a")}
    (source / "imagesTr" / "BRATS_004.nii.gz").write_bytes(b"")
    cases = build(source, tmp_path / "b")
    assert {c.id: c.split for c in cases} == {i: s for i, s in whole.items() if i != "BRATS_004"}
    assert [(q.id, q.reason) for q in read_quarantine(str(tmp_path / "b"))] == [("BRATS_004", "the file is empty")]


def test_too_many_bad_cases_end_the_job(make_msd: MakeMsd, tmp_path: Path) -> None:
    source = make_msd(num_cases=4)
    (source / "imagesTr" / "BRATS_004.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 4 cases are bad"):
        build(source, tmp_path / "store")
    assert len(read_quarantine(str(tmp_path / "store"))) == 1
    assert len(build(source, tmp_path / "store", max_bad_fraction=0.25)) == 3


@pytest.mark.parametrize("options", [{"seed": 1}, {"split": "in-order"}])
def test_a_store_of_other_options_is_refused(make_msd: MakeMsd, tmp_path: Path, options: dict[str, object]) -> None:
    source = make_msd(num_cases=3)
    build(source, tmp_path / "store")
    with pytest.raises(UsageError, match=r"was made with .*, now"):
        plan_store(str(source), str(tmp_path / "store"), **options)  # type: ignore[arg-type]


def test_the_order_of_the_data_set_can_decide_the_split(make_msd: MakeMsd, tmp_path: Path) -> None:
    cases = build(make_msd(num_cases=10), tmp_path / "store", split="in-order")
    assert [c.split for c in cases] == ["train"] * 7 + ["validation"] * 2 + ["test"]


def test_a_source_without_labels_is_refused(make_msd: MakeMsd, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has a label"):
        plan_store(str(make_msd(num_cases=0, num_test=2)), str(tmp_path / "store"))


def test_a_store_in_an_object_store(make_msd: MakeMsd, tmp_path: Path) -> None:
    source, remote = make_msd(num_cases=3), f"memory://{tmp_path.name}/store"
    layout, tasks = plan_store(str(source), remote)
    finish_store(remote, [prepare_or_keep(t) for t in tasks], 0.0)
    local = build(source, tmp_path / "store")
    opened = VolumeStore(remote)
    assert [c.to_row() for c in opened.cases] == [c.to_row() for c in local]
    kept = [prepare_or_keep(CaseTask(t.files, layout, "test", remote, FILE_CODES[layout], BRAIN)) for t in tasks]
    assert {c.split for c in kept if isinstance(c, Case)} == {"test"}


def test_classes_are_those_that_dataset_json_names(make_msd: MakeMsd, tmp_path: Path) -> None:
    """The conftest's label has 152 voxels of 1, 8 of 2 and 56 of 3."""
    source = make_msd(3)
    facts = json.loads((source / "dataset.json").read_text())
    facts["labels"] = {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing tumor"}
    (source / "dataset.json").write_text(json.dumps(facts))
    for case in build(source, tmp_path / "store"):
        assert case.num_voxels[1:] == (152, 8, 56)  # core, edema, enhancing
        assert case.labels == "0=background 1=core 2=edema 3=enhancing"
    assert files.read_json(str(tmp_path / "store" / "store.json"))["labels"] == case.labels
    assert store_labels(str(tmp_path / "store")) == case.labels
    assert check({}, str(tmp_path / "store")).labels == case.labels  # so in the record, report and export of a training
    with pytest.raises(UsageError, match=r"was made with labels '0=background 1=core .*, now '0=background 1=edema"):
        plan_store(str(make_msd(3)), str(tmp_path / "store"))


def test_a_store_made_before_labels_were_noted_is_told_apart(make_msd: MakeMsd, tmp_path: Path) -> None:
    source, store = make_msd(3), tmp_path / "store"
    build(source, store)
    options = read_claim(str(store))
    del options["labels"]
    files.write_json(str(store / "store.json"), {**options, "format": 1})
    with pytest.raises(UsageError, match=r"was made with format 1, now .*labels None, now '0=background 1=edema"):
        plan_store(str(source), str(store))


def test_nnunets_channels_give_what_the_4d_file_gives(
    case: CaseFiles, tmp_path: Path, write_nifti: Write, image_xyzc: Images, label_xyz: npt.NDArray[np.uint8]
) -> None:
    root, channels = tmp_path / "nnunet", ("T1", "T1ce", "T2", "Flair")
    for number, modality in enumerate((1, 2, 3, 0)):  # of FLAIR, T1w, T1gd, T2w
        write_nifti(root / "imagesTr" / f"A_{number:04d}.nii.gz", image_xyzc(0)[..., modality])
    write_nifti(root / "labelsTr" / "A.nii.gz", label_xyz)
    labels = {"background": 0, "edema": 1, "NCR": 2, "ET": 3}
    facts = {"channel_names": dict(enumerate(channels)), "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(facts))
    (row,) = build(root, tmp_path / "store")
    assert (row.layout, row.num_voxels[1:]) == ("nnunet", (8, 152, 56))
    store = VolumeStore(str(tmp_path / "store"))
    image, label = store.read_case(store.case("A"))
    straight = condition(case, "msd")
    assert (image == straight.image).all()
    assert (label == straight.label).all()
