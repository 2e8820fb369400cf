"""pytesseract as its documentation shows it: one call a page, Tesseract's own threads and default engine."""

import time
from typing import Any

from benchmarks.side import serve


def read_texts(paths: list[str]) -> dict[str, Any]:
    """Pages a second, and their texts."""
    import pytesseract
    from PIL import Image

    began = time.perf_counter()
    texts = []
    for path in paths:
        with Image.open(path) as image:
            texts.append(pytesseract.image_to_string(image))
    return {"pages_per_s": len(paths) / (time.perf_counter() - began), "texts": texts}


if __name__ == "__main__":
    serve({"read_texts": read_texts})
