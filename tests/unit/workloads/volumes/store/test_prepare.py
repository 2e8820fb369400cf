import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quarantine_files import read_quarantine

from app.data import files
from app.data.store.manifest import read_claim
from app.data.store.quarantine import Quarantined
from app.errors import DataError, UsageError
from app.workloads.brats.checks import check
from app.workloads.brats.labels import BRAIN, FILE_CODES
from app.workloads.brats.scans import condition
from app.workloads.brats.store.plan import plan_store
from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.store import prepare
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepare import CaseTask, prepare_case, prepare_or_keep
from app.workloads.volumes.store.prepared import VolumeStore, store_labels

Images = Callable[..., npt.NDArray[np.generic]]
Write = Callable[..., str]
MakeMsd = Callable[..., Path]

BOX_START_ZYX, BOX_SHAPE_ZYX = (1, 2, 3), (13, 15, 18)
"""Of the conftest's brain, by hand."""


def prepared(case: CaseFiles, store: Path, layout: str = "msd") -> Case:
    result = prepare_case(CaseTask(case, layout, "train", str(store), FILE_CODES[layout], BRAIN))  # type: ignore[arg-type]
    assert isinstance(result, Case), result
    return result


def build(source: Path, store: Path, max_bad_fraction: float = 0.2, **options: object) -> list[Case]:
    _, tasks = plan_store(str(source), str(store), **options)  # type: ignore[arg-type]
    return finish_store(str(store), [prepare_or_keep(task) for task in tasks], max_bad_fraction)


@pytest.fixture
def case(tmp_path: Path, write_nifti: Write, image_xyzc: Images, label_xyz: npt.NDArray[np.uint8]) -> CaseFiles:
    """One MSD case."""
    image = write_nifti(tmp_path / "raw" / "A.nii.gz", image_xyzc(0))
    return CaseFiles("A", (image,), write_nifti(tmp_path / "raw" / "A_label.nii.gz", label_xyz))


def test_a_case_is_cropped_to_the_brain_and_described(case: CaseFiles, tmp_path: Path, image_xyzc: Images) -> None:
    row = prepared(case, tmp_path / "store")
    assert (row.crop_start, row.crop_shape) == (BOX_START_ZYX, BOX_SHAPE_ZYX)
    assert (row.file_shape, row.shape_zyx, row.orientation) == ((24, 20, 16), (16, 20, 24), "RAS")
    assert row.num_voxels == (24 * 20 * 16 - 216, 8, 216 - 64, 64 - 8)  # core, edema, enhancing
    brain = image_xyzc(0)[3:21, 2:17, 1:14].astype(np.float64)
    assert np.allclose(row.mean, brain.mean(axis=(0, 1, 2)))
    assert np.allclose(row.std, brain.std(axis=(0, 1, 2)))
    assert row.scale == (1, 1, 1, 1)
    frame = tmp_path / "store" / row.file
    assert frame.stat().st_size == row.num_bytes


def test_voxels_are_kept_exactly(
    case: CaseFiles, tmp_path: Path, image_xyzc: Images, label_xyz: npt.NDArray[np.uint8]
) -> None:
    conditioned = condition(case, "msd")
    whole = np.zeros((4, 16, 20, 24), np.int16)
    box = tuple(slice(a, a + n) for a, n in zip(BOX_START_ZYX, BOX_SHAPE_ZYX, strict=True))
    whole[(slice(None), *box)] = conditioned.image
    assert (image_xyzc(0) == whole.T).all()
    assert conditioned.label is not None
    msd_to_internal = np.array([0, 2, 1, 3])
    assert (conditioned.label == msd_to_internal[label_xyz].T[box]).all()


def test_a_label_outside_of_the_brain_is_kept(
    tmp_path: Path, write_nifti: Write, image_xyzc: Images, label_xyz: npt.NDArray[np.uint8]
) -> None:
    label_xyz[0, 0, 0] = 1
    files_ = CaseFiles(
        "A", (write_nifti(tmp_path / "i.nii.gz", image_xyzc(0)),), write_nifti(tmp_path / "l.nii.gz", label_xyz)
    )
    conditioned = condition(files_, "msd")
    assert conditioned.crop_start == (0, 0, 0)
    assert conditioned.label is not None
    assert conditioned.label[0, 0, 0] == 2


