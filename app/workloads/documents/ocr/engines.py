"""OCR engines behind one function: an image in, its text and mean word confidence out."""

import importlib.util
import json
import math
import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from app.errors import ResourceError, require
from app.workloads.documents.ocr.pieces import MAX_EDGE, shrunk

if TYPE_CHECKING:
    from PIL.Image import Image

Engine = Literal["pytesseract", "tesserocr"]

OSD = "osd"
"""The language pack that tells which way up a page is."""
OSD_CONFIG = "-c min_characters_to_try=10"
"""Its own limit of 50 characters leaves short letters alone."""

DECIDING = ("engine", "language", "psm", "oem", "orientation")
"""Options of two readings that must agree for their texts to be alike."""


@dataclass(frozen=True)
class OcrOptions:
    """How a page is read."""

    engine: Engine = "pytesseract"
    language: str = "eng"
    """Tesseract's codes, several joined by `+`."""
    psm: int = 3
    """Page segmentation: 3 finds columns and blocks by itself."""
    oem: int = 1
    """Engine mode: 1 is the LSTM."""
    time_limit_s: float = 60.0
    """Time limit of one attempt at a page, or at a piece of one that is too long to be read at once."""
    num_retries: int = 1
    """Attempts after one that failed or ran out of time."""
    orientation: bool = False
    """Turn a page that comes out as noise the way up that Tesseract thinks right, and read it again."""

    def __post_init__(self) -> None:
        require(0 <= self.psm <= 13, "psm", self.psm, "0 to 13")
        require(0 <= self.oem <= 3, "oem", self.oem, "0 to 3")
        require(0 < self.time_limit_s < math.inf, "time_limit_s", self.time_limit_s, "more than 0")
        require(self.num_retries >= 0, "num_retries", self.num_retries, "0 or more")
        require(all(self.languages), "language", self.language, "codes such as eng, or eng+deu")

    @property
    def asked(self) -> str:
        """All that decides what is read on a page, as it stands beside its text; limits and retries do not."""
        return json.dumps({name: getattr(self, name) for name in DECIDING}, sort_keys=True)

    @staticmethod
    def of(asked: str, **given: Any) -> "OcrOptions":
        """Options under which a new page is read as those were that `asked` stands beside; the defaults where it says
        none. What is `given` and not None counts before. By pytesseract, which every machine with Tesseract has."""
        found = json.loads(asked) if asked.startswith("{") else {}
        changes = {name: value for name, value in given.items() if value is not None}
        return OcrOptions(**{**found, **changes, "engine": "pytesseract"})

    @property
    def languages(self) -> list[str]:
        return self.language.split("+")


class OcrTimeout(Exception):
    """A page took longer than its time limit."""


class OcrFailure(Exception):
    """The engine could not read a page."""


def check_engine(options: OcrOptions) -> None:
    """Whether this machine has the engine and its languages.

    Raises:
        ResourceError: it lacks one; with the command that installs it.
    """
    wanted = [*options.languages, *([OSD] if options.orientation else [])]
    host = socket.gethostname()
    if options.engine == "tesserocr" and importlib.util.find_spec("tesserocr") is None:
        raise ResourceError(f"{host} has no tesserocr; to install it: pip install tesserocr (or --engine pytesseract)")
    if options.engine == "pytesseract" or options.orientation:
        import pytesseract

        if shutil.which(pytesseract.pytesseract.tesseract_cmd) is None:
            raise ResourceError(f"{host} has no tesseract; to install it: {_install(['tesseract-ocr'])}")
        present: Sequence[str] = pytesseract.get_languages()
    else:
        import tesserocr

        present = tesserocr.get_languages()[1]
    missing = [language for language in wanted if language not in present]
    if missing:
        packages = [f"tesseract-ocr-{language.replace('_', '-')}" for language in missing]
        raise ResourceError(
            f"{host}: tesseract has no language pack {', '.join(missing)} (it has {', '.join(sorted(present))}); "
            f"to install it: {_install(packages)}"
        )


