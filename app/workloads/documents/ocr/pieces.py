"""Pages larger than Tesseract takes, in pieces that it does take: it leaves longer ones empty without an error."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_EDGE = 32_767
"""Pixels: Tesseract's coordinates have 16 bits."""
MAX_PIECE = 30_000
NUM_SOUGHT = 3_000
"""Rows in which the emptiest is sought to cut at: several lines of print at any resolution that is used."""


def shrunk(image: "Image", max_width: int = MAX_EDGE, max_height: int | None = None) -> "Image":
    """The page at a size that fits, its aspect kept; itself where it does."""
    from PIL import Image

    factor = min(1.0, max_width / image.width, (max_height or image.height) / image.height)
    if factor == 1:
        return image
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def pieces(
    image: "Image", max_height: int = MAX_EDGE, piece: int = MAX_PIECE, sought: int = NUM_SOUGHT
) -> list["Image"]:
    """The page from top to bottom, cut between lines of print where it is higher than `max_height`; a page too wide is
    made smaller first.

    Args:
        image: grey, 0 black.
        piece: rows of a piece at most.
        sought: how many rows before that may be cut at; the brightest is, the last of several.
    """
    image = shrunk(image)
    if image.height <= max_height:
        return [image]
    cuts = [0]
    while image.height - cuts[-1] > piece:
        last = cuts[-1] + piece
        rows = np.asarray(image.crop((0, last - sought, image.width, last))).mean(axis=1)
        cuts.append(last - int(np.argmax(rows[::-1])))
    return [
        image.crop((0, top, image.width, bottom)) for top, bottom in zip(cuts, [*cuts[1:], image.height], strict=True)
    ]
