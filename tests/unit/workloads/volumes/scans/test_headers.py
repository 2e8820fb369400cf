"""Headers that say where a volume lies twice, not at all, or inexactly. Expected affines are by hand or nibabel's."""

import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from app.workloads.volumes.scans.headers import largest_distance_mm
from app.workloads.volumes.scans.reading import BadVolume, Volume, read_volume

PIXDIM, QFORM_CODE, SFORM_CODE, QUATERN_B, SROW_X = 76, 252, 254, 256, 280
"""Byte offsets in the NIfTI-1 header (nifti1.h)."""

DATA = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3)
PLAIN = np.array([[1, 0, 0, -20], [0, 1, 0, -30], [0, 0, 1, -15], [0, 0, 0, 1]], np.float64)

Read = Callable[[bytes], Volume]


def file_of(affine: npt.NDArray[np.float64], qform: int = 1, sform: int = 1) -> bytes:
    image = nib.Nifti1Image(DATA, affine)
    image.set_qform(affine, qform)
    image.set_sform(affine, sform)
    return bytes(image.to_bytes())


def put(raw: bytes, offset: int, pattern: str, *values: float) -> bytes:
    changed = bytearray(raw)
    struct.pack_into("<" + pattern, changed, offset, *values)
    return bytes(changed)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def of(raw: bytes) -> Volume:
        (tmp_path / "v.nii").write_bytes(raw)
        return read_volume(str(tmp_path / "v.nii"))

    return of


@pytest.mark.parametrize(("qform", "sform"), [(1, 1), (1, 0), (0, 1), (2, 4)])
def test_headers_that_agree_leave_no_note(read: Read, qform: int, sform: int) -> None:
    turned = np.array([[0, -2, 0, 5], [-1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]], np.float64)
    volume = read(file_of(turned, qform, sform))
    assert np.allclose(volume.affine, turned)
    assert (volume.has_place, volume.notes) == (True, ())


def test_a_sign_of_0_counts_as_plus_1(read: Read) -> None:
    """nifti1.h: "If pixdim[0]=0.0 (which should not occur), we take qfac=1"."""
    volume = read(put(file_of(PLAIN, sform=0), PIXDIM, "f", 0))
    assert (volume.affine == PLAIN).all()
    assert (read(put(file_of(PLAIN, sform=0), PIXDIM, "f", -1)).affine[2] == [0, 0, -1, -15]).all()


def test_a_quaternion_too_long_by_rounding_is_made_1_long(read: Read) -> None:
    """b = c = 0.7072 instead of 0.70711: half a turn about the diagonal of x and y, which swaps them and turns z over.
    0.7072^2 * 2 - 1 = 0.00026368."""
    volume = read(put(file_of(PLAIN, sform=0), QUATERN_B, "fff", 0.7072, 0.7072, 0))
    assert np.allclose(volume.affine[:3, :3], [[0, 1, 0], [1, 0, 0], [0, 0, -1]], atol=1e-6)
    assert np.allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), 1, atol=1e-12)
    assert volume.notes == ("the qform's quaternion was too long by rounding, it was made 1 long: by 0.0001",)


def test_a_quaternion_rounded_to_float32_leaves_no_note(read: Read) -> None:
    half = np.nextafter(np.float32(np.sqrt(0.5)), np.float32(1))
    assert float(half) ** 2 * 2 > 1
    volume = read(put(file_of(PLAIN, sform=0), QUATERN_B, "fff", half, half, 0))
    assert np.allclose(volume.affine[:3, :3], [[0, 1, 0], [1, 0, 0], [0, 0, -1]], atol=1e-6)
    assert volume.notes == ()


@pytest.mark.parametrize(
    ("offset", "values", "reason"),
    [
        (QUATERN_B, (0.8, 0.7, 0), "b, c, d are 0.8, 0.7, 0, expected a sum of squares of at most 1"),
        (QUATERN_B, (float("nan"), 0, 0), "b, c, d are nan, 0, 0"),
        (PIXDIM, (3, 1, 1), r"pixdim\[0\], the sign of z, is 3, expected 1 or -1"),
        (PIXDIM, (1, 0, 1), "spacing in pixdim is 0 x 1 x 1 mm, expected positive"),
    ],
)
def test_a_qform_that_can_not_be_true_is_refused(
    read: Read, offset: int, values: tuple[float, ...], reason: str
) -> None:
    with pytest.raises(BadVolume, match=f"the orientation in the header is not valid: .*{reason}"):
        read(put(file_of(PLAIN, sform=0), offset, "fff", *values))
    beside_a_sform = read(put(file_of(PLAIN), offset, "fff", *values))
    assert (beside_a_sform.affine == PLAIN).all()
    assert any(line.startswith("the qform is not valid, the sform counts: ") for line in beside_a_sform.notes)


