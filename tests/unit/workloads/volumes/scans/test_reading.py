import gzip
import os
import struct
from collections.abc import Callable
from functools import partial
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.workloads.volumes.scans import reading
from app.workloads.volumes.scans.reading import (
    BadVolume,
    axis_codes,
    from_ras,
    read_volume,
    spacing_zyx,
    to_ras,
)

SHAPE = (5, 4, 3)
DIM, DATATYPE, BITPIX, PIXDIM, VOX_OFFSET, SCL_SLOPE = 40, 70, 72, 76, 108, 112
"""Byte offsets in the NIfTI-1 header (nifti1.h)."""


def saved(
    data: npt.NDArray[np.generic], affine: npt.NDArray[np.float64] | None = None, kind: type = nib.Nifti1Image
) -> bytes:
    return bytes(kind(data, np.eye(4) if affine is None else affine, dtype=data.dtype).to_bytes())


def counting(dtype: npt.DTypeLike = np.int16, shape: tuple[int, ...] = SHAPE) -> npt.NDArray[np.generic]:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def put(raw: bytes, offset: int, pattern: str, *values: float) -> bytes:
    changed = bytearray(raw)
    struct.pack_into("<" + pattern, changed, offset, *values)
    return bytes(changed)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], reading.Volume]:
    def of(raw: bytes) -> reading.Volume:
        path = tmp_path / "v.nii"  # gzip is told by its first bytes, as tools do that trust names less than contents
        path.write_bytes(raw)
        return read_volume(str(path))

    return of


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_and_place_are_nibabels(
    read: Callable[[bytes], reading.Volume], dtype: npt.DTypeLike, compress: Callable[[bytes], bytes], kind: type
) -> None:
    data = counting(dtype, (*SHAPE, 4))
    affine = np.array([[0, -2, 0, 10], [3, 0, 0, -7], [0, 0, 1.5, 0], [0, 0, 0, 1]])
    volume = read(compress(saved(data, affine, kind)))
    assert volume.data.dtype == np.dtype(dtype)
    assert (data == volume.data.T).all()
    assert np.allclose(volume.affine, affine)
    assert volume.shape_zyx == SHAPE[::-1]


def test_big_endian_files(read: Callable[[bytes], reading.Volume]) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    data = counting()
    raw = nib.Nifti1Image(data, np.eye(4), header).to_bytes()
    assert raw[:4] == (348).to_bytes(4, "big")
    assert (data == read(raw).data.T).all()


