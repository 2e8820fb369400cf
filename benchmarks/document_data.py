"""The synthetic pages that the benchmarks share, made once into the work folder by the project's own jobs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import Setting, say
from benchmarks.data import run_job

NUM_FULL_PAGES = 320
NUM_QUICK_PAGES = 64
SIZE = (754, 1000)
"""Width and height of most pages of RVL-CDIP."""
IMAGE_SIZE = 384
SEED = 1
NUM_WORDS = 500
COMPRESSIONS = {"lzw": "tiff_lzw", "g4": "group4"}
"""Pillow's names; G4 is of black and white pages."""


@dataclass(frozen=True)
class Pages:
    """A data set in RVL-CDIP's layout and the store prepared from it."""

    source: Path
    store: Path


def make(setting: Setting) -> Pages:
    """The data set of this setting; made where it is not there yet."""
    return make_pages(setting, setting.choose(NUM_FULL_PAGES, NUM_QUICK_PAGES), IMAGE_SIZE)


def make_pages(setting: Setting, num_pages: int, image_size: int, *flags: str) -> Pages:
    """So many pages in a store of this size, made with these flags beside; made where they are not there yet."""
    name = "-".join(["rvl-cdip", str(num_pages), str(image_size), *(f.strip("-") for f in flags), f"seed{SEED}"])
    found = Pages(setting.work / "data" / name, setting.work / "stores" / name)
    if not (found.source / "labels" / "test.txt").exists():
        say(f"drawing {num_pages} pages")
        asked = ("--num-pages", str(num_pages), "--seed", str(SEED), *flags)
        run_job("synthesize.py", "rvl-cdip", "--out", str(found.source), *asked)
    if not (found.store / "manifest.parquet").exists():
        prepare = ("--source", str(found.source), "--store", str(found.store), "--image-size", str(image_size))
        run_job("prepare.py", "documents", *prepare)
    return found


def make_tiffs(setting: Setting, pages: Pages) -> dict[str, list[Path]]:
    """Grey pages of the set as LZW files and, black and white, as G4 files, all of one size."""
    from PIL import Image

    names = sorted(path.relative_to(pages.source) for path in pages.source.rglob("*.tif"))
    made: dict[str, list[Path]] = {name: [] for name in COMPRESSIONS}
    for name in names:
        with Image.open(pages.source / name) as image:
            if image.mode != "L":
                continue
            grey = image.resize(SIZE) if image.size != SIZE else image.copy()
        for kind, compression in COMPRESSIONS.items():
            path = setting.work / "data" / f"tiffs-{kind}" / name.name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                (grey.convert("1", dither=Image.Dither.NONE) if kind == "g4" else grey).save(
                    path, format="TIFF", compression=compression
                )
            made[kind].append(path)
    return made


def add_texts(pages: Pages) -> None:
    """Give every page of the store a text of as many words as OCR finds on such pages."""
    from app.workloads.documents.ocr.recognition import missing_pages
    from app.workloads.documents.ocr.texts import PageText, write_part

    missing = missing_pages(str(pages.store))
    texts = draw_texts(len(missing))
    if missing:
        found = [PageText(page.id, text, 90.0, "ok") for page, text in zip(missing, texts, strict=True)]
        write_part(str(pages.store), found)


def draw_texts(count: int) -> list[str]:
    """Texts of made-up words, each word a token once a vocabulary is learned from them.

    Their lengths are log-normal, median 270 words, as assumed for OCR text of RVL-CDIP; after the cut at 512 the mean
    is about 290.
    """
    random = np.random.default_rng(SEED)
    letters = np.array(list("etaoinshrdlu"))
    words = ["".join(random.choice(letters, size)) for size in random.integers(3, 9, NUM_WORDS)]
    lengths = np.exp(random.normal(5.6, 0.9, count)).astype(int).clip(1, 2000)
    return [" ".join(words[i] for i in random.integers(0, NUM_WORDS, length)) for length in lengths]
