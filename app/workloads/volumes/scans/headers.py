"""Where a volume lies, by its NIfTI header: one rule for headers that say it twice, not at all, or inexactly.

nifti1.h knows three ways. The sform counts where its code is not 0, else the qform; so nibabel has it. A form that is
not valid counts for nothing where the other is. Where both codes are 0 the header says spacing alone. What disagrees is
told; app.workloads.volumes.scans.grids decides between two valid forms by the other files of a case. Lengths are in mm,
as nibabel and SPM have them, whatever unit xyzt_units names; another one is told.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import UsageError
from app.workloads.volumes.scans.notes import note

FloatArray = npt.NDArray[np.float64]

MAX_MISALIGNMENT_MM = 0.1
"""Assumed: a tenth of BraTS's voxel; rounding of headers in float32 stays far below."""
MAX_SPACING_DIFFERENCE = 1e-3
"""Relative. Assumed: what rounding to a few decimals makes; it moves a volume of BraTS by a quarter of a voxel."""
MAX_QUATERNION_EXCESS = 1e-3
"""How far b^2 + c^2 + d^2 may exceed 1. Assumed: numbers that were rounded to three decimals somewhere."""

FORMS_DISAGREE = "sform and qform disagree, the sform counts"
PIXDIM_DISAGREES = "pixdim and the affine disagree on the spacing, the affine counts"
BAD_QFORM = "the qform is not valid, the sform counts"
BAD_SFORM = "the sform is not valid, the qform counts"
OTHER_UNIT = "the header's lengths are said to be of another unit, they count as mm"
LONG_QUATERNION = "the qform's quaternion was too long by rounding, it was made 1 long"


@dataclass(frozen=True)
class Place:
    """Where the voxels of a file lie."""

    affine: FloatArray
    """4x4: voxel indices (x, y, z) to mm, RAS+."""
    is_known: bool
    """False where both codes are 0: then spacing alone is the header's, and nibabel's default is the rest (x grows to
    the left, the volume's middle is the origin)."""
    notes: tuple[str, ...]
    qform: FloatArray | None = None
    """The other place that the header states, where it disagrees with the sform, which is `affine`."""


def find_place(header: Any, shape_xyz: tuple[int, ...]) -> Place:
    """The place that a header of nibabel's states; `shape_xyz` is that of one volume.

    Raises:
        UsageError: the form that counts is not valid; says which of its values.
    """
    unit = _other_unit(header)
    if int(header["sform_code"]) != 0:
        try:
            affine = _usable(np.asarray(header.get_sform(), np.float64))
        except ValueError as error:
            if int(header["qform_code"]) == 0:
                raise
            affine, notes = _qform(header)
            return Place(_usable(affine), True, (note(BAD_SFORM, str(error)), *notes, *unit))
        notes, qform = _differing_qform(header, affine, shape_xyz)
        return Place(affine, True, (*notes, *_differing_pixdim(header, affine), *unit), qform)
    if int(header["qform_code"]) != 0:
        affine, notes = _qform(header)
        return Place(_usable(affine), True, (*notes, *unit))
    return Place(_usable(np.asarray(header.get_base_affine(), np.float64)), False, unit)


def largest_distance_mm(a: FloatArray, b: FloatArray, shape_xyz: tuple[int, ...]) -> float:
    """How far apart two affines put a voxel of a volume of this shape, at most: at one of its corners."""
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)]) * (np.asarray(shape_xyz) - 1)
    difference = a - b
    return float(np.linalg.norm(corners @ difference[:3, :3].T + difference[:3, 3], axis=1).max())


def spacing_xyz(affine: FloatArray) -> FloatArray:
    """[3]: mm between neighbours along the file's own axes."""
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0), np.float64)


def as_text(spacing: npt.NDArray[Any]) -> str:
    """Such as "1 x 1 x 5 mm"."""
    return " x ".join(f"{v:.4g}" for v in spacing.tolist()) + " mm"


def _qform(header: Any) -> tuple[FloatArray, tuple[str, ...]]:
    """The affine of b, c, d, the offsets and pixdim, as nifti1.h defines it (METHOD 2).

    Its nifti_quatern_to_mat44 makes a quaternion that is too long one of half a turn, whatever its length; here only
    one that is too long by rounding.
    """
    from nibabel.quaternions import quat2mat

    bcd = np.array([float(header[f"quatern_{name}"]) for name in "bcd"])
    pixdim = np.array(header["pixdim"][:4], np.float64)
    excess = float(bcd @ bcd) - 1
    if not np.isfinite(bcd).all() or excess > MAX_QUATERNION_EXCESS:
        seen = ", ".join(f"{v:g}" for v in bcd.tolist())
        raise UsageError(f"the quaternion's b, c, d are {seen}, expected a sum of squares of at most 1")
    if pixdim[0] not in (-1, 0, 1):
        raise UsageError(f"pixdim[0], the sign of z, is {pixdim[0]:g}, expected 1 or -1 (or 0, which counts as 1)")
    if not (pixdim[1:] > 0).all():
        raise UsageError(f"the spacing in pixdim is {as_text(pixdim[1:])}, expected positive numbers")
    rounding = abs(float(header.quaternion_threshold))  # nibabel's bound of what the header's own precision makes
    half_turn = excess > -rounding
    quaternion = [0.0, *bcd / np.linalg.norm(bcd)] if half_turn else [np.sqrt(-excess), *bcd]
    affine = np.eye(4)
    sign = np.array([1, 1, -1 if pixdim[0] < 0 else 1])
    rotation: Any = quat2mat
    affine[:3, :3] = rotation(quaternion) * (pixdim[1:] * sign)
    affine[:3, 3] = [float(header[f"qoffset_{name}"]) for name in "xyz"]
    return affine, (note(LONG_QUATERNION, f"by {excess / 2:.1g}"),) if excess > rounding else ()


def _differing_qform(
    header: Any, affine: FloatArray, shape_xyz: tuple[int, ...]
) -> tuple[tuple[str, ...], FloatArray | None]:
    """Notes, and the qform where it is another valid place."""
    if int(header["qform_code"]) == 0:
        return (), None
    try:
        other = _usable(_qform(header)[0])
    except ValueError as error:
        return (note(BAD_QFORM, str(error)),), None
    distance_mm = largest_distance_mm(affine, other, shape_xyz)
    if distance_mm <= MAX_MISALIGNMENT_MM:
        return (), None
    return (note(FORMS_DISAGREE, f"by up to {distance_mm:.4g} mm"),), other


def _differing_pixdim(header: Any, affine: FloatArray) -> tuple[str, ...]:
    pixdim = np.abs(np.array(header["pixdim"][1:4], np.float64))
    spacing = spacing_xyz(affine)
    if np.allclose(pixdim, spacing, rtol=MAX_SPACING_DIFFERENCE, atol=0):
        return ()
    return (note(PIXDIM_DISAGREES, f"{as_text(pixdim)} in pixdim, {as_text(spacing)} by the affine"),)


def _other_unit(header: Any) -> tuple[str, ...]:
    code = int(header["xyzt_units"]) & 7
    names = {1: "metre", 3: "micrometre"}
    return (note(OTHER_UNIT, f"{names.get(code, f'unit {code}')}"),) if code not in (0, 2) else ()


def _usable(affine: FloatArray) -> FloatArray:
    finite = bool(np.isfinite(affine).all())
    if not finite or abs(np.linalg.det(affine[:3, :3])) <= 1e-9 or np.abs(affine).max() > 1e6:
        raise UsageError("singular, not finite or beyond a kilometre")
    return affine
