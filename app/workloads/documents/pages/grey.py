"""Decoded images as grey pages, by what their files say of black, white, transparency and which way is up."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.workloads.documents.pages import tiff
from app.workloads.documents.pages.bad_page import BadPage

if TYPE_CHECKING:
    from PIL.Image import Image

PAPER = 255
EXIF_ORIENTATION = 274


def to_grey(image: "Image", bits: int | None) -> "Image":
    """Mode L of any mode, 0 for black, by the range that the file's samples have; on white paper where transparent.
    Colour profiles and gamma are not applied.

    Args:
        image: loaded.
        bits: a sample, where the container says it (PNG).

    Raises:
        BadPage: what black and white are is not known; names the property.
    """
    full = 65535
    if image.format == "TIFF":
        full = _check_tiff(image)
    if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getextrema()[1]:
        image = image.convert("RGB")  # alpha that nobody filled in, as viewers take it
    mode, clear = image.mode, image.info.get("transparency")
    if mode == "L" and clear is None:
        return image.copy() if image.readonly else image
    if mode == "1" and clear is None:
        return image.convert("L")
    if mode == "F":
        raise BadPage("pixels of 32-bit floats, whose black and white are not known; expected 1, 8 or 16 bits")
    if mode == "I" or mode.startswith("I;16"):
        return _from_16_bit(np.asarray(image), full, clear)
    if mode in ("1", "L") and isinstance(clear, int):
        return _clear_grey(image.convert("L"), clear, bits or (1 if mode == "1" else 8))
    if mode in ("LAB", "HSV"):
        raise BadPage(f"{image.format} of {'CIELab' if mode == 'LAB' else mode} colours; expected grey, RGB or CMYK")
    if mode == "RGB" and clear is not None and bits == 16:
        raise BadPage(f"{image.format} of 16 bits a sample with a colour that is transparent (tRNS)")
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or clear is not None:
        return _on_paper((image.convert("LA") if mode == "La" else image).convert("RGBA"))
    return (image if mode == "RGB" else image.convert("RGB")).convert("L")


def inverted(image: "Image") -> "Image":
    from PIL import ImageChops

    return ImageChops.invert(image)


def orientation_of(image: "Image") -> int:
    """As EXIF has it, 1 to 8; 1 where it is missing, odd or broken. Pillow turns TIFFs itself."""
    if "exif" not in image.info or image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # metadata costs no page; Pillow raises whatever its parsing met
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(image: "Image", orientation: int) -> "Image":
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def made_smaller(image: "Image", factor: int) -> "Image":
    """A black and white image as grey, a whole number of times smaller; in bands, to hold no grey copy of the whole."""
    from PIL import Image

    whole = Image.new("L", (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, 2**24 // (image.width * factor))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        whole.paste(band.convert("L").reduce(factor), (0, top // factor))
    return whole


def _check_tiff(image: Any) -> int:
    """What white is, where the page has more than 8 bits; mends what Pillow takes otherwise than the file says.

    Raises:
        BadPage: Pillow would read it, but wrongly.
    """
    tags = image.tag_v2
    bits = max(tags.get(tiff.BITS, (1,)))
    if 2 in tags.get(tiff.SAMPLE_FORMAT, (1,)):
        raise BadPage(f"TIFF of {bits} bits a signed sample (SampleFormat 2), whose black and white are not known")
    if bits > 16 and image.mode != "F":
        raise BadPage(f"TIFF of {bits} bits a sample; expected 1 to 16")
    if bits == 16 and (most := max(tags.get(tiff.MAX_SAMPLE, (65535,)))) < 32768:
        raise BadPage(f"TIFF of 16 bits a sample of which MaxSampleValue says {most}: not known whether that is white")
    if bits == 16 and tags.get(tiff.PLANES, 1) == 2 and tags.get(tiff.COMPRESSION, 1) == 1:
        raise BadPage("TIFF of 16 bits a sample in planes (PlanarConfiguration 2), uncompressed")
    if image.mode in ("LA", "La") and tags.get(tiff.PLANES, 1) == 2:
        raise BadPage("TIFF of grey and alpha in planes (PlanarConfiguration 2)")
    if image.mode == "YCbCr" and tags.get(tiff.COMPRESSION, 1) == 1 and tags.get(tiff.SUBSAMPLING, (2, 2)) != (1, 1):
        raise BadPage("TIFF of YCbCr with subsampled colours, uncompressed")
    if image.mode in ("P", "PA") and tiff.COLOUR_MAP in tags and 0 < max(tags[tiff.COLOUR_MAP]) < 256:
        colours = np.array(tags[tiff.COLOUR_MAP], np.uint8).reshape(3, -1)  # of 8 bits in 16, as some write it
        image.putpalette(colours.T.tobytes())
    return 4095 if bits == 12 else 65535


def _from_16_bit(values: npt.NDArray[Any], full: int, clear: int | None) -> "Image":
    from PIL import Image

    low, high = int(values.min()), int(values.max())
    if low < 0 or high > full:
        raise BadPage(f"pixels from {low} to {high}; expected 0 to {full}")
    grey = ((values.astype(np.uint32) * 255 + full // 2) // full).astype(np.uint8)
    return Image.fromarray(grey if clear is None else np.where(values == clear, np.uint8(PAPER), grey))


def _clear_grey(image: "Image", clear: int, bits: int) -> "Image":
    """One grey of the file, in its own bits, is transparent."""
    value = clear * 255 // (2**bits - 1)
    return image.point([PAPER if grey == value else grey for grey in range(256)])


def _on_paper(image: "Image") -> "Image":
    from PIL import Image

    paper = Image.new("RGBA", image.size, (PAPER, PAPER, PAPER, PAPER))
    return Image.alpha_composite(paper, image).convert("L")