@pytest.mark.parametrize("codes", ["LPS", "PIR", "SAL"])
def test_any_orientation_gives_the_same_voxels(case: CaseFiles, tmp_path: Path, write_nifti: Write, codes: str) -> None:
    turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes))

    def turned(path: str, name: str) -> str:
        image = nib.load(path).as_reoriented(turn)
        return write_nifti(tmp_path / codes / name, np.asarray(image.dataobj), image.affine)

    assert case.label is not None
    other = CaseFiles("A", (turned(case.images[0], "i.nii.gz"),), turned(case.label, "l.nii.gz"))
    straight, crooked = condition(case, "msd"), condition(other, "msd")
    assert (straight.voxels == crooked.voxels).all()
    assert (straight.crop_start, straight.spacing_mm) == (crooked.crop_start, crooked.spacing_mm)
    assert prepared(other, tmp_path / "store").orientation == codes


@pytest.mark.parametrize(("layout", "codes"), [("brats2021", [0, 1, 2, 4]), ("brats2023", [0, 1, 2, 3])])
def test_four_files_give_what_one_gives(
    case: CaseFiles,
    tmp_path: Path,
    write_nifti: Write,
    image_xyzc: Images,
    label_xyz: npt.NDArray[np.uint8],
    layout: str,
    codes: list[int],
) -> None:
    volume = image_xyzc(0)
    images = tuple(write_nifti(tmp_path / f"{i}.nii.gz", volume[..., i]) for i in range(4))
    internal = np.array([0, 2, 1, 3])[label_xyz]
    label = write_nifti(tmp_path / "seg.nii.gz", np.array(codes, np.uint8)[internal])
    other = condition(CaseFiles("A", images, label), layout)  # type: ignore[arg-type]
    assert (other.voxels == condition(case, "msd").voxels).all()


def test_float_volumes_are_quantised_finely_and_zero_stays_zero(
    tmp_path: Path, write_nifti: Write, image_xyzc: Images
) -> None:
    values = image_xyzc(0, np.float32) * np.float32(0.00137)
    conditioned = condition(CaseFiles("A", (write_nifti(tmp_path / "i.nii.gz", values),), None), "msd")
    assert conditioned.crop_start == BOX_START_ZYX
    for channel in range(4):
        expected = values[3:21, 2:17, 1:14, channel].T
        restored = conditioned.image[channel] * conditioned.scale[channel]
        assert np.abs(restored - expected).max() <= expected.max() / 32767
        assert conditioned.mean[channel] == pytest.approx(expected.mean(), rel=1e-4)
        assert conditioned.std[channel] == pytest.approx(expected.std(), rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.uint16, np.int32])
def test_whole_numbers_that_fit_are_kept_exactly(
    tmp_path: Path, write_nifti: Write, image_xyzc: Images, dtype: type
) -> None:
    conditioned = condition(CaseFiles("A", (write_nifti(tmp_path / "i.nii.gz", image_xyzc(0, dtype)),), None), "msd")
    assert conditioned.scale == (1, 1, 1, 1)
    assert (image_xyzc(0)[3:21, 2:17, 1:14] == conditioned.image.T).all()


def test_numbers_beyond_int16_are_scaled(tmp_path: Path, write_nifti: Write, image_xyzc: Images) -> None:
    values = image_xyzc(0, np.uint16) * np.uint16(60)  # up to 59,940
    conditioned = condition(CaseFiles("A", (write_nifti(tmp_path / "i.nii.gz", values),), None), "msd")
    assert np.abs(conditioned.image.T * np.array(conditioned.scale) - values[3:21, 2:17, 1:14]).max() <= 1.0


