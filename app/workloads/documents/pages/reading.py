"""Page images of any kind as grey pixels: decoding with guards, and the page as it is stored."""

import io
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.workloads.documents.pages import tiff
from app.workloads.documents.pages.bad_page import BadPage
from app.workloads.documents.pages.grey import inverted, made_smaller, orientation_of, to_grey, upright
from app.workloads.documents.pages.repairs import PNG_START, repairs

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]

READING = 4
"""Goes up when the same file gives another page, so that what was prepared before is prepared again."""

MAX_PIXELS = 200_000_000
"""A page of more is taken for a decompression bomb; A0 at 300 dpi has 139 million."""

BLACK_AND_WHITE = 3
"""So many times MAX_PIXELS a page of 1 bit may have, which is read in reduced form: A0 at 600 dpi has 558 million."""

FORMATS = ("TIFF", "JPEG", "PNG", "BMP", "GIF", "WEBP", "JPEG2000")
"""Pillow knows more, some of which run other programs."""

SLACK = 1.03
"""Whole-number shrinking may fall short of the wanted size by this factor: 754 pixels are halved to 377 for 384. The
filter alone would mix pixels of twice that distance, so nothing is lost (measured: 1.5 ms a page instead of 2.3)."""


MORE_FRAMES = "it is an animation, of which the first frame alone is read"


class _Undecodable(BadPage):
    """What another file with the same pixels may still give."""


@dataclass(frozen=True)
class _Decoded:
    image: "Image"
    size: tuple[int, int]
    """In the header."""
    note: str = ""


def num_pages(content: tiff.Bytes) -> int:
    """Pages of a file: those of a TIFF without its smaller copies and masks; else 1, as of an animation its first."""
    return len(tiff.page_frames(content))


def read_page(content: bytes, page: int = 0, max_pixels: int | None = None) -> "Image":
    """Decode one page to a grey Pillow image (mode L) in the full tonal range; transparent parts are white paper.

    A page of 1 bit that has more than `max_pixels` comes a whole number of times smaller.

    Args:
        max_pixels: MAX_PIXELS if None.

    Raises:
        BadPage: no image, truncated, damaged, too large, of pixels that are not understood, or without such a page.
    """
    return _decode(content, page, None, max_pixels).image


def stored_page(
    content: bytes, image_size: int, page: int = 0, max_pixels: int | None = None, notes: list[str] | None = None
) -> tuple[UInt8Array, int, int]:
    """A page as the store keeps it, [image_size, image_size] with 0 for black; and the file's width and height.

    It is squashed: the aspect is not kept. Every stored pixel is an average of all that it covers, so that black and
    white pages become grey.

    Args:
        notes: gets what is odd about the file although it was read.

    Raises:
        BadPage: as `read_page`.
    """
    found = _decode(content, page, image_size, max_pixels)
    if found.note and notes is not None:
        notes.append(found.note)
    return np.asarray(shrink(found.image, image_size)), *found.size


def small_page(content: bytes, at_least: int, page: int = 0, max_pixels: int | None = None) -> "Image":
    """A page in grey and its own shape; a JPEG may come smaller, at least so many pixels an edge.

    Raises:
        BadPage: as `read_page`.
    """
    return _decode(content, page, at_least, max_pixels).image


def shrink(image: "Image", size: int) -> "Image":
    """A grey page squashed to `size` pixels an edge, as the store keeps it. Whole-number shrinking comes first, which
    is cheap; the filter then has little left to do."""
    from PIL import Image

    factors = (max(1, int(image.width / size * SLACK)), max(1, int(image.height / size * SLACK)))
    reduced = image.reduce(factors) if max(factors) > 1 else image
    edge = (0, 0, image.width / factors[0], image.height / factors[1])  # the last reduced pixel may be a partial one
    return reduced.resize((size, size), Image.Resampling.BILINEAR, box=edge)


