"""Pages of PDFs drawn by poppler, as a viewer shows them: what the crop box shows, turned as the page says."""

import io
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.data import files
from app.data.regular import IrregularFileError, check_regular
from app.errors import ResourceError
from app.strict_json import whole_number
from app.workloads.documents.pages.bad_page import BadPage

PDF_ENDING = ".pdf"
PDF_DPI = 150
"""About the 1000 pixels of height that RVL-CDIP has, times 1.7: enough for OCR."""
MAX_DRAWN = 35_000_000
"""Pixels of a drawn page, those of A0 at PDF_DPI; a larger page (a scan stored at 72 dpi says that it is meters wide)
is drawn at fewer dots an inch, which network and OCR do not miss."""
PDF_LIMIT_S = 300.0


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
    return max(1, whole_number(_last(answer.stdout, "Pages:").removeprefix("Pages:").strip()) or 1)


def draw_pdf_page(path: str, page: int, notes: list[str] | None = None) -> bytes:
    """A page (from 0) of a PDF as PNG.

    Args:
        notes: gets what poppler complained of although it drew something.

    Raises:
        BadPage: poppler cannot draw it, or drew an empty page and complained: what was on it is lost.
        DataError: the file cannot be read.
        ResourceError: pdftoppm is not installed.
    """
    number = str(page + 1)
    with _local(path) as local:
        dpi = _fitting_dpi(_poppler(["pdfinfo", "-f", number, "-l", number, local]).stdout)
        drawing = ["-r", f"{dpi:g}", "-cropbox", "-gray", "-png", "-f", number, "-l", number]
        answer = _poppler(["pdftoppm", *drawing, local])
    lines = answer.stderr.decode(errors="replace").strip().splitlines()
    if answer.returncode or not answer.stdout:
        raise BadPage(f"pdftoppm cannot draw page {number}: {lines[0] if lines else 'no output'}")
    errors = [line for line in lines if "Warning" not in line]
    if errors and _is_empty(answer.stdout):
        raise BadPage(f"pdftoppm draws nothing of page {number}: {errors[0]}")
    if lines and notes is not None:
        notes.append(f"pdftoppm says of page {number}: {lines[0]}")
    return answer.stdout


def _is_empty(png: bytes) -> bool:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # MAX_DRAWN is the limit
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        darkest = image.convert("L").getextrema()[0]
        return bool(darkest == 255)


def _fitting_dpi(told: bytes) -> float:
    """Dots an inch at which the one page of which pdfinfo told has at most MAX_DRAWN pixels."""
    words = _last(told, "Page ", " size: ").split()
    try:
        width, height = (float(word) for word in (words[3], words[5]))  # Page 1 size: 612 x 792 pts
    except (IndexError, ValueError):
        return PDF_DPI
    pixels = width * height * (PDF_DPI / 72) ** 2
    return PDF_DPI if not pixels > MAX_DRAWN else math.floor(1000 * PDF_DPI * math.sqrt(MAX_DRAWN / pixels)) / 1000


def _last(told: bytes, start: str, within: str = "") -> str:
    """The last line of pdfinfo's that begins so; those before may be of a title or subject with line ends in it."""
    lines = told.decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.startswith(start) and within in line), "")


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
            try:
                return check_regular(self._path)
            except IrregularFileError as error:
                raise BadPage(str(error)) from error
        self._folder = tempfile.TemporaryDirectory()
        copy = Path(self._folder.name) / "file.pdf"
        copy.write_bytes(files.read_bytes(self._path))
        return str(copy)

    def __exit__(self, *error: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()
