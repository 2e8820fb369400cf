"""Reading NIfTI without trusting it: everything the header claims is checked before memory is taken for it.

A gzip file is decompressed in pieces straight into the array, with its checksum and length verified; a volume costs
its own size once, plus the compressed file. Arrays come in the file's own memory order, so axes are reversed with
respect to nibabel's: [T,] Z, Y, X.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.data import files
from app.errors import DataError, UsageError
from app.workloads.volumes.scans.headers import Place, find_place

FloatArray = npt.NDArray[np.float64]

MAX_VOLUME_BYTES = 8 * 2**30
"""Assumed: 4 modalities of 512^3 in float64 are 4 GiB; twice that."""
MAX_DIMENSION = 4096
"""Assumed: no scanner or atlas comes near."""
MAX_DEFLATE_RATIO = 1032
"""Largest ratio of the deflate format: a longer claim cannot be in the file (zlib technical details)."""
_PIECE_BYTES = 64 * 2**10
"""Compressed bytes fed at a time; measured: as fast as the whole at once, and its output stays below 66 MB."""
_HEADER_BYTES = 540
"""Bytes of a NIfTI-2 header; NIfTI-1 has 348."""
_MAX_VOXEL_OFFSET = 1 << 20
"""Assumed: header, extensions and padding up to the first voxel."""
_MAX_PADDING = 1 << 20
"""Zeros after the end that are ignored. Assumed: the rest of a block of a tape or a disk; the gzip manual, "Tapes"."""
_GZIP = 31
"""zlib's wbits for a gzip wrapper with the largest window."""


class BadVolume(Exception):
    """A file that is not fit for use; says which and why. Becomes a line of the quarantine."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class Volume:
    """A file's voxels, and what is needed to write another volume like it."""

    data: npt.NDArray[Any]
    """[Z, Y, X] or [T, Z, Y, X] as in the file, scl_slope and scl_inter applied."""
    affine: FloatArray
    """4x4: voxel indices (x, y, z) to mm, RAS+."""
    header: bytes
    """The header's block as it is in the file."""
    has_place: bool = True
    """False where the header says spacing alone (app.workloads.volumes.scans.headers)."""
    step: float = 0.0
    """Distance between neighbouring values where whole numbers were scaled by the header; else 0."""
    notes: tuple[str, ...] = ()
    """What was assumed in reading (app.workloads.volumes.scans.notes)."""
    qform: FloatArray | None = None
    """The other place that the header states, where sform and qform disagree; `affine` is the sform."""

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        z, y, x = self.data.shape[-3:]
        return z, y, x


def read_volume(path: str) -> Volume:
    """Read and verify one .nii or .nii.gz file; local or any fsspec URL.

    Raises:
        BadVolume: unreadable, truncated, corrupt, or with a header that cannot be true.
    """
    try:
        raw = files.read_bytes(path)
    except DataError as error:
        raise BadVolume(path, str(error)) from error
    try:
        return parse_volume(raw)
    except _Bad as error:
        raise BadVolume(path, str(error)) from error


class _Bad(Exception):
    """A reason, where the file's name is not known."""


def parse_volume(raw: bytes) -> Volume:
    """`read_volume` of bytes; raises _Bad, which read_volume turns into BadVolume."""
    if not raw:
        raise _Bad("the file is empty")
    compressed = raw[:2] == b"\x1f\x8b"
    head = _inflate_start(raw) if compressed else raw[:_HEADER_BYTES]
    header = _parse_header(head)
    shape, dtype, offset = _checked_extent(header, len(raw), compressed)
    total = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if compressed:
        content = _inflate(raw, total)
    elif len(raw) < total:
        raise _Bad(f"truncated: {len(raw)} bytes where the header announces {total}")
    elif len(raw) > total and not _is_padding(raw, total):
        raise _Bad(f"{len(raw) - total} bytes more than the header announces")
    else:
        content = np.frombuffer(raw, np.uint8, total)
    data = np.frombuffer(content, dtype, offset=offset).reshape(shape[::-1])
    place, (scaled, step) = _place(header, shape[:3]), _scaled(data, header)
    return Volume(scaled, place.affine, bytes(header.binaryblock), place.is_known, step, place.notes, place.qform)