@pytest.mark.parametrize("rows", [[0.0] * 12, [float("nan")] * 12, [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0]])
def test_a_sform_that_can_not_be_true_counts_for_nothing_beside_a_qform(read: Read, rows: list[float]) -> None:
    volume = read(put(file_of(PLAIN), SROW_X, "12f", *rows))
    assert np.allclose(volume.affine, PLAIN)
    assert volume.notes[0].startswith("the sform is not valid, the qform counts: ")
    with pytest.raises(BadVolume, match="the orientation in the header is not valid"):
        read(put(file_of(PLAIN, qform=0), SROW_X, "12f", *rows))


def test_the_sform_counts_where_the_qform_disagrees(read: Read) -> None:
    """12 mm, -5 mm and 3 mm off: sqrt(144 + 25 + 9) = 13.342 mm at every voxel."""
    image = nib.Nifti1Image(DATA, None)
    stale = PLAIN.copy()
    stale[:3, 3] += (12, -5, 3)
    image.set_sform(PLAIN, 2)
    image.set_qform(stale, 1)
    volume = read(image.to_bytes())
    assert (volume.affine == PLAIN).all()
    assert volume.notes == ("sform and qform disagree, the sform counts: by up to 13.34 mm",)


def test_the_affine_counts_where_pixdim_disagrees(read: Read) -> None:
    """Slices of 5 mm by pixdim and qform, of 1 mm by the sform: the last of three lies at 10 mm or at 2 mm."""
    thick = PLAIN @ np.diag([1, 1, 5, 1])
    volume = read(put(file_of(thick), SROW_X, "12f", *PLAIN[:3].ravel()))
    assert (volume.affine == PLAIN).all()
    forms, spacing = volume.notes
    assert forms == "sform and qform disagree, the sform counts: by up to 8 mm"
    assert spacing.startswith("pixdim and the affine disagree on the spacing, the affine counts: ")
    assert spacing.endswith(": 1 x 1 x 5 mm in pixdim, 1 x 1 x 1 mm by the affine")


def test_a_sheared_sform_leaves_no_note(read: Read) -> None:
    sheared = PLAIN.copy()
    sheared[0, 1], sheared[1, 2] = 0.12, -0.07
    volume = read(file_of(sheared, qform=0))
    assert np.allclose(volume.affine, sheared)
    assert volume.notes == ()


def test_without_codes_the_place_is_nibabels_default(read: Read) -> None:
    raw = file_of(np.diag([2.0, 3.0, 4.0, 1.0]), qform=0, sform=0)
    volume = read(raw)
    assert not volume.has_place
    assert (volume.affine == nib.Nifti1Image.from_bytes(raw).affine).all()
    assert (np.diag(volume.affine) == [-2, 3, 4, 1]).all()


@pytest.mark.parametrize(("qform", "sform"), [(1, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize(("unit", "told"), [(0, None), (2, None), (2 | 8, None), (1, "metre"), (3 | 16, "micrometre")])
def test_another_unit_of_length_is_told_and_changes_nothing(
    read: Read, unit: int, told: str | None, qform: int, sform: int
) -> None:
    """xyzt_units: 1 metre, 2 mm, 3 micrometre in its lowest three bits, the unit of time above (nifti1.h)."""
    volume = read(put(file_of(PLAIN, qform, sform), 123, "B", unit))
    expected = (
        () if told is None else (f"the header's lengths are said to be of another unit, they count as mm: {told}",)
    )
    assert volume.notes == expected
    assert np.linalg.norm(volume.affine[:3, :3], axis=0).tolist() == [1, 1, 1]


def changed(*places: tuple[int, int, float]) -> npt.NDArray[np.float64]:
    affine = PLAIN.copy()
    for row, column, by in places:
        affine[row, column] += by
    return affine


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([(0, 3, 2.0)], 2.0),
        ([(0, 0, 0.1), (0, 3, 2.0)], 3.0),  # the last of 11 along x is 1 mm further, and all are 2
        ([(2, 2, -0.1), (2, 3, 2.0)], 2.0),  # the first along z is furthest
        ([(0, 1, 0.1), (0, 0, -0.1)], 1.0),  # at one end of y and the other of x, where both are not at an end
        ([(0, 0, 0.3), (1, 1, 0.4)], 5.0),
    ],
)
def test_the_largest_distance_is_at_a_corner(places: list[tuple[int, int, float]], expected: float) -> None:
    assert largest_distance_mm(changed(*places), PLAIN, (11, 11, 11)) == pytest.approx(expected)
    assert largest_distance_mm(PLAIN, changed(*places), (11, 11, 11)) == pytest.approx(expected)


def test_forms_a_tenth_of_a_millimetre_apart_are_one_place_and_spacings_half_apart_are_none(read: Read) -> None:
    assert read(put(file_of(PLAIN), SROW_X + 12, "f", -20.09)).notes == ()
    (note,) = read(put(file_of(PLAIN), SROW_X + 12, "f", -20.5)).notes
    assert note == "sform and qform disagree, the sform counts: by up to 0.5 mm"
    (note,) = read(put(file_of(PLAIN, qform=0), PIXDIM + 4, "f", 1.5)).notes
    assert note.startswith("pixdim and the affine disagree on the spacing, the affine counts")
    assert note.endswith("1.5 x 1 x 1 mm in pixdim, 1 x 1 x 1 mm by the affine")
