"""Files that do not decode as they are although all their pixels are there: without metadata, with an end marker.

Tried only after a file failed, so that ordinary pages pay nothing.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from app.workloads.documents.pages import tiff
from app.workloads.documents.pages.bad_page import BadPage

MAX_METADATA = 64 * 2**20
"""Bytes that a PNG's compressed metadata may have; more is taken for a decompression bomb. None of it is kept."""

PNG_START, JPEG_START, JPEG_END = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd9"
PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"})
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAMES = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})


@dataclass(frozen=True)
class Repair:
    """Another file with the same pixels."""

    content: bytes
    note: str
    """What was done, for people; empty where the file is in order."""
    inverted: bool = False
    """0 is white in it."""


def repairs(content: bytes, frame: int) -> Iterator[Repair]:
    """What may be read in the place of a file that was not.

    Raises:
        BadPage: its compressed metadata is larger than MAX_METADATA.
    """
    if content.startswith(PNG_START):
        yield Repair(_png_without_metadata(content), "its metadata cannot be read and is left out")
    elif content.startswith(JPEG_START):
        if (whole := _with_end(content)) is not None:
            yield Repair(whole, "its end marker is missing; every pixel is there")
        for kept in ({0xE0, 0xE1, 0xEE}, {0xEE}):
            yield Repair(_jpeg_without_metadata(content, kept), "its metadata cannot be read and is left out")
    elif (found := tiff.directory(content, frame)) is not None:
        if (jpeg := tiff.old_style_jpeg(content, found)) is not None:
            yield Repair(jpeg, "")
        if (other := tiff.black_is_0(content, found)) is not None:
            yield Repair(other, "", inverted=True)


def _png_without_metadata(content: bytes) -> bytes:
    """Only what makes pixels, and EXIF (which way is up) if it is whole."""
    parts, start, left = [PNG_START], len(PNG_START), MAX_METADATA
    while start + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[start : start + 8])
        chunk = content[start : start + 12 + length]
        data = chunk[8:-4]
        if kind in (b"zTXt", b"iTXt", b"iCCP"):
            left -= _inflated(data, left)
        whole = len(data) == length and zlib.crc32(kind + data) == struct.unpack(">I", chunk[-4:])[0]
        if kind in PNG_PIXELS or (kind == b"eXIf" and whole):
            parts.append(chunk)
        start += 12 + length
    return b"".join(parts)


def _inflated(data: bytes, most: int) -> int:
    """Bytes that compressed metadata has; 0 for what is not compressed or broken.

    Raises:
        BadPage: more than `most`.
    """
    start = data.find(b"\x78", data.find(b"\0") + 1)  # a zlib stream, after the keyword
    if start < 0:
        return 0
    inflate, rest, found = zlib.decompressobj(), data[start:], 0
    try:
        while rest and not inflate.eof:
            found += len(inflate.decompress(rest, 2**20))
            rest = inflate.unconsumed_tail
            if found > most:
                raise BadPage(
                    f"its compressed metadata is larger than {MAX_METADATA} bytes: refused as a decompression bomb"
                )
    except zlib.error:
        pass
    return found


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment of a JPEG, scans with their pixels; ends where it cannot go on."""
    start = len(JPEG_START)
    while start + 4 <= len(content) and content[start] == 0xFF:
        marker = content[start + 1]
        if marker == 0xFF:  # fill
            start += 1
            continue
        if marker == 0xD9:
            return
        end = start + 2 + struct.unpack(">H", content[start + 2 : start + 4])[0]
        if marker == 0xDA:
            found = _SCAN_END.search(content, end)
            end = found.start() if found else len(content)
        yield marker, start, end
        start = end


def _jpeg_without_metadata(content: bytes, kept: set[int]) -> bytes:
    parts, last = [JPEG_START], len(JPEG_START)
    for marker, start, end in _segments(content):
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in kept:
            parts.append(content[start:end])
        last = end
    return b"".join(parts) + content[last:]


def _with_end(content: bytes) -> bytes | None:
    """The file with its end marker, if that alone is missing.

    Whether every pixel is there is seen by what the decoder makes of other bits in the place of the end: bits that it
    needs no more change nothing.
    """
    content = content[:-1] if content.endswith(b"\xff") else content
    try:
        if content.endswith(JPEG_END) or not _has_all_scans(content):
            return None
    except (IndexError, ValueError):  # a segment is shorter than what it must hold
        return None
    first, *others = (_pixels(content + filler + JPEG_END) for filler in (b"", b"\x55" * 2048, b"\xaa" * 2048))
    return content + JPEG_END if first is not None and all(first == other for other in others) else None


def _has_all_scans(content: bytes) -> bool:
    """Whether there is a scan, to the last bit, of every coefficient of every colour."""
    colours: set[int] = set()
    whole: dict[tuple[int, int], bool] = {}
    for marker, start, end in _segments(content):
        if marker in _FRAMES:
            colours = {content[i] for i in range(start + 10, min(end, start + 10 + 3 * content[start + 9]), 3)}
        elif marker == 0xDA:
            count = content[start + 4]
            first, last, bits = content[start + 5 + 2 * count : start + 8 + 2 * count]
            scanned = [content[start + 5 + 2 * i] for i in range(count)]
            whole |= {(colour, i): not bits & 15 for colour in scanned for i in range(first, last + 1)}
    return bool(colours) and all(whole.get((colour, i), False) for colour in colours for i in range(64))


def _pixels(content: bytes) -> bytes | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            return image.tobytes()
    except Exception:  # as in reading: Pillow raises whatever its parsing met
        return None