def test_scaling_is_applied(read: Callable[[bytes], reading.Volume]) -> None:
    image = nib.Nifti1Image(counting(), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    raw = put(image.to_bytes(), SCL_SLOPE, "ff", 0.5, -3)
    expected = counting().astype(np.float64) * 0.5 - 3
    assert np.allclose(read(raw).data.T, expected)
    assert read(raw).data.dtype == np.float32


def test_a_trailing_axis_of_one_is_dropped(read: Callable[[bytes], reading.Volume]) -> None:
    assert read(saved(counting(shape=(*SHAPE, 1)))).data.shape == SHAPE[::-1]


def test_several_gzip_members_are_one_file(read: Callable[[bytes], reading.Volume]) -> None:
    """As bgzip and pigz write."""
    raw = saved(counting())
    assert (counting() == read(gzip.compress(raw[:360]) + gzip.compress(raw[360:])).data.T).all()


@pytest.mark.parametrize("num_zeros", [1, 40, 512, 1 << 20])
def test_zeros_after_the_end_are_ignored(read: Callable[[bytes], reading.Volume], num_zeros: int) -> None:
    """As tapes and block devices leave them: after the voxels, packed or not, and after the gzip data."""
    padding = bytes(num_zeros)
    for raw in (RAW + padding, gzip.compress(RAW + padding), PACKED + padding):
        assert (counting() == read(raw).data.T).all()
    members = gzip.compress(RAW[:360]) + gzip.compress(RAW[360:] + padding)
    assert (counting() == read(members).data.T).all()


def test_a_large_file_is_decompressed_in_many_pieces(read: Callable[[bytes], reading.Volume]) -> None:
    data = np.random.default_rng(0).integers(0, 2**15, (64, 64, 40)).astype(np.int16)
    compressed = gzip.compress(saved(data))
    assert len(compressed) > 3 * reading._PIECE_BYTES
    assert (data == read(compressed).data.T).all()


packed = partial(gzip.compress, mtime=0)
"""The same bytes at any time: they name tests."""
RAW = saved(counting())
PACKED = packed(RAW)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x1f\x8b", "not a NIfTI file"),
        (b"hello" * 100, "not a NIfTI file"),
        (RAW[:300], "not a NIfTI file"),
        (RAW[:-1], "truncated: 471 bytes where the header announces 472"),
        (RAW + b"\0\1", "2 bytes more than the header announces"),
        (RAW + bytes((1 << 20) + 1), "1048577 bytes more than the header announces"),
        (packed(RAW[:-1]), "truncated"),
        (packed(RAW + b"\0\1"), "more data than the 472 bytes"),
        (packed(RAW + bytes((1 << 20) + 1)), "more data than the 472 bytes"),
        (PACKED + bytes((1 << 20) + 1), "1048577 bytes of garbage"),
        (PACKED + bytes(100) + b"\1", "101 bytes of garbage"),
        (PACKED[:-1], "truncated"),
        (PACKED[: len(PACKED) // 2], "not a NIfTI file|truncated"),
        (PACKED + b"xyz", "3 bytes of garbage"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "corrupt gzip"),
        (PACKED[:-4] + b"\0\0\0\0", "corrupt gzip"),
        (put(RAW, DIM, "h", 2), "2 dimensions"),
        (put(RAW, DIM, "h", -1), "-1 dimensions"),
        (put(RAW, DIM, "h", 300), "300 dimensions"),
        (put(RAW, DIM + 2, "h", -5), r"shape \(-5, 4, 3\)"),
        (put(RAW, DIM + 2, "h", 0), r"shape \(0, 4, 3\)"),
        (put(RAW, DIM + 2, "hhh", 4097, 1, 1), r"shape \(4097, 1, 1\)"),
        (put(RAW, DIM, "hhhhhh", 5, 5, 4, 3, 2, 2), r"shape \(5, 4, 3, 2, 2\)"),
        (put(RAW, DIM + 2, "hhh", 4096, 4096, 4096), "a file of 472 bytes can hold 472"),
        (packed(put(RAW, DIM + 2, "hhh", 4096, 4096, 4096)), "claims 137438953472 bytes of voxels"),
        (put(RAW, DATATYPE, "h", 7777), "unknown data type code 7777"),
        (put(RAW, DATATYPE, "hh", 32, 64), "of type complex64"),
        (put(RAW, DATATYPE, "hh", 128, 24), "voxels are of type"),
        (put(RAW, BITPIX, "h", 8), "claims 8 bits a voxel"),
        (put(RAW, VOX_OFFSET, "f", 100.0), "voxels begin at byte 100"),
        (put(RAW, VOX_OFFSET, "f", 1e30), r"voxels begin at byte 1\.0+\d+e\+30"),
        (put(RAW, VOX_OFFSET, "f", float("nan")), "voxels begin at byte nan"),
        (put(RAW, 280, "ffff", float("nan"), 0, 0, 0), "orientation"),  # srow_x
        (put(RAW, 280, "ffff", 0, 0, 0, 0), "orientation"),
        (put(RAW, 280, "ffff", 1e30, 0, 0, 0), "orientation"),
        (put(RAW, SCL_SLOPE, "ff", 1.0, float("inf")), "scl_slope"),
    ],
)
def test_what_is_wrong_is_said(read: Callable[[bytes], reading.Volume], raw: bytes, reason: str) -> None:
    with pytest.raises(BadVolume, match=reason) as error:
        read(raw)
    assert error.value.file.endswith("v.nii")


def test_no_memory_is_taken_for_a_claim(
    read: Callable[[bytes], reading.Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 MB of zeros compress to 4 KB; a header that claims a gigabyte more is refused before it is allocated."""
    raw = put(saved(np.zeros((128, 128, 128), np.int16)), DIM + 2, "hhh", 4096, 4096, 40)
    monkeypatch.setattr(np, "empty", lambda *_, **__: pytest.fail("allocated"))
    with pytest.raises(BadVolume, match="can hold"):
        read(packed(raw))


def test_a_missing_file_is_bad(tmp_path: Path) -> None:
    with pytest.raises(BadVolume, match="not found"):
        read_volume(str(tmp_path / "gone.nii.gz"))


@given(st.data())
def test_flipped_bits_never_crash_and_gzip_never_lets_them_through(data: st.DataObject) -> None:
    packed = data.draw(st.booleans())
    raw = bytearray(PACKED if packed else RAW)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    kept = bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else bytes(raw)
    try:
        volume = reading.parse_volume(kept)
    except reading._Bad:
        return
    assert volume.data.size > 0
    if packed:
        assert (counting() == volume.data.T).all()


def all_orientations() -> list[npt.NDArray[np.float64]]:
    """The 48 ways to lay out a volume, with unequal spacing and an offset."""
    affines = []
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = 0
        for axis in range(3):
            affine[order[axis], axis] = signs[axis] * (1.0, 2.0, 3.0)[axis]
        affine[:3, 3] = (5, -6, 7)
        affines.append(affine)
    return affines


@pytest.mark.parametrize("affine", all_orientations())
def test_ras_is_nibabels_closest_canonical(affine: npt.NDArray[np.float64]) -> None:
    data = counting()
    canonical = nib.as_closest_canonical(nib.Nifti1Image(data, affine))
    ras = to_ras(data.T, affine)
    assert (np.asarray(canonical.dataobj) == ras.T).all()
    assert np.allclose(spacing_zyx(affine), canonical.header.get_zooms()[::-1])
    assert axis_codes(affine) == "".join(nib.aff2axcodes(affine))
    assert np.shares_memory(ras, data)
    back = from_ras(ras, affine)
    assert back.shape == data.T.shape
    assert (back == data.T).all()


def test_leading_axes_stay() -> None:
    affine = all_orientations()[17]
    data = counting(shape=(*SHAPE, 2)).T
    assert (to_ras(data, affine)[1] == to_ras(data[1], affine)).all()
    assert (from_ras(to_ras(data, affine), affine) == data).all()


def test_a_pipe_is_no_scan_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t1.nii.gz")
    with pytest.raises(BadVolume, match="it is a named pipe; expected a regular file"):
        read_volume(str(tmp_path / "t1.nii.gz"))
