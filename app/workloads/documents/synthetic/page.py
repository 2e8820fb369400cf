"""One synthetic document page: which layout and whose words, the drawing, and the scan of it.

A page is a pure function of a seed and its number; a scan of it is one of another number. Two scans of a page have
its stains and about its skew, and differ in noise, place and tone: near-duplicates, as archives are full of them.
"""

import io
import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from app.workloads.documents.synthetic.ink import Canvas
from app.workloads.documents.synthetic.printed import LAYOUTS
from app.workloads.documents.synthetic.text import Writer

if TYPE_CHECKING:
    from PIL import Image

BORROWED_SHARE = 0.12
"""Share of pages that have the layout of a related class, so that only their text tells."""
GENERIC_SHARE = 0.15
"""Share of pages whose text could be of any class, so that only their look tells."""
ILLEGIBLE_SHARE = 0.1
"""Share of pages so blurred that OCR reads little; at the size that image models see, they look like the others."""
ILLEGIBLE_HEIGHT = 330
"""Lines of detail left on them (measured: Tesseract reads next to nothing of body text)."""

RELATED: dict[str, tuple[str, ...]] = {
    "letter": ("memo", "email"),
    "form": ("questionnaire", "invoice"),
    "email": ("memo", "letter"),
    "handwritten": ("letter", "memo"),
    "advertisement": ("presentation", "news article"),
    "scientific report": ("scientific publication", "specification"),
    "scientific publication": ("scientific report", "news article"),
    "specification": ("form", "scientific report"),
    "file folder": ("form", "presentation"),
    "news article": ("scientific publication", "advertisement"),
    "budget": ("invoice", "form"),
    "invoice": ("budget", "form"),
    "presentation": ("advertisement", "scientific report"),
    "questionnaire": ("form", "specification"),
    "resume": ("letter", "scientific report"),
    "memo": ("letter", "email"),
}
"""Whose layout a class borrows; never that of a class whose text cannot be read."""

WIDTH, WIDE = 754, 1294
"""Widths of pages 1000 high: upright and landscape US letter paper, as most of RVL-CDIP."""

STAIN_CELL = 12
"""Pixels; stains are soft, so they are made small and enlarged."""

Format = Literal["tiff-g4", "tiff-lzw", "jpeg"]


@dataclass(frozen=True)
class PagePlan:
    """What is drawn: a layout, whose words (None: nobody's), and whether OCR can read them."""

    layout: str
    text: str | None
    is_legible: bool = True


def plan_page(seed: int, page: int, kind: str) -> PagePlan:
    """Layout and words of a page of class `kind`."""
    rng = Random(f"plan {seed} {page}")
    draw = rng.random()
    if draw < BORROWED_SHARE:
        return PagePlan(rng.choice(RELATED[kind]), kind)
    if draw < BORROWED_SHARE + GENERIC_SHARE:
        return PagePlan(kind, None)
    return PagePlan(kind, kind, draw >= BORROWED_SHARE + GENERIC_SHARE + ILLEGIBLE_SHARE)


