"""One case prepared: what is kept of its voxels, and what is wrong with it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.data.store.quarantine import Quarantined
from app.errors import DataError
from app.workloads.brats.labels import BRAIN, FILE_CODES
from app.workloads.brats.scans import condition
from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.store import prepare
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepare import CaseTask, prepare_case, prepare_or_keep

Images = Callable[..., npt.NDArray[np.generic]]
Write = Callable[..., str]

BOX_START_ZYX, BOX_SHAPE_ZYX = (1, 2, 3), (13, 15, 18)
"""Of the conftest's brain, by hand."""


def prepared(case: CaseFiles, store: Path, layout: str = "msd") -> Case:
    result = prepare_case(CaseTask(case, layout, "train", str(store), FILE_CODES[layout], BRAIN))  # type: ignore[arg-type]
    assert isinstance(result, Case), result
    return result


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


def test_records_of_another_version_are_refused(case: CaseFiles, tmp_path: Path) -> None:
    row = prepared(case, tmp_path / "store").to_row()
    with pytest.raises(DataError, match=r"x\.json is damaged or of another version \(fields \['id'\]\)"):
        Case.from_row({k: v for k, v in row.items() if k != "id"}, "x.json")


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