def _isal() -> Any:
    """isa-l's gzip; measured: 1.7 times zlib's speed on a full-size 240x240x155x4 case, with its checksum."""
    from isal import isal_zlib

    return isal_zlib


def _orientations() -> Any:
    """nibabel's functions on orientations, which have no types."""
    from nibabel import orientations

    return orientations


def _inflate_start(raw: bytes) -> bytes:
    isal_zlib = _isal()
    try:
        return bytes(isal_zlib.decompressobj(_GZIP).decompress(raw[:_PIECE_BYTES], _HEADER_BYTES))
    except isal_zlib.error as error:
        raise _Bad(f"corrupt gzip: {error}") from error


def _inflate(raw: bytes, total: int) -> npt.NDArray[np.uint8]:
    """Decompress to exactly `total` bytes; isa-l verifies each member's CRC-32 and length."""
    isal_zlib = _isal()
    content = np.empty(total, np.uint8)
    num_done, num_padding, start = 0, 0, 0
    member = isal_zlib.decompressobj(_GZIP)
    try:
        while start < len(raw):
            piece = member.decompress(raw[start : start + _PIECE_BYTES])
            start += _PIECE_BYTES
            if num_done + len(piece) > total:
                num_padding += num_done + len(piece) - total
                if num_padding > _MAX_PADDING or not _is_padding(piece, total - num_done):
                    raise _Bad(f"more data than the {total} bytes that the header announces")
                piece = piece[: total - num_done]
            content[num_done : num_done + len(piece)] = np.frombuffer(piece, np.uint8)
            num_done += len(piece)
            if member.eof and (rest := len(member.unused_data) + max(len(raw) - start, 0)):
                start = len(raw) - rest
                if raw[start : start + 2] != b"\x1f\x8b":  # bgzip and pigz may write several members
                    if _is_padding(raw, start):
                        break
                    raise _Bad(f"{rest} bytes of garbage after the end of the gzip data")
                member = isal_zlib.decompressobj(_GZIP)
    except isal_zlib.error as error:
        raise _Bad(f"corrupt gzip: {error}") from error
    if not member.eof or num_done < total:
        raise _Bad(f"truncated: {num_done} bytes where the header announces {total}")
    return content


def _is_padding(raw: bytes, start: int) -> bool:
    """Whether nothing but zeros follows, and not too many."""
    return len(raw) - start <= _MAX_PADDING and raw.count(0, start) == len(raw) - start


def _parse_header(head: bytes) -> Any:
    """nibabel's header, in the byte order of the file; its contents are not checked yet."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    kind: Any
    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    kind = Nifti2Header if 540 in sizes else Nifti1Header
    size = int(kind.sizeof_hdr)
    magic = head[4:8] if kind is Nifti2Header else head[344:348]
    if size not in sizes or len(head) < size or magic[:3] not in (b"n+1", b"n+2"):
        raise _Bad("not a NIfTI file: no NIfTI header at its start")
    order = "<" if int.from_bytes(head[:4], "little") == size else ">"
    return kind(head[:size], endianness=order, check=False)


def _checked_extent(header: Any, file_bytes: int, compressed: bool) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape (file order x, y, z[, t]), type and offset of the voxels, if they can be true."""
    num_dims = int(header["dim"][0])
    if not 3 <= num_dims <= 7:
        raise _Bad(f"the header claims {num_dims} dimensions, expected 3 or 4")
    shape = tuple(int(n) for n in header["dim"][1 : num_dims + 1])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 4 or not all(1 <= n <= MAX_DIMENSION for n in shape):
        raise _Bad(f"the header claims the shape {shape}, expected 3 or 4 dimensions of 1 to {MAX_DIMENSION}")
    dtype = _checked_type(header)
    num_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    limit = min(MAX_VOLUME_BYTES, file_bytes * (MAX_DEFLATE_RATIO if compressed else 1))
    if num_bytes > limit:
        raise _Bad(f"the header claims {num_bytes} bytes of voxels; a file of {file_bytes} bytes can hold {limit}")
    offset = float(header["vox_offset"])
    first = int(header.sizeof_hdr)
    if not first <= offset <= _MAX_VOXEL_OFFSET or offset != int(offset):
        raise _Bad(f"the header claims that voxels begin at byte {offset}, expected {first} to {_MAX_VOXEL_OFFSET}")
    return shape, dtype, int(offset)


