"""A predicted label as a NIfTI file that lies exactly on the image it was made from."""

import gzip
from typing import Any

import numpy as np
import numpy.typing as npt

from app.data import files
from app.workloads.brats.labels import Codes, to_file_codes
from app.workloads.brats.volume.preprocessing import Conditioned
from app.workloads.brats.volume.reading import from_ras

LabelArray = npt.NDArray[np.uint8]

NIFTI2_HEADER_BYTES = 540
GZIP_LEVEL = 6
"""The format's default; a label of 240x240x155 takes 0.06 s (measured)."""


def write_label(path: str, label: LabelArray, case: Conditioned, codes: str | Codes) -> None:
    """Write `label` (internal codes, [D, H, W] in the case's box) as <path>, a .nii.gz on the source's whole grid.

    Shape, affine and header codes are those of the (first) source file; values are uint8 in these codes.

    Raises:
        DataError: the place cannot be written.
    """
    coded = np.empty_like(label)
    for plane, target in zip(label, coded, strict=True):  # one by one: the look-up takes eight times its input's memory
        target[:] = to_file_codes(plane, codes)
    grid = to_source_grid(coded, case)
    header = label_header(case.header, case.file_shape)
    num_before_voxels = int(header["vox_offset"])
    content = header.binaryblock.ljust(num_before_voxels, b"\0") + grid.tobytes()
    files.write_bytes_atomic(path, gzip.compress(content, GZIP_LEVEL, mtime=0))  # no time: same input, same bytes


def to_source_grid(label: LabelArray, case: Conditioned) -> LabelArray:
    """[D, H, W] in the box of the RAS+ volume -> [Z, Y, X] of the source file; 0 outside the box."""
    whole = np.zeros(case.shape_zyx, np.uint8)
    box = tuple(slice(start, start + n) for start, n in zip(case.crop_start, label.shape, strict=True))
    whole[box] = label
    grid: LabelArray = np.ascontiguousarray(from_ras(whole, case.affine))
    assert grid.shape == case.file_shape[::-1], (grid.shape, case.file_shape)
    return grid


def label_header(source: bytes, shape_xyz: tuple[int, int, int]) -> Any:
    """The source's header (NIfTI-1 or 2, either byte order) made that of a 3D uint8 volume: what says where the voxels
    lie (qform, sform, their codes, zooms, units) stays; what says how the image's values are coded goes."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    kind: Any = Nifti2Header if len(source) == NIFTI2_HEADER_BYTES else Nifti1Header
    order = "<" if int.from_bytes(source[:4], "little") == len(source) else ">"
    header = kind(source, endianness=order, check=False)
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape_xyz)
    header["pixdim"][4:] = 1
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["cal_min"] = header["cal_max"] = 0
    header["intent_code"], header["intent_name"] = 0, b""
    return header