def recognise(image: "Image", options: OcrOptions) -> tuple[str, float | None]:
    """Text of a page, blocks and lines as Tesseract found them, and mean confidence of its words (None: no word); of an
    image of at most MAX_EDGE pixels an edge.

    Raises:
        OcrTimeout: the time limit was reached.
        OcrFailure: the engine failed; its message says why.
    """
    # One thread a page: Tesseract's own threads made a page take six times as long here (measured).
    os.environ["OMP_THREAD_LIMIT"] = "1"
    return _ENGINES[options.engine](image, options)


def find_rotation(image: "Image", options: OcrOptions) -> int:
    """Degrees clockwise that turn the page the right way up: 0, 90, 180 or 270; 0 when Tesseract cannot tell."""
    import pytesseract

    os.environ["OMP_THREAD_LIMIT"] = "1"
    try:
        found = pytesseract.image_to_osd(
            _plain(shrunk(image, MAX_EDGE, MAX_EDGE)),
            output_type=pytesseract.Output.DICT,
            timeout=options.time_limit_s,
            config=OSD_CONFIG,
        )
    except (pytesseract.TesseractError, RuntimeError):  # too few characters, or out of time
        return 0
    return int(found["rotate"])


def _with_pytesseract(image: "Image", options: OcrOptions) -> tuple[str, float | None]:
    import pytesseract

    try:
        words = pytesseract.image_to_data(
            _plain(image),
            lang=options.language,
            config=f"--psm {options.psm} --oem {options.oem}",
            output_type=pytesseract.Output.DICT,
            timeout=options.time_limit_s,
        )
    except pytesseract.TesseractNotFoundError as error:
        check_engine(options)  # says what to install
        raise OcrFailure(str(error)) from error
    except pytesseract.TesseractError as error:
        raise OcrFailure(f"tesseract ended with {error.status}: {str(error.message).strip()[:200]}") from error
    except RuntimeError as error:  # how pytesseract reports its timeout
        raise OcrTimeout(str(error)) from error
    return _join(words)


def _plain(image: "Image") -> "Image":
    """A copy that pytesseract hands over uncompressed: its default, PNG, takes longer to write, and a format or a
    compression kept from the file may lose something or be of another mode."""
    image = image.copy()
    image.info = {}
    image.format = "TIFF"
    return image


def _join(words: dict[str, list[Any]]) -> tuple[str, float | None]:
    """Text of Tesseract's table: words of a line by spaces, lines by line ends, blocks by an empty line."""
    table = zip(words["block_num"], words["par_num"], words["line_num"], words["conf"], words["text"], strict=True)
    rows = [(int(b), int(p), int(line), float(c), str(t).strip()) for b, p, line, c, t in table]
    rows = [row for row in rows if row[4] and row[3] >= 0]  # a confidence of -1 marks what is no word
    if not rows:
        return "", None
    blocks = []
    for _, block in groupby(rows, key=lambda row: row[0]):
        lines = [" ".join(row[4] for row in line) for _, line in groupby(block, key=lambda row: row[1:3])]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks), sum(row[3] for row in rows) / len(rows)


def _with_tesserocr(image: "Image", options: OcrOptions) -> tuple[str, float | None]:
    api = _tesserocr_api(options.language, options.psm, options.oem)
    api.SetImage(image)
    if not api.Recognize(int(options.time_limit_s * 1000)):
        raise OcrTimeout(f"not done after {options.time_limit_s} s")
    text, confidences = api.GetUTF8Text().strip(), api.AllWordConfidences()
    return text, float(sum(confidences) / len(confidences)) if confidences else None


@lru_cache(maxsize=1)
def _tesserocr_api(language: str, psm: int, oem: int) -> Any:
    import tesserocr

    return tesserocr.PyTessBaseAPI(lang=language, psm=psm, oem=oem)


def _install(packages: Sequence[str]) -> str:
    return f"sudo apt-get install -y --no-install-recommends {' '.join(packages)}"


_ENGINES = {"pytesseract": _with_pytesseract, "tesserocr": _with_tesserocr}
