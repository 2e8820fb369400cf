"""Written labels lie on their image voxel for voxel, whatever the image's orientation and kind of header."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from app.workloads.brats.scans import condition, write_label
from app.workloads.volumes.scans.preprocessing import Conditioned
from app.workloads.volumes.source.case_files import CaseFiles

SHAPE_XYZ = (9, 7, 8)
AFFINE = np.array([[1.2, 0, 0, -10], [0, 0.8, 0, 5], [0, 0, 2.0, 30], [0, 0, 0, 1]])


def write_image(path: Path, codes: str = "RAS", kind: type = nibabel.Nifti1Image, swap: bool = False) -> np.ndarray:
    """A 4D image in the orientation `codes` with a brain off the middle; returns its brain in that orientation."""
    rng = np.random.default_rng(0)
    image = np.zeros((*SHAPE_XYZ, 4), np.int16)
    image[2:8, 1:6, 3:7] = rng.integers(1, 900, (6, 5, 4, 4))
    turn = ornt_transform(io_orientation(AFFINE), axcodes2ornt(codes))
    turned = nibabel.orientations.apply_orientation(image, turn)
    nifti = kind(np.ascontiguousarray(turned), AFFINE @ inv_ornt_aff(turn, SHAPE_XYZ))
    nifti.header.set_xyzt_units("mm", "sec")
    nifti.set_qform(nifti.affine, 3)
    nifti.set_sform(nifti.affine, 2)
    if swap:
        nifti = kind(nifti.dataobj, None, nifti.header.as_byteswapped())
    nibabel.save(nifti, path)
    return turned.any(axis=-1)


def read_case(path: Path) -> Conditioned:
    return condition(CaseFiles("a", (str(path),), None), "msd")


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL", "IRP"])
def test_label_lies_on_the_image_in_any_orientation(tmp_path: Path, codes: str) -> None:
    brain = write_image(tmp_path / "image.nii.gz", codes)
    case = read_case(tmp_path / "image.nii.gz")
    write_label(str(tmp_path / "label.nii.gz"), np.full(case.voxels.shape[1:], 3, np.uint8), case, "brats2021")
    image, label = nibabel.load(tmp_path / "image.nii.gz"), nibabel.load(tmp_path / "label.nii.gz")
    assert label.shape == image.shape[:3]
    assert label.get_data_dtype() == np.uint8
    np.testing.assert_allclose(label.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(label.dataobj), np.where(brain, 4, 0))  # 4: enhancing in brats2021


@pytest.mark.parametrize(("kind", "swap"), [(nibabel.Nifti1Image, True), (nibabel.Nifti2Image, False)])
def test_header_codes_survive(tmp_path: Path, kind: type, swap: bool) -> None:
    write_image(tmp_path / "image.nii.gz", "LPS", kind, swap)
    case = read_case(tmp_path / "image.nii.gz")
    write_label(str(tmp_path / "label.nii.gz"), np.zeros(case.voxels.shape[1:], np.uint8), case, "msd")
    image, label = nibabel.load(tmp_path / "image.nii.gz"), nibabel.load(tmp_path / "label.nii.gz")
    assert type(label) is kind
    for name in ("qform_code", "sform_code", "xyzt_units", "quatern_b", "quatern_c", "qoffset_x", "srow_x", "srow_z"):
        np.testing.assert_array_equal(label.header[name], image.header[name], err_msg=name)
    assert int(label.header["qform_code"]) == 3
    assert int(label.header["sform_code"]) == 2
    assert label.header.get_zooms() == image.header.get_zooms()[:3]


def test_the_scale_of_a_float_image_does_not_touch_the_label(tmp_path: Path) -> None:
    image = np.zeros((*SHAPE_XYZ, 4), np.float32)
    image[2:6, 2:6, 2:6] = np.random.default_rng(0).random((4, 4, 4, 4)) + 0.5
    nifti = nibabel.Nifti1Image(image, AFFINE)
    nifti.header.set_data_dtype(np.int16)  # nibabel then writes scl_slope and scl_inter
    nibabel.save(nifti, tmp_path / "image.nii")
    case = read_case(tmp_path / "image.nii")
    write_label(str(tmp_path / "label.nii.gz"), np.full(case.voxels.shape[1:], 2, np.uint8), case, "msd")
    assert set(np.unique(nibabel.load(tmp_path / "label.nii.gz").get_fdata())) <= {0, 1}  # 1: edema in msd


def test_same_input_same_bytes(tmp_path: Path) -> None:
    write_image(tmp_path / "image.nii.gz")
    case = read_case(tmp_path / "image.nii.gz")
    for name in ("a.nii.gz", "b.nii.gz"):
        write_label(str(tmp_path / name), np.ones(case.voxels.shape[1:], np.uint8), case, "msd")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
