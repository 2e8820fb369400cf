"""Whole cases whose files are odd in ways that are understood: conditioned as the plain case is, and told."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from app.workloads.brats.labels import BRAIN, FILE_CODES
from app.workloads.brats.scans import condition, write_label
from app.workloads.volumes.scans.preprocessing import Conditioned
from app.workloads.volumes.scans.reading import BadVolume
from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepare import CaseTask, prepare_case
from app.workloads.volumes.store.prepared import VolumeStore

SHAPE_XYZ = (24, 20, 16)
BOX = (slice(3, 21), slice(2, 17), slice(1, 14))
LPS = np.array([[-1, 0, 0, 20], [0, -1, 0, 30], [0, 0, 1, -15], [0, 0, 0, 1]], np.float64)
CODES_2021 = np.array([0, 2, 1, 4], np.uint8)
"""MSD's codes of conftest's label as BraTS 2021 has them."""


def ellipsoid(image: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """conftest's image with 0 outside of an ellipsoid that touches the sides of its brain's box."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, s.stop - s.start) for s in BOX), indexing="ij"))
    image[BOX][(grid**2).sum(axis=0) > 1.02] = 0
    return image


def file_of(
    path: Path, data: npt.NDArray[np.generic], affine: npt.NDArray[np.float64] = LPS, forms: tuple[int, int] = (1, 1)
) -> str:
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, forms[0])
    image.set_sform(affine, forms[1])
    nib.save(image, path)
    return str(path)