def test_normalised_voxels_have_mean_0_and_deviation_1_inside_the_brain(case: CaseFiles, tmp_path: Path) -> None:
    row = prepared(case, tmp_path / "store")
    image = condition(case, "msd").image
    z = image * row.gain[:, None, None, None] + row.bias[:, None, None, None]
    inside = z[:, (image != 0).any(axis=0)]
    assert np.allclose(inside.mean(axis=1), 0, atol=1e-4)
    assert np.allclose(inside.std(axis=1), 1, atol=1e-4)


def test_foreground_voxels_are_of_their_codes_and_few(
    tmp_path: Path, write_nifti: Write, image_xyzc: Images, label_xyz: npt.NDArray[np.uint8]
) -> None:
    label_xyz[4:20, 3:15, 2:12][label_xyz[4:20, 3:15, 2:12] == 0] = 1  # more edema than is kept
    files_ = CaseFiles(
        "A", (write_nifti(tmp_path / "i.nii.gz", image_xyzc(0)),), write_nifti(tmp_path / "l.nii.gz", label_xyz)
    )
    row, label = prepared(files_, tmp_path / "store"), condition(files_, "msd").label
    assert label is not None
    code, z, y, x = row.foreground.T
    assert (label[z, y, x] == code).all()
    assert [int((code == c).sum()) for c in (1, 2, 3)] == [8, prepare.MAX_FOREGROUND, 56]
    assert len({tuple(r) for r in row.foreground.tolist()}) == len(row.foreground)


def test_preparing_twice_gives_the_same_bytes(case: CaseFiles, tmp_path: Path) -> None:
    first, second = prepared(case, tmp_path / "a"), prepared(case, tmp_path / "b")
    assert json.dumps(first.to_row()) == json.dumps(second.to_row())


def rewrite(path: str, change: Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]], **header: float) -> None:
    image = nib.load(path)
    affine = image.affine.copy()
    affine[0, 3] += header.get("shift_mm", 0)
    nib.save(nib.Nifti1Image(change(np.asarray(image.dataobj)), affine), path)


def with_value(
    value: float, where: object, dtype: npt.DTypeLike | None = None
) -> Callable[..., npt.NDArray[np.generic]]:
    def change(data: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        changed = data.astype(dtype or data.dtype)
        changed[where] = value  # type: ignore[index]
        return changed

    return change


@pytest.mark.parametrize(
    ("which", "change", "reason"),
    [
        ("image", lambda d: d[..., :3], "3 volumes, expected 4"),
        ("image", lambda d: d[..., 0], "1 volumes, expected 4"),
        ("image", lambda d: d * 0, "FLAIR is empty"),
        ("image", with_value(0, (..., 2)), "T1gd is empty"),
        ("image", with_value(7, (..., 3)), "T2w is constant"),
        ("image", with_value(np.nan, (5, 5, 5, 1), np.float32), "1 values of T1w are not finite, 1 of them inside"),
        ("image", with_value(np.inf, (5, 5, 5, 1), np.float32), "1 values of T1w are not finite, 1 of them inside"),
        ("image", lambda d: d.astype(np.float32) * 1e-35, "is empty"),
        ("label", with_value(4, (5, 5, 5)), "label values 4 are no codes"),
        ("label", with_value(0.5, (5, 5, 5), np.float32), "label values 0.5 are not whole numbers"),
        ("label", lambda d: d[:-1], r"shape \(23, 20, 16\) differs from \(24, 20, 16\)"),
    ],
)
def test_a_bad_case_is_quarantined_with_file_and_reason(
    case: CaseFiles, tmp_path: Path, which: str, change: Callable[..., npt.NDArray[np.generic]], reason: str
) -> None:
    path = case.images[0] if which == "image" else str(case.label)
    rewrite(path, change)
    result = prepare_case(CaseTask(case, "msd", "train", str(tmp_path / "store"), FILE_CODES["msd"], BRAIN))
    assert isinstance(result, Quarantined)
    assert (result.id, result.file) == ("A", path)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(result.reason)
    assert not (tmp_path / "store").exists()


def test_a_label_of_another_place_is_quarantined(case: CaseFiles, tmp_path: Path) -> None:
    rewrite(str(case.label), lambda d: d, shift_mm=2.5)
    result = prepare_case(CaseTask(case, "msd", "train", str(tmp_path / "store"), FILE_CODES["msd"], BRAIN))
    assert isinstance(result, Quarantined)
    assert "differs by 2.50 mm" in result.reason


def test_a_missing_modality_is_quarantined(case: CaseFiles, tmp_path: Path) -> None:
    gone = CaseFiles("A", (case.images[0], str(tmp_path / "gone.nii.gz"), *case.images * 2), case.label)
    result = prepare_case(CaseTask(gone, "brats2021", "train", str(tmp_path / "store"), FILE_CODES["brats2021"], BRAIN))
    assert isinstance(result, Quarantined)
    assert result.file.endswith("gone.nii.gz")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_no_damage_crashes_and_none_gets_in(case: CaseFiles, tmp_path: Path, data: st.DataObject) -> None:
    """Truncated files and flipped bits, in the image or the label, packed or not."""
    store = tmp_path / "fuzz"
    path = Path(data.draw(st.sampled_from([case.images[0], str(case.label)])))
    packed = data.draw(st.booleans())
    good = path.read_bytes()
    raw = bytearray(good if packed else gzip.decompress(good))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, 400) | st.integers(0, len(raw) - 1))
        raw[min(place, len(raw) - 1)] ^= 1 << data.draw(st.integers(0, 7))
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw))) :]
    damaged = path.parent / "damaged.nii.gz"
    damaged.write_bytes(raw)
    images = (str(damaged),) if str(path) == case.images[0] else case.images
    label = str(damaged) if str(path) == case.label else case.label
    result = prepare_case(CaseTask(CaseFiles("A", images, label), "msd", "train", str(store), FILE_CODES["msd"], BRAIN))
    if isinstance(result, Quarantined):
        assert result.reason
    elif packed:  # a bit of the gzip header that means nothing, such as its time
        assert gzip.decompress(bytes(raw)) == gzip.decompress(good)


