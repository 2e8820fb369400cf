"""What a TIFF says of itself: which of its directories are pages, and how their pixels are meant (TIFF 6.0)."""

import struct
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Byte orders, classic and BigTIFF."""

NEW_SUBFILE, SUBFILE, WIDTH, HEIGHT = 254, 255, 256, 257
BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, SAMPLES, MAX_SAMPLE, PLANES = 258, 259, 262, 274, 277, 281, 284
COLOUR_MAP, SAMPLE_FORMAT, JPEG_START, JPEG_LENGTH, SUBSAMPLING = 320, 339, 513, 514, 530

COMPRESSIONS = {1: "none", 2: "CCITT", 3: "G3", 4: "G4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG", 8: "deflate"}
FAX = (2, 3, 4, 32771)
PHOTOMETRICS = {
    0: "white is 0",
    1: "black is 0",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "colour filter array",
    34892: "linear raw",
}
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of whole numbers."""


class Bytes(Sized, Protocol):
    """bytes, or a file mapped into memory."""

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True)
class Directory:
    order: str
    """`<` or `>`."""
    tags: dict[int, tuple[int, ...]]
    """Those of whole numbers."""
    places: dict[int, tuple[int, str]]
    """Where the value of a tag that stands in the directory itself begins, and its format."""

    def first(self, tag: int, otherwise: int) -> int:
        return self.tags.get(tag, (otherwise,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.first(WIDTH, 0), self.first(HEIGHT, 0)

    @property
    def is_page(self) -> bool:
        """Not a smaller copy or a mask of another."""
        return not self.first(NEW_SUBFILE, 0) & 5 and self.first(SUBFILE, 1) != 2


def is_tiff(content: Bytes) -> bool:
    return bytes(content[:4]) in STARTS


def page_frames(content: Bytes) -> list[int]:
    """Numbers of the directories that are pages, from 0; never empty: who reads the first says what is wrong with it.
    A chain that is damaged or a circle ends there."""
    frames = [number for number, found in enumerate(_directories(content, {NEW_SUBFILE, SUBFILE})) if found.is_page]
    return frames or [0]


def directory(content: bytes, frame: int) -> Directory | None:
    """That of a number, if the file goes on so far."""
    for number, found in enumerate(_directories(content, None)):
        if number == frame:
            return found
    return None


def describe(found: Directory) -> str:
    """The properties by which pixels are decoded, in words."""
    photometric, compression = found.first(PHOTOMETRIC, -1), found.first(COMPRESSION, 1)
    colours = f"PhotometricInterpretation {photometric} ({PHOTOMETRICS.get(photometric, 'unknown')})"
    bits, samples = found.tags.get(BITS, (1,)), found.first(SAMPLES, 1)
    kinds = {2: "signed ", 3: "float ", 4: "undefined ", 5: "complex ", 6: "complex "}
    return (
        f"TIFF of {'/'.join(map(str, sorted(set(bits))))} bits a {kinds.get(found.first(SAMPLE_FORMAT, 1), '')}sample, "
        f"{samples} a pixel, {colours if PHOTOMETRIC in found.tags else 'no PhotometricInterpretation'}, "
        f"compression {compression} ({COMPRESSIONS.get(compression, 'another')}), "
        f"byte order {'II' if found.order == '<' else 'MM'}"
    )


def black_is_0(content: bytes, found: Directory) -> bytes | None:
    """A grey page of white = 0 said to be of black = 0, so that its pixels are read as they are."""
    if found.first(PHOTOMETRIC, 1) != 0 or found.first(SAMPLES, 1) != 1 or PHOTOMETRIC not in found.places:
        return None
    start, form = found.places[PHOTOMETRIC]
    value = struct.pack(found.order + form, 1)
    return content[:start] + value + content[start + len(value) :]


def old_style_jpeg(content: bytes, found: Directory) -> bytes | None:
    """The whole JPEG that old scanners put into a TIFF (compression 6); None where it is in parts or turned."""
    if found.first(COMPRESSION, 1) != 6 or found.first(ORIENTATION, 1) != 1:
        return None
    start, length = found.first(JPEG_START, 0), found.first(JPEG_LENGTH, 0)
    jpeg = content[start : start + length]
    return jpeg if start and jpeg[:2] == b"\xff\xd8" else None


def _directories(content: Bytes, wanted: set[int] | None) -> Iterator[Directory]:
    """In the file's order, with the tags wanted (None: all)."""
    if not is_tiff(content):
        return
    order = "<" if bytes(content[:2]) == b"II" else ">"
    big = bytes(content[2:4]).strip(b"\0") == b"+"
    count_form, entry, offset_form = ("Q", 20, "Q") if big else ("H", 12, "I")
    seen: set[int] = set()
    try:
        (start,) = struct.unpack(order + offset_form, content[8:16] if big else content[4:8])
        while start and start not in seen:
            seen.add(start)
            first = start + struct.calcsize(count_form)
            (count,) = struct.unpack(order + count_form, content[start:first])
            end = first + entry * count
            if end > len(content):
                return
            yield _directory(content, bytes(content[first:end]), first, order, big, wanted)
            (start,) = struct.unpack(order + offset_form, content[end : end + struct.calcsize(offset_form)])
    except struct.error:
        return


def _directory(content: Bytes, entries: bytes, first: int, order: str, big: bool, wanted: set[int] | None) -> Directory:
    head, room = (order + "HHQ", 8) if big else (order + "HHI", 4)
    size = struct.calcsize(head)
    tags: dict[int, tuple[int, ...]] = {}
    places: dict[int, tuple[int, str]] = {}
    for start in range(0, len(entries), size + room):
        tag, kind, count = struct.unpack_from(head, entries, start)
        form = _WHOLE.get(kind)
        if form is None or (wanted is not None and tag not in wanted) or not 0 < count <= 3 * 65536:
            continue
        length = struct.calcsize(form) * count
        at = first + start + size
        if length <= room:
            places[tag] = at, form
        else:
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), entries, start + size)
        value = bytes(content[at : at + length])
        if len(value) == length:
            tags[tag] = struct.unpack(f"{order}{count}{form}", value)
    return Directory(order, tags, places)
