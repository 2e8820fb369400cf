"""Page images of any kind as grey pixels: decoding with guards, and the page as it is stored."""

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]

MAX_PIXELS = 200_000_000
"""A page of more is taken for a decompression bomb; A0 at 300 dpi has 139 million."""

FORMATS = ("TIFF", "JPEG", "PNG", "BMP", "GIF", "WEBP")
"""Pillow knows more, some of which run other programs."""

PAPER = 255

SLACK = 1.03
"""Whole-number shrinking may fall short of the wanted size by this factor: 754 pixels are halved to 377 for 384. The
filter alone would mix pixels of twice that distance, so nothing is lost (measured: 1.5 ms a page instead of 2.3)."""


class BadPage(Exception):
    """A page that is not fit for use; its message says why."""


def read_page(content: bytes, page: int = 0) -> "Image":
    """Decode one page to a grey Pillow image (mode L) in the full tonal range; transparent parts are white paper.

    Raises:
        BadPage: no image, truncated, damaged, too large, of pixels that are not understood, or without such a page.
    """
    return _decode(content, page, None)[0]


def stored_page(content: bytes, image_size: int) -> tuple[UInt8Array, int, int]:
    """The first page as the store keeps it, [image_size, image_size] with 0 for black; and the file's width and height.

    It is squashed: the aspect is not kept. Every stored pixel is an average of all that it covers, so that black and
    white pages become grey.

    Raises:
        BadPage: as `read_page`.
    """
    image, (width, height) = _decode(content, 0, image_size)
    return np.asarray(shrink(image, image_size)), width, height


def small_page(content: bytes, at_least: int) -> "Image":
    """The first page in grey and its own shape; a JPEG may come smaller, at least so many pixels an edge.

    Raises:
        BadPage: as `read_page`.
    """
    return _decode(content, 0, at_least)[0]


def shrink(image: "Image", size: int) -> "Image":
    """A grey page squashed to `size` pixels an edge, as the store keeps it. Whole-number shrinking comes first, which
    is cheap; the filter then has little left to do."""
    from PIL import Image

    factors = (max(1, int(image.width / size * SLACK)), max(1, int(image.height / size * SLACK)))
    reduced = image.reduce(factors) if max(factors) > 1 else image
    edge = (0, 0, image.width / factors[0], image.height / factors[1])  # the last reduced pixel may be a partial one
    return reduced.resize((size, size), Image.Resampling.BILINEAR, box=edge)


def _decode(content: bytes, page: int, at_least: int | None) -> tuple["Image", tuple[int, int]]:
    """The grey page and the size in its header. A JPEG is decoded at the smallest size of `at_least` pixels an edge."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit on opening and seeking
    if not content:
        raise BadPage("the file is empty")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if page:
                image.seek(page)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadPage(f"its header says {width} x {height} pixels, at most {MAX_PIXELS} are decoded")
            if at_least is not None and image.format == "JPEG":
                image.draft("L", (at_least, at_least))
            image.load()
            return _upright(_grey(image)), (width, height)
    except (BadPage, MemoryError):
        raise
    except EOFError as error:
        raise BadPage(f"it has no page {page}") from error
    except UnidentifiedImageError as error:
        raise BadPage(f"no image of {', '.join(FORMATS)}, or truncated; it begins with {content[:8]!r}") from error
    except Image.DecompressionBombError as error:
        raise BadPage(f"too large: {error}") from error
    except Exception as error:  # Pillow's decoders raise whatever their parsing met: OSError, SyntaxError, struct.error
        raise BadPage(f"damaged: {error}") from error


def _grey(image: "Image") -> "Image":
    """Mode L of any mode, by the range that the mode can hold."""
    mode = image.mode
    if mode == "L" and "transparency" not in image.info:
        return image.copy() if image.readonly else image
    if mode == "1":
        return image.convert("L")
    if mode.startswith("I;16"):
        return _from_16_bit(np.asarray(image))
    if mode == "I":  # 16 bits in 32, as some files and versions of Pillow give them
        return _from_16_bit(np.asarray(image))
    if mode == "F":
        raise BadPage("pixels of 32-bit floats, whose black and white are not known; wanted 1, 8 or 16 bits")
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return _on_paper(image.convert("RGBA"))
    return (image if mode == "RGB" else image.convert("RGB")).convert("L")


def _from_16_bit(values: npt.NDArray[Any]) -> "Image":
    from PIL import Image

    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise BadPage(f"pixels from {low} to {high}; wanted 16 bits, 0 to 65535")
    return Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))


def _on_paper(image: "Image") -> "Image":
    from PIL import Image

    paper = Image.new("RGBA", image.size, (PAPER, PAPER, PAPER, PAPER))
    return Image.alpha_composite(paper, image).convert("L")


def _upright(image: "Image") -> "Image":
    """As cameras mean it; scans say nothing, and Pillow turns TIFFs itself."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if "exif" in image.info else image
