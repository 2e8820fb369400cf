"""Pages to predict on: image files, PDFs and folders of them, each page decoded by itself."""

import io
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.data import files
from app.data.clutter import is_clutter
from app.data.names import as_text
from app.data.quarantine import Quarantined
from app.errors import DataError, ResourceError
from app.workloads.documents.reading import BadPage, read_page, small_page, stored_page

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_ENDINGS = (".tif", ".tiff", ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
PDF_ENDING = ".pdf"
PDF_DPI = 150
"""About the 1000 pixels of height that RVL-CDIP has, times 1.7: enough for OCR."""
PDF_LIMIT_S = 300.0
THUMBNAIL_WIDTH = 180


@dataclass(frozen=True)
class PageFile:
    """One page of a file."""

    id: str
    """Path below the folder given, without its ending; `-p2` for the second page of a PDF; no two are equal."""
    path: str
    page: int = 0
    """From 0."""


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


def find_pages(inputs: Sequence[str]) -> list[PageFile]:
    """Every page of the files and folders given, in order, ids distinct.

    Raises:
        DataError: an input is missing, or there is no page in any.
        ResourceError: there is a PDF and no pdftoppm.
    """
    found: list[PageFile] = []
    for path in inputs:
        files.stamp(path)  # says now if it is missing
        listed = files.list_files(path) if files.is_folder(path) else [path]
        for file in listed:
            name = files.name_of(file) if file == path else file[len(path.rstrip("/")) :].lstrip("/")
            stem, dot, ending = name.rpartition(".")
            kind = (dot + ending).lower()
            if file != path and is_clutter(name):
                continue
            if kind in IMAGE_ENDINGS:
                found.append(PageFile(stem, file))
            elif kind == PDF_ENDING:
                found += [PageFile(f"{stem}-p{page + 1}", file, page) for page in range(count_pdf_pages(file))]
            elif file == path:
                raise DataError(f"{path}: wanted an image ({', '.join(IMAGE_ENDINGS)}), a PDF, or a folder of them")
    if not found:
        raise DataError(f"no page in {', '.join(inputs)}: wanted images ({', '.join(IMAGE_ENDINGS)}) or PDFs")
    return _distinct(found)


def read_for_prediction(file: PageFile, stored_size: int) -> ReadPage | Quarantined:
    """A page as a store of `stored_size` would keep it, for the network, and small, for the sheet."""
    from PIL import Image

    try:
        content = _encoded(file)
        pixels = stored_page(content, stored_size)[0]  # the very function that made the pages trained on
        page = small_page(content, THUMBNAIL_WIDTH)
    except (BadPage, DataError) as error:
        return Quarantined(file.id, file.path, str(error))
    size = (THUMBNAIL_WIDTH, max(1, round(page.height * THUMBNAIL_WIDTH / page.width)))
    small = page.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return ReadPage(file, pixels, _png(small), size)


def open_page(file: PageFile) -> "Image":
    """The whole page, grey.

    Raises:
        BadPage: it can not be decoded.
        DataError: the file can not be read.
    """
    return read_page(_encoded(file))


def count_pdf_pages(path: str) -> int:
    """Pages of a PDF, 1 for one that is damaged or takes too long (which then fails by itself).

    Raises:
        ResourceError: pdfinfo is not installed.
    """
    try:
        with _local(path) as local:
            answer = _poppler(["pdfinfo", local])
    except BadPage:
        return 1
    lines = [line for line in answer.stdout.decode(errors="replace").splitlines() if line.startswith("Pages:")]
    return max(1, int(lines[0].split()[1])) if lines else 1


def _encoded(file: PageFile) -> bytes:
    if file.path.lower().endswith(PDF_ENDING):
        return _drawn(file)
    return files.read_bytes(file.path)


def _drawn(file: PageFile) -> bytes:
    """A page of a PDF as PNG."""
    number = str(file.page + 1)
    with _local(file.path) as local:
        answer = _poppler(["pdftoppm", "-r", str(PDF_DPI), "-gray", "-png", "-f", number, "-l", number, local])
    if answer.returncode or not answer.stdout:
        lines = answer.stderr.decode(errors="replace").strip().splitlines()
        raise BadPage(f"pdftoppm can not draw page {number}: {lines[0] if lines else 'no output'}")
    return answer.stdout


def _poppler(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    if shutil.which(command[0]) is None:
        raise ResourceError(f"{command[0]} is not installed and PDFs were given: apt-get install poppler-utils")
    try:
        return subprocess.run(command, capture_output=True, timeout=PDF_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BadPage(f"{command[0]} took longer than {PDF_LIMIT_S:.0f} s") from error


class _local:
    """A path on this machine of a file that may be remote."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> str:
        if not files.is_url(self._path):
            return self._path
        self._folder = tempfile.TemporaryDirectory()
        copy = Path(self._folder.name) / "file.pdf"
        copy.write_bytes(files.read_bytes(self._path))
        return str(copy)

    def __exit__(self, *error: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()


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
    found = []
    for page, wanted in zip(pages, ids, strict=True):
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted} ({number})"
        taken.add(name)
        found.append(PageFile(name, page.path, page.page))
    return found