def test_a_store_that_can_not_be_written_is_no_fault_of_the_case(case: CaseFiles, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        prepare_case(CaseTask(case, "msd", "train", str(tmp_path / "file" / "store"), FILE_CODES["msd"], BRAIN))


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


def test_records_of_another_version_are_refused(case: CaseFiles, tmp_path: Path) -> None:
    row = prepared(case, tmp_path / "store").to_row()
    with pytest.raises(DataError, match=r"x\.json is damaged or of another version \(fields \['id'\]\)"):
        Case.from_row({k: v for k, v in row.items() if k != "id"}, "x.json")


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


def test_a_resection_cavity_is_background(case: CaseFiles, tmp_path: Path) -> None:
    rewrite(str(case.label), with_value(4, (5, 5, slice(4, 10))))
    result = prepare_case(CaseTask(case, "brats2023", "train", str(tmp_path / "store"), FILE_CODES["brats2023"], BRAIN))
    assert isinstance(result, Quarantined)
    assert "label values 4 are no codes" in result.reason
    row = prepare_case(CaseTask(case, "brats2023", "train", str(tmp_path / "store"), FILE_CODES["brats2024"], BRAIN))
    assert isinstance(row, Case)
    assert row.num_voxels == (24 * 20 * 16 - 216, 152, 8, 56)  # as without the cavity's six voxels, which lie outside
    assert row.labels.endswith("4=cavity")


def test_a_case_is_prepared_again_when_its_codes_mean_others(case: CaseFiles, tmp_path: Path) -> None:
    first = prepare_or_keep(CaseTask(case, "brats2023", "train", str(tmp_path), FILE_CODES["msd"], BRAIN))
    second = prepare_or_keep(CaseTask(case, "brats2023", "train", str(tmp_path), FILE_CODES["brats2023"], BRAIN))
    assert isinstance(first, Case)
    assert isinstance(second, Case)
    assert (first.num_voxels[1:], second.num_voxels[1:]) == ((8, 152, 56), (152, 8, 56))


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
