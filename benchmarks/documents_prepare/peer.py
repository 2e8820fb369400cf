"""What one would write without the project: decode each page with Pillow and resize it; nothing is kept."""

import time
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.side import serve

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
"""Bicubic is what Pillow takes when none is named; bilinear is cheaper and what ours is made of. Both average over all
that a small pixel covers."""


def read(paths: list[str], image_size: int, filter_name: str) -> dict[str, Any]:
    """Pages a second: open, grey, resize, as an array."""
    resample = FILTERS[filter_name]
    began = time.perf_counter()
    for path in paths:
        with Image.open(path) as image:
            page = np.asarray(image.convert("L").resize((image_size, image_size), resample))
        assert page.shape == (image_size, image_size)
    return {"pages_per_s": len(paths) / (time.perf_counter() - began)}


if __name__ == "__main__":
    serve({"read": read})
