"""Pages to predict on: image files, PDFs and folders of them, each page decoded by itself."""

import io
import mmap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.data import files
from app.data.clutter import is_clutter
from app.data.names import as_text
from app.data.regular import check_regular
from app.data.store.quarantine import Quarantined
from app.errors import DataError
from app.workloads.documents.pages.bad_page import BadPage
from app.workloads.documents.pages.pdf import PDF_ENDING, count_pdf_pages, draw_pdf_page
from app.workloads.documents.pages.reading import num_pages, read_page, small_page, stored_page
from app.workloads.documents.source.listing import ENDINGS

if TYPE_CHECKING:
    from PIL.Image import Image

TIFF_ENDINGS = (".tif", ".tiff")
THUMBNAIL_WIDTH = 180


@dataclass(frozen=True)
class PageFile:
    """One page of a file."""

    id: str
    """Path below the folder given, without its ending; `-p2` for the second page of a PDF or TIFF; no two are equal."""
    path: str
    page: int = 0
    """From 0."""
    max_pixels: int | None = None
    """Most pixels that are decoded; None: reading.MAX_PIXELS."""


@dataclass(frozen=True)
class ReadPage:
    """What the models and the sheet take of a page."""

    file: PageFile
    pixels: npt.NDArray[np.uint8]
    """Grey [S, S]."""
    thumbnail: bytes
    """PNG."""
    thumbnail_size: tuple[int, int]
    """Width and height."""
    notes: tuple[str, ...] = ()
    """What is odd about the file although it was read."""


def find_pages(
    inputs: Sequence[str], max_pixels: int | None = None, tell: Callable[[str], None] = lambda line: None
) -> list[PageFile]:
    """Every page of the files and folders given, in order, ids distinct; what is left out of folders is told.

    Raises:
        DataError: an input is missing, or there is no page in any.
        ResourceError: there is a PDF and no pdftoppm.
    """
    found: list[PageFile] = []
    left: Counter[str] = Counter()
    for path in inputs:
        files.stamp(path)  # says now if it is missing
        listed = files.list_files(path) if files.is_folder(path) else [path]
        for file in listed:
            name = files.name_of(file) if file == path else file[len(path.rstrip("/")) :].lstrip("/")
            stem, dot, ending = name.rpartition(".")
            kind = (dot + ending).lower()
            if file != path and is_clutter(name):
                left["computers' own (@eaDir, __MACOSX and the like)"] += 1
            elif kind in (*ENDINGS, PDF_ENDING):
                count = count_pdf_pages(file) if kind == PDF_ENDING else 1
                count = _num_pages(file) if kind in TIFF_ENDINGS else count
                several = kind == PDF_ENDING or count > 1
                found += [PageFile(f"{stem}-p{i + 1}" if several else stem, file, i, max_pixels) for i in range(count)]
            elif file == path:
                raise DataError(f"{path}: expected an image ({', '.join(ENDINGS)}), a PDF, or a folder of them")
            else:
                left[kind if dot and "/" not in ending else "without an ending"] += 1
    if left:
        tell("left out, as neither images nor PDFs: " + ", ".join(f"{n} {kind}" for kind, n in sorted(left.items())))
    if not found:
        raise DataError(f"no page in {', '.join(inputs)}: expected images ({', '.join(ENDINGS)}) or PDFs")
    return _distinct(found)


def read_for_prediction(file: PageFile, stored_size: int) -> ReadPage | Quarantined:
    """A page as a store of `stored_size` would keep it, for the network, and small, for the sheet."""
    from PIL import Image

    notes: list[str] = []
    try:
        content, number = _encoded(file, notes)
        # the very function that made the pages trained on
        pixels = stored_page(content, stored_size, number, file.max_pixels, notes)[0]
        page = small_page(content, THUMBNAIL_WIDTH, number, file.max_pixels)
    except (BadPage, DataError) as error:
        return Quarantined(file.id, file.path, str(error))
    size = (THUMBNAIL_WIDTH, max(1, round(page.height * THUMBNAIL_WIDTH / page.width)))
    small = page.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return ReadPage(file, pixels, _png(small), size, tuple(notes))


def open_page(file: PageFile) -> "Image":
    """The whole page, grey.

    Raises:
        BadPage: it cannot be decoded.
        DataError: the file cannot be read.
    """
    content, number = _encoded(file)
    return read_page(content, number, file.max_pixels)


def _num_pages(path: str) -> int:
    """Number of pages of a TIFF; 1 for one that cannot be read, which then fails by itself."""
    try:
        if files.is_url(path):
            return num_pages(files.read_bytes(path))
        with open(check_regular(path), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return num_pages(content)
    except (DataError, OSError, ValueError):  # ValueError: the file is empty
        return 1


def _encoded(file: PageFile, notes: list[str] | None = None) -> tuple[bytes, int]:
    """An image and the number of the page in it; `notes` gets what is odd about it."""
    if file.path.lower().endswith(PDF_ENDING):
        return draw_pdf_page(file.path, file.page, notes), 0
    return files.read_bytes(file.path), file.page


def _png(page: "Image") -> bytes:
    content = io.BytesIO()
    page.save(content, "PNG")
    return content.getvalue()


def _distinct(pages: Sequence[PageFile]) -> list[PageFile]:
    """Files of one name and different endings get their ending into the id; what still clashes, as files of several
    folders given, gets a number."""
    pages = [replace(page, id=as_text(page.id)) for page in pages]
    counts = Counter(page.id for page in pages)
    ids = [f"{page.id}.{page.path.rpartition('.')[2]}" if counts[page.id] > 1 else page.id for page in pages]
    taken: set[str] = set()
    last: Counter[str] = Counter()
    found = []
    for page, wanted in zip(pages, ids, strict=True):
        name = wanted
        while name in taken:
            last[wanted] += 1
            name = f"{wanted} ({last[wanted] + 1})"
        taken.add(name)
        found.append(replace(page, id=name))
    return found
