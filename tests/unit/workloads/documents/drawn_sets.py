"""Small document sets in the layouts as distributed; pages of drawn blocks, each like no other."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def draw_page(seed: int, width: int = 150, height: int = 200) -> Image.Image:
    """White paper with 40 dark blocks: perceptual hashes of two pages differ in some 20 to 40 bits."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width), 240, np.uint8)
    for _ in range(40):
        y, x = rng.integers(0, height - 20), rng.integers(0, width - 20)
        pixels[y : y + rng.integers(4, 20), x : x + rng.integers(4, 40)] = rng.integers(0, 120)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def save(path: Path, image: Image.Image, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def save_rvl(root: Path, pages: dict[str, list[tuple[str, int, int]]]) -> Path:
    """RVL-CDIP: pages (stem, class, seed of the drawing) by the name of their label file."""
    for listing in ("train", "val", "test"):
        lines = []
        for stem, label, seed in pages.get(listing, ()):
            path = f"imagesa/a/b/c/abc{seed:02d}d00/{stem}.tif"
            save(root / "images" / path, draw_page(seed), compression="tiff_lzw")
            lines.append(f"{path} {label}\n")
        (root / "labels").mkdir(parents=True, exist_ok=True)
        (root / "labels" / f"{listing}.txt").write_text("".join(lines))
    return root


def save_tobacco(root: Path, seeds: dict[str, list[int]]) -> Path:
    """Tobacco3482: seeds of the drawings by class; the files are named by stamped numbers."""
    for folder, numbers in seeds.items():
        for seed in numbers:
            save(root / folder / f"{50_000_000 + seed}_{seed:04d}.jpg", draw_page(seed), quality=90)
    return root
