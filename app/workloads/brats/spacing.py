"""Voxel sizes: of a source's cases, the one that training takes, and whether a case differs from it. In mm, z, y, x of
the RAS+ volume; in words x, y, z."""

import io
import statistics
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from app.data import files
from app.errors import DataError
from app.workloads.brats.source.layouts import CaseFiles
from app.workloads.brats.volume.headers import find_place
from app.workloads.brats.volume.reading import spacing_zyx

Spacing = tuple[float, float, float]

TOLERANCE = 0.05
"""Voxels that differ by no more than this share along each axis count as alike. Assumed: less than augmentation by
scaling commonly varies (nnU-Net's is 0.7 to 1.4)."""
DECIMALS = 2
"""Decimals of the common spacing."""
_START_BYTES = 64 * 2**10
_HEADER_BYTES = 540
"""Bytes of a NIfTI-2 header; NIfTI-1 has 348."""
_GZIP = 31
_READS_AT_ONCE = 16
"""Assumed: hides the latency of an object store."""


def differs(spacing_mm: Spacing, target_mm: Spacing) -> bool:
    """Whether any axis is beyond TOLERANCE."""
    most = TOLERANCE + 1e-6  # headers are in float32
    return any(abs(own / wanted - 1) > most for own, wanted in zip(spacing_mm, target_mm, strict=True))


def common_spacing(spacings: Sequence[Spacing]) -> Spacing | None:
    """What training takes: along each axis the median, rounded to 0.01 mm. None for no cases."""
    if not spacings:
        return None
    z, y, x = (max(round(statistics.median(axis), DECIMALS), 10**-DECIMALS) for axis in zip(*spacings, strict=True))
    return z, y, x


def read_spacings(cases: Sequence[CaseFiles]) -> list[Spacing]:
    """The voxel size of each case's first image, from its first bytes; cases that cannot be read are left out:
    preparing them says what is wrong."""
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        found = pool.map(_read_spacing, [case.images[0] for case in cases])
        return [spacing for spacing in found if spacing is not None]


def in_words(spacing_mm: Sequence[float]) -> str:
    """Such as `0.94 x 0.94 x 5 mm`: along x, y and z."""
    return " x ".join(f"{round(step, 3):g}" for step in reversed(spacing_mm)) + " mm"


def _read_spacing(path: str) -> Spacing | None:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    unreadable = (DataError, HeaderDataError, WrapStructError, zlib.error, ValueError, ArithmeticError, IndexError)
    try:
        [start] = files.read_ranges([(path, 0, min(files.stamp(path).num_bytes, _START_BYTES))])
        packed = start[:2] == b"\x1f\x8b"
        head = zlib.decompressobj(_GZIP).decompress(start, _HEADER_BYTES) if packed else start[:_HEADER_BYTES]
        sizes = (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
        kind: Any = Nifti2Header if _HEADER_BYTES in sizes else Nifti1Header
        if int(kind.sizeof_hdr) not in sizes:
            return None
        with np.errstate(all="ignore"):
            header = kind.from_fileobj(io.BytesIO(head), check=False)
            spacing = spacing_zyx(find_place(header, tuple(int(n) for n in header["dim"][1:4])).affine)
    except (*unreadable, np.linalg.LinAlgError):
        return None
    return spacing if all(np.isfinite(spacing)) and min(spacing) > 0 else None