def _decode(content: bytes, page: int, at_least: int | None, max_pixels: int | None) -> _Decoded:
    """The grey page; if the file itself does not give it, by what has the same pixels."""
    frames = tiff.page_frames(content) if page or tiff.is_tiff(content) else [0]
    if page and tiff.is_tiff(content) and page >= len(frames):
        raise BadPage(f"it has no page {page}")
    frame = frames[page] if page < len(frames) else page
    most = MAX_PIXELS if max_pixels is None else max_pixels
    try:
        return _decode_as_it_is(content, frame, at_least, most)
    except _Undecodable as error:
        header = tiff.directory(content, frame)
        for repair in repairs(content, frame):
            try:
                start = frame if tiff.is_tiff(repair.content) else 0
                found = _decode_as_it_is(repair.content, start, at_least, most, repair.inverted)
            except BadPage:
                continue
            if header is None or sorted(found.size) == sorted(header.size):
                return _Decoded(found.image, found.size, repair.note)
        if header is None:
            raise
        raise BadPage(f"{tiff.describe(header)}: not read ({error})") from error


def _decode_as_it_is(
    content: bytes, frame: int, at_least: int | None, max_pixels: int, white_is_0: bool = False
) -> _Decoded:
    """A JPEG is decoded at the smallest size of `at_least` pixels an edge."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limit in force is the one here
    if not content:
        raise BadPage("the file is empty")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if frame:
                image.seek(frame)
            width, height = image.size
            _check_size(image, max_pixels)
            if at_least is not None and image.format == "JPEG":
                image.draft("L", (at_least, at_least))
            image.load()
            note = MORE_FRAMES if image.format != "TIFF" and getattr(image, "is_animated", False) else ""
            orientation = orientation_of(image)  # after: PNG may have it behind the pixels
            white_is_0 = white_is_0 or _is_white_0(image)
            if width * height > max_pixels:
                grey = made_smaller(image, math.ceil(math.sqrt(width * height / max_pixels)))
            else:
                grey = to_grey(image, _bits(content, image.mode))
            return _Decoded(upright(inverted(grey) if white_is_0 else grey, orientation), (width, height), note)
    except (BadPage, MemoryError):
        raise
    except EOFError as error:
        raise BadPage(f"it has no page {frame}") from error
    except UnidentifiedImageError as error:
        raise _Undecodable(f"no image of {', '.join(FORMATS)}, or truncated; it begins with {content[:8]!r}") from error
    except Exception as error:  # Pillow's decoders raise whatever their parsing met: OSError, SyntaxError, struct.error
        raise _Undecodable(f"damaged: {error}") from error


def _check_size(image: "Image", max_pixels: int) -> None:
    most = max_pixels * (BLACK_AND_WHITE if image.mode == "1" else 1)
    if image.width * image.height > most:
        kind = " of 1 bit" if image.mode == "1" else ""
        raise BadPage(
            f"its header says {image.width} x {image.height} pixels, at most {most}{kind} are decoded "
            "(--max-pixels raises it)"
        )


def _is_white_0(image: "Image") -> bool:
    """Whether Pillow has left white as 0: a grey TIFF of more than 8 bits that says so. And whether it has turned black
    into white: it takes 0 for white where a TIFF does not say; libtiff and its viewers do so of fax alone.
    """
    if image.format != "TIFF":
        return False
    photometric = _tag(image, tiff.PHOTOMETRIC)
    if image.mode.startswith("I;16"):
        return photometric == 0
    return photometric is None and image.mode in ("1", "L") and _tag(image, tiff.COMPRESSION) not in tiff.FAX


def _tag(image: "Image", tag: int) -> object:
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else tags.get(tag)


def _bits(content: bytes, mode: str) -> int | None:
    """Bits a sample of a PNG, of whose grey only Pillow does not say it.

    Raises:
        BadPage: JPEG 2000 of bits that Pillow does not spread over the range: below 8, or above in 8, where white is 0.
    """
    if content.startswith(PNG_START):
        return content[24]
    start = content.find(b"\xff\x4f\xff\x51", 0, 4096)
    is_boxed = content[4:8] == b"jP  "
    if start < 0 or not (is_boxed or start == 0):
        return None
    num_components = int.from_bytes(content[start + 40 : start + 42], "big")
    bits = [(size & 127) + 1 for size in content[start + 42 : start + 42 + 3 * num_components : 3]]
    if (is_boxed and min(bits, default=8) < 8) or (max(bits, default=8) > 8 and not mode.startswith("I;16")):
        several = "/".join(map(str, sorted(set(bits))))
        raise BadPage(
            f"JPEG 2000 of {several} bits a sample, {num_components} a pixel; expected 8, or 10 to 16 of grey"
        )
    return None