def _checked_type(header: Any) -> np.dtype[Any]:
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype: np.dtype[Any] = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise _Bad(f"unknown data type code {int(header['datatype'])}") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise _Bad(f"voxels are of type {dtype}, expected integers or floats of at most 64 bits")
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        raise _Bad(f"the header claims {int(header['bitpix'])} bits a voxel for {dtype}")
    return dtype


def _place(header: Any, shape_xyz: tuple[int, ...]) -> Place:
    try:
        with np.errstate(all="ignore"):
            place = find_place(header, shape_xyz)
            orientation_of(place.affine)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise _Bad(f"the orientation in the header is not valid: {error}") from error
    return place


def _scaled(data: npt.NDArray[Any], header: Any) -> tuple[npt.NDArray[Any], float]:
    """The measured values, and the step between them where they are whole numbers scaled."""
    from nibabel.spatialimages import HeaderDataError

    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise _Bad(f"scl_slope and scl_inter are not valid: {error}") from error
    if slope in (None, 1.0) and inter in (None, 0.0):
        return data, 0.0
    with np.errstate(all="ignore"):  # an overflow becomes inf, which the check for finite values reports
        scaled = data.astype(np.float32)
        scaled *= np.float32(1.0 if slope is None else slope)
        scaled += np.float32(inter or 0.0)
    return scaled, 0.0 if data.dtype.kind == "f" else abs(float(1.0 if slope is None else slope))


def orientation_of(affine: FloatArray) -> FloatArray:
    """nibabel's orientation table [3, 2] of an affine: for each axis x, y, z of the file its RAS axis and direction."""
    table: FloatArray = _orientations().io_orientation(affine)
    if np.isnan(table).any():
        raise UsageError("the affine drops an axis")
    return table


def axis_codes(affine: FloatArray) -> str:
    """Such as "LPS": the directions in which x, y and z of the file grow."""
    return "".join(_orientations().ornt2axcodes(orientation_of(affine)))


def to_ras(data: npt.NDArray[Any], affine: FloatArray) -> npt.NDArray[Any]:
    """A view of [..., Z, Y, X] in file order as RAS+: z, y, x grow towards superior, anterior, right. No copy."""
    table = orientation_of(affine)
    leading = data.ndim - 3
    flipped = np.flip(data, _falling(table, leading))
    # RAS axis r (0 right, 1 anterior, 2 superior) is the file's axis a with table[a, 0] == r; array axes are reversed
    source = [int(np.flatnonzero(table[:, 0] == ras)[0]) for ras in (2, 1, 0)]
    return flipped.transpose(*range(leading), *(leading + 2 - axis for axis in source))


def from_ras(data: npt.NDArray[Any], affine: FloatArray) -> npt.NDArray[Any]:
    """The inverse of `to_ras`: a view of a RAS+ array [..., Z, Y, X] in the order of the file with this affine."""
    table = orientation_of(affine)
    leading = data.ndim - 3
    unordered = data.transpose(*range(leading), *(leading + 2 - int(table[axis, 0]) for axis in (2, 1, 0)))
    return np.flip(unordered, _falling(table, leading))


def _falling(table: FloatArray, leading: int) -> tuple[int, ...]:
    """Array axes, in the file's order, along which RAS coordinates fall."""
    return tuple(leading + 2 - axis for axis in range(3) if table[axis, 1] < 0)


def spacing_zyx(affine: FloatArray) -> tuple[float, float, float]:
    """Distance in mm between neighbours along z, y and x of a RAS+ volume, from the affine of its file."""
    table = orientation_of(affine)
    steps = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    z, y, x = (float(steps[int(np.flatnonzero(table[:, 0] == ras)[0])]) for ras in (2, 1, 0))
    return z, y, x