@pytest.fixture
def image(image_xyzc: Callable[..., npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    return ellipsoid(image_xyzc(0))


Make = Callable[..., CaseFiles]


@pytest.fixture
def make(tmp_path: Path, image: npt.NDArray[np.generic], label_xyz: npt.NDArray[np.uint8]) -> Make:
    """A BraTS 2021 case whose five files have the given qform and sform codes; those not named have 1 and 1."""

    def of(**forms: tuple[int, int]) -> CaseFiles:
        names = ("flair", "t1", "t1ce", "t2")
        images = tuple(
            file_of(tmp_path / f"{name}.nii", image[..., i], forms=forms.get(name, (1, 1)))
            for i, name in enumerate(names)
        )
        label = file_of(tmp_path / "seg.nii", CODES_2021[label_xyz], forms=forms.get("seg", (1, 1)))
        return CaseFiles("A", images, label)

    return of


def same(one: Conditioned, other: Conditioned) -> bool:
    return bool((one.voxels == other.voxels).all()) and one.crop_start == other.crop_start


def test_a_plain_case_has_no_notes(make: Make) -> None:
    assert condition(make(), "brats2021").notes == ()


@pytest.mark.parametrize(
    ("without", "told", "guide"),
    [
        (("seg",), "seg.nii", "flair.nii"),
        (("flair",), "flair.nii", "t1.nii"),
        (("flair", "t1", "t1ce", "t2"), "flair.nii, t1.nii, t1ce.nii, t2.nii", "seg.nii"),
    ],
)
def test_files_without_a_place_take_that_of_the_others(
    make: Make, without: tuple[str, ...], told: str, guide: str
) -> None:
    plain = condition(make(), "brats2021")
    found = condition(make(**dict.fromkeys(without, (0, 0))), "brats2021")
    assert same(found, plain)
    assert (found.affine == LPS).all()
    (line,) = found.notes
    assert line == (
        "qform and sform code are 0, so shape and spacing alone were compared with the other files: "
        f"{told} (the place is that of {guide})"
    )


def test_a_label_is_written_where_the_file_that_has_a_place_lies(make: Make, tmp_path: Path) -> None:
    case = make(flair=(0, 0), t1=(0, 0))
    found = condition(case, "brats2021")
    assert found.label is not None
    write_label(str(tmp_path / "out.nii.gz"), found.label, found, "brats2021")
    written = nib.load(tmp_path / "out.nii.gz")
    assert (written.affine == LPS).all()
    assert (np.asarray(written.dataobj) == np.asarray(nib.load(str(case.label)).dataobj)).all()


def test_no_place_at_all_is_nibabels_default(make: Make) -> None:
    found = condition(make(**dict.fromkeys(("flair", "t1", "t1ce", "t2", "seg"), (0, 0))), "brats2021")
    assert found.notes == (
        "qform and sform code of all files are 0, x is taken to grow to the left as nibabel has it: 1 x 1 x 1 mm",
    )
    assert np.sign(np.diag(found.affine)).tolist() == [-1, 1, 1, 1]


def test_spacing_still_has_to_agree(make: Make, tmp_path: Path, label_xyz: npt.NDArray[np.uint8]) -> None:
    case = make()
    file_of(tmp_path / "seg.nii", CODES_2021[label_xyz], np.diag([1.0, 1.0, 5.0, 1.0]), (0, 0))
    with pytest.raises(BadVolume, match=r"spacing 1 x 1 x 5 mm differs from 1 x 1 x 1 mm of .*flair.nii") as error:
        condition(case, "brats2021")
    assert error.value.file.endswith("seg.nii")


def test_a_label_of_four_dimensions_is_refused(make: Make, tmp_path: Path, label_xyz: npt.NDArray[np.uint8]) -> None:
    case = make()
    file_of(tmp_path / "seg.nii", np.stack([CODES_2021[label_xyz]] * 4, axis=-1))
    with pytest.raises(BadVolume, match=r"shape \(24, 20, 16, 4\) differs from \(24, 20, 16\)"):
        condition(case, "brats2021")


def test_a_stale_qform_is_told_once_a_case_with_its_files(make: Make, image: npt.NDArray[np.generic]) -> None:
    case = make()
    for path, shift_mm in zip(case.images[1:3], (3, 4), strict=True):
        stale = nib.load(path)
        moved = LPS.copy()
        moved[0, 3] += shift_mm
        stale.set_qform(moved, 1)
        nib.save(nib.Nifti1Image(np.array(stale.dataobj), None, stale.header), path)
    assert condition(case, "brats2021").notes == (
        "sform and qform disagree, the sform counts: t1.nii by up to 3 mm; t1ce.nii by up to 4 mm",
    )


def with_sform(path: str, shift_mm: float) -> None:
    """The sform's x moved; the qform stays."""
    image = nib.load(path)
    moved = LPS.copy()
    moved[0, 3] += shift_mm
    image.set_sform(moved, 1)
    nib.save(nib.Nifti1Image(np.array(image.dataobj), None, image.header), path)


@pytest.mark.parametrize("wrong", [("t1",), ("flair",), ("flair", "t1ce"), ("seg",)])
def test_the_qform_counts_where_it_alone_is_on_the_others_grid(make: Make, tmp_path: Path, wrong: list[str]) -> None:
    case = make()
    plain = condition(case, "brats2021")
    for shift_mm, name in enumerate(wrong, 3):
        with_sform(str(tmp_path / f"{name}.nii"), shift_mm)
    found = condition(case, "brats2021")
    assert same(found, plain)
    assert np.allclose(found.affine, LPS)
    told = "; ".join(f"{name}.nii by up to {shift_mm} mm" for shift_mm, name in enumerate(wrong, 3))
    assert found.notes == (
        f"sform and qform disagree, the qform counts as the sform is on no grid with the other files: {told}",
    )


def test_a_place_that_no_form_makes_common_is_refused(make: Make) -> None:
    case = make(flair=(0, 1))
    with_sform(case.images[0], 3)
    with pytest.raises(BadVolume, match=r"its place in space differs by 3\.00 mm from .*flair\.nii") as error:
        condition(case, "brats2021")
    assert error.value.file == case.images[1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_outside_of_the_brain_is_background(
    make: Make, image: npt.NDArray[np.generic], value: float
) -> None:
    case = make()
    plain = condition(case, "brats2021")
    outside = ~image.any(axis=-1)
    for number in (1, 3):
        odd = np.where(outside, value, image[..., number].astype(np.float32))
        file_of(Path(case.images[number]), odd.astype(np.float32))
    found = condition(case, "brats2021")
    assert same(found, plain)
    assert (found.mean, found.std) == (plain.mean, plain.std)
    num = int(outside.sum())
    assert found.notes == (
        (
            "values that are not finite, outside of the organ in all modalities, count as background: "
            f"T1w {num} voxels; T2w {num} voxels"
        ),
    )


def test_what_is_not_finite_on_the_label_is_refused(make: Make, tmp_path: Path, image: npt.NDArray[np.generic]) -> None:
    case = make()
    odd = image[..., 2].astype(np.float32)
    odd[0, 0, 0] = np.nan
    file_of(Path(case.images[2]), odd)
    label = np.array(nib.load(str(case.label)).dataobj)
    label[0, 0, 0] = 2
    file_of(tmp_path / "seg.nii", label)
    with pytest.raises(BadVolume, match="1 values of T1gd are not finite, 1 of them inside the organ") as error:
        condition(case, "brats2021")
    assert error.value.file == case.images[2]


def test_a_background_of_half_a_step_is_none_of_the_brain(tmp_path: Path, image: npt.NDArray[np.generic]) -> None:
    """Floats that nibabel saves as int16: no whole number is 0, so the background comes back as a small constant."""
    values = image.astype(np.float32) * np.array([0.7, 1, 1.3, 2.5], np.float32)
    values[8, 8, 8, 0] = -40
    saved = nib.Nifti1Image(values, LPS)
    saved.set_data_dtype(np.int16)
    nib.save(saved, tmp_path / "scaled.nii")
    outside = np.unique(nib.load(tmp_path / "scaled.nii").get_fdata()[image == 0])
    assert len(outside) == 1 and outside[0] != 0
    plain = condition(CaseFiles("A", (file_of(tmp_path / "float.nii", values),), None), "msd")
    scaled = condition(CaseFiles("A", (str(tmp_path / "scaled.nii"),), None), "msd")
    assert (scaled.crop_start, scaled.voxels.shape) == (plain.crop_start, plain.voxels.shape)
    assert ((scaled.voxels == 0).all(axis=0) == (plain.voxels == 0).all(axis=0)).all()
    assert np.allclose(scaled.mean, plain.mean, rtol=1e-3)
    assert np.allclose(scaled.std, plain.std, rtol=1e-3)
    assert scaled.notes == ()


def test_z_scores_with_one_number_outside_are_cropped_to_the_brain(
    tmp_path: Path, image: npt.NDArray[np.generic]
) -> None:
    plain = condition(CaseFiles("A", (file_of(tmp_path / "plain.nii", image),), None), "msd")
    values = image.astype(np.float64)
    scores = ((values - values.mean(axis=(0, 1, 2))) / values.std(axis=(0, 1, 2))).astype(np.float32)
    found = condition(CaseFiles("A", (file_of(tmp_path / "z.nii", scores),), None), "msd")
    assert (found.crop_start, found.voxels.shape) == (plain.crop_start, plain.voxels.shape)
    brain = (plain.voxels != 0).any(axis=0)
    assert ((found.voxels != 0).any(axis=0) == brain).all()
    inputs = [(c.voxels * np.array(c.scale)[:, None, None, None])[:, brain] for c in (plain, found)]
    plain_z, found_z = ((v - v.mean(axis=1, keepdims=True)) / v.std(axis=1, keepdims=True) for v in inputs)
    assert np.allclose(plain_z, found_z, atol=1e-3)
    (told,) = found.notes
    assert told.startswith("a constant other than 0 fills the border, it counts as background: FLAIR -0.")
    assert told.count(";") == 3


def test_what_fills_its_whole_box_is_told(tmp_path: Path, image_xyzc: Callable[..., npt.NDArray[np.generic]]) -> None:
    found = condition(CaseFiles("A", (file_of(tmp_path / "full.nii", image_xyzc(0)),), None), "msd")
    assert found.notes == (
        "what is not 0 fills the box around it, all of that counts as the organ (was the skull removed?): 100%",
    )


def test_a_nearly_whole_label_is_rounded_and_kept_in_the_record(
    make: Make, tmp_path: Path, label_xyz: npt.NDArray[np.uint8]
) -> None:
    """Codes 0, 1, 2, 4 in int16 steps of 4 / 65,535, as nibabel scales floats: 1 comes back as 1.00002."""
    case = make()
    plain = condition(case, "brats2021")
    label = nib.Nifti1Image(CODES_2021[label_xyz].astype(np.float32), LPS)
    label.set_data_dtype(np.int16)
    nib.save(label, tmp_path / "seg.nii")
    seen = np.unique(nib.load(tmp_path / "seg.nii").get_fdata())
    assert 1e-6 < np.abs(seen - np.rint(seen)).max() < 1e-4
    assert same(condition(case, "brats2021"), plain)
    row = prepare_case(CaseTask(case, "brats2021", "train", str(tmp_path / "store"), FILE_CODES["brats2021"], BRAIN))
    assert isinstance(row, Case)
    (told,) = row.notes
    assert told.startswith("label values that are nearly whole were rounded: by up to ")
    assert Case.from_row(row.to_row(), "here").notes == row.notes


@pytest.mark.parametrize("forms", [(1, 1), (0, 0)])
def test_notes_are_in_the_stores_manifest(make: Make, tmp_path: Path, forms: tuple[int, int]) -> None:
    store = str(tmp_path / "store")
    row = prepare_case(CaseTask(make(seg=forms), "brats2021", "train", store, FILE_CODES["brats2021"], BRAIN))
    finish_store(store, [row], 0.0)
    (found,) = VolumeStore(store).cases
    assert len(found.notes) == (forms == (0, 0))
    assert isinstance(row, Case)
    assert found.notes == row.notes


def test_a_label_that_is_not_whole_says_so(make: Make, tmp_path: Path, label_xyz: npt.NDArray[np.uint8]) -> None:
    case = make()
    file_of(tmp_path / "seg.nii", CODES_2021[label_xyz].astype(np.float32) * np.float32(0.998))
    with pytest.raises(
        BadVolume, match=r"label values 0\.998\d*, 1\.996\d*, 3\.992\d* are not whole numbers; expected"
    ):
        condition(case, "brats2021")