def draw_page(seed: int, page: int, kind: str, height: int) -> "Image.Image":
    """The clean page, grey, `height` pixels high."""
    canvas, plan = _set_page(seed, page, kind, height)
    if plan.is_legible or height <= ILLEGIBLE_HEIGHT:
        return canvas.image
    from PIL import Image

    size = canvas.image.size
    coarse = canvas.image.resize((size[0] * ILLEGIBLE_HEIGHT // height, ILLEGIBLE_HEIGHT), Image.Resampling.BOX)
    return coarse.resize(size, Image.Resampling.BILINEAR)


def page_text(seed: int, page: int, kind: str, height: int) -> str:
    """What OCR without errors would read on the page: its type, not its handwriting; "" where it is too blurred."""
    canvas, plan = _set_page(seed, page, kind, height)
    return "\n".join(line for line in canvas.lines if line) if plan.is_legible else ""


def _set_page(seed: int, page: int, kind: str, height: int) -> tuple[Canvas, PagePlan]:
    plan = plan_page(seed, page, kind)
    rng = Random(f"page {seed} {page}")
    is_wide = rng.random() < (0.45 if plan.layout == "presentation" else 0.02)
    canvas = Canvas(WIDE if is_wide else WIDTH + rng.choice((-20, 0, 0, 0, 12, 19)), height, rng)
    LAYOUTS[plan.layout](canvas, Writer(rng, plan.text))
    return canvas, plan


def scan_page(clean: "Image.Image", seed: int, page: int, scan: int, is_bilevel: bool) -> "Image.Image":
    """The scan number `scan` of a page: skewed, stained, shifted, with specks and grain; mode 1 or L, same size."""
    sheet, rng = Random(f"sheet {seed} {page}"), Random(f"scan {seed} {scan}")
    noise = np.random.default_rng([seed, scan])
    pixels = np.asarray(_skew(clean, sheet, rng), np.float32)
    dark, paper = sheet.uniform(5, 65) + rng.uniform(-5, 5), sheet.uniform(240, 260) + rng.uniform(-3, 3)
    pixels = dark + pixels * ((paper - dark) / 255)
    if sheet.random() < 0.5:
        pixels -= _stains(pixels.shape, sheet)
    if rng.random() < 0.6:
        grain = noise.integers(0, 256, pixels.shape, np.uint8)
        pixels += (grain.astype(np.float32) - 127.5) * (rng.uniform(0.01, 0.1))
    pixels = np.clip(pixels, 0, 255)
    _specks(pixels, rng, noise)
    if sheet.random() < 0.15:
        _punch(pixels)
    from PIL import Image

    if is_bilevel:
        threshold = dark + rng.uniform(0.6, 0.78) * (min(paper, 255) - dark)
        return Image.fromarray(np.where(pixels < threshold, np.uint8(0), np.uint8(255))).convert("1")
    return Image.fromarray(pixels.astype(np.uint8))


def _skew(clean: "Image.Image", sheet: Random, rng: Random) -> "Image.Image":
    """Turned by up to two degrees around the middle, scans of a sheet by nearly the same, and moved by up to three
    thousandths of the height."""
    from PIL import Image

    angle = math.radians(max(-1.9, min(1.9, sheet.gauss(0, 0.7))) + rng.uniform(-0.1, 0.1))
    width, height = clean.size
    dx, dy = (rng.uniform(-0.003, 0.003) * height for _ in range(2))
    cos, sin = math.cos(angle), math.sin(angle)
    x0 = width / 2 - cos * (width / 2 + dx) - sin * (height / 2 + dy)
    y0 = height / 2 + sin * (width / 2 + dx) - cos * (height / 2 + dy)
    edge = int(sheet.random() < 0.15) * sheet.randint(1, 60) or 255  # of some scans the lid's shadow is seen
    return clean.transform(
        clean.size, Image.Transform.AFFINE, (cos, sin, x0, -sin, cos, y0), Image.Resampling.BILINEAR, fillcolor=edge
    )


def _stains(shape: tuple[int, ...], rng: Random) -> npt.NDArray[np.float32]:
    """Darkening of a few soft spots, rings and edges, in grey levels."""
    from PIL import Image, ImageDraw, ImageFilter

    height, width = max(4, shape[0] // STAIN_CELL), max(4, shape[1] // STAIN_CELL)
    small = Image.new("L", (width, height), 0)
    brush = ImageDraw.Draw(small)
    for _ in range(rng.randint(1, 4)):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.5, 0.12 * height)
        depth = rng.randint(8, 45)
        kind = rng.randrange(3)
        if kind == 0:
            brush.ellipse((x - r, y - r * rng.uniform(0.5, 1.5), x + r, y + r), fill=depth)
        elif kind == 1:
            brush.ellipse((x - r, y - r, x + r, y + r), outline=depth)
        else:
            brush.rectangle((0, 0, rng.randint(0, 3), height), fill=depth * 2)
    small = small.filter(ImageFilter.GaussianBlur(1.3))
    return np.asarray(small.resize((shape[1], shape[0]), Image.Resampling.BILINEAR), np.float32)


def _specks(pixels: npt.NDArray[np.float32], rng: Random, noise: np.random.Generator) -> None:
    """Dust: dark dots, in place."""
    height, width = pixels.shape
    num_specks = rng.choice((0, 5, 20, 60, 150)) * height // 1000
    rows, columns = noise.integers(0, height - 1, num_specks), noise.integers(0, width - 1, num_specks)
    for dy, dx in ((0, 0), (0, 1), (1, 0))[: rng.randint(1, 3)]:
        pixels[rows + dy, columns + dx] = rng.randint(0, 90)


def _punch(pixels: npt.NDArray[np.float32]) -> None:
    """The holes of a punch along the left edge, black, in place."""
    height, width = pixels.shape
    r = max(1, height // 70)
    y, x = np.ogrid[-r : r + 1, -r : r + 1]
    for share in (0.15, 0.5, 0.85):
        top, left = int(share * height), int(0.02 * width)
        pixels[top : top + 2 * r + 1, left : left + 2 * r + 1][x * x + y * y <= r * r] = 20


def encode_page(scan: "Image.Image", format_: Format, quality: int = 85) -> bytes:
    """The bytes of a file."""
    by_format: dict[str, dict[str, Any]] = {
        "tiff-g4": {"format": "TIFF", "compression": "group4"},
        "tiff-lzw": {"format": "TIFF", "compression": "tiff_lzw"},
        "jpeg": {"format": "JPEG", "quality": quality},
    }
    content = io.BytesIO()
    picture = scan.convert("L") if format_ == "jpeg" else scan
    picture.save(content, **by_format[format_])
    return content.getvalue()
