"""Ink on a synthetic page: type in several fonts, rules and boxes, pen strokes, picture blocks.

Lengths are thousandths of the page's height, so that a layout is the same at any resolution. Words are drawn once a
font and size and kept: most of a page is words that were seen before (measured: 9x the speed of drawing each anew).
"""

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Family = Literal["serif", "sans", "mono", "roman", "typewriter", "grotesk"]
Style = Literal["regular", "bold", "italic"]

FONT_FILES: dict[tuple[Family, Style], str] = {
    ("serif", "regular"): "DejaVuSerif.ttf",
    ("serif", "bold"): "DejaVuSerif-Bold.ttf",
    ("serif", "italic"): "DejaVuSerif-Italic.ttf",
    ("sans", "regular"): "DejaVuSans.ttf",
    ("sans", "bold"): "DejaVuSans-Bold.ttf",
    ("sans", "italic"): "DejaVuSans-Oblique.ttf",
    ("mono", "regular"): "DejaVuSansMono.ttf",
    ("mono", "bold"): "DejaVuSansMono-Bold.ttf",
    ("mono", "italic"): "DejaVuSansMono-Oblique.ttf",
    ("roman", "regular"): "STIXGeneral.ttf",
    ("roman", "bold"): "STIXGeneralBol.ttf",
    ("roman", "italic"): "STIXGeneralItalic.ttf",
    ("typewriter", "regular"): "cmtt10.ttf",
    ("grotesk", "regular"): "cmss10.ttf",
}
"""All of them come with matplotlib, which is always installed here."""

OPTICAL_SCALE: dict[Family, float] = {"roman": 1.2, "typewriter": 1.16, "grotesk": 1.16}
"""Fonts that look smaller than DejaVu at the same size (measured: height of an x)."""

FONT_FOLDERS = ("/usr/share/fonts/truetype/dejavu",)
"""Looked at, in this order, after matplotlib's own folder."""

NUM_KEPT_WORDS = 60_000
"""Words kept in memory, about 1 kB each at 1,000 pixels."""

PICTURE_CELL = 6
"""Pixels of the finest detail in a picture block."""
HALFTONE = np.array([[-70, 10, -50, 30], [50, -30, 70, -10], [-40, 40, -60, 20], [80, 0, 60, -20]], np.int16)
"""Added to pictures, so that greys survive as dots on a black and white scan (ordered dither, Bayer 1973)."""


@dataclass(frozen=True)
class Type:
    """A font at a size (of its body, in thousandths of the page's height)."""

    family: Family
    size: float
    style: Style = "regular"

    def scaled(self, factor: float, style: Style | None = None) -> "Type":
        return Type(self.family, self.size * factor, self.style if style is None else style)


class Canvas:
    """A white page to draw on; x runs from 0 to width, y from 0 to 1000."""

    def __init__(self, width: float, height_pixels: int, rng: Random) -> None:
        from PIL import Image, ImageDraw

        self.width = width
        self.rng = rng
        self.scale = height_pixels / 1000
        self.image = Image.new("L", (round(width * self.scale), height_pixels), 255)
        self.draw = ImageDraw.Draw(self.image)
        self.lines: list[str] = []
        """What was set in type, in that order: the page's text as OCR should read it."""

    def text(self, x: float, y: float, text: str, type_: Type, ink: int = 0, align: str = "left") -> float:
        """Draw one line with its top at y; `x` is its left, centre or right by `align`; returns its width."""
        pieces = text.split()
        masks = [self._word(word, type_) for word in pieces]
        space = self._word("n n", type_).advance - 2 * self._word("n", type_).advance
        width = sum(mask.advance for mask in masks) + space * max(0, len(masks) - 1)
        left = x * self.scale - {"left": 0.0, "center": width / 2, "right": width}[align]
        self._set(masks, left, y, space, type_, ink)
        return width / self.scale

    def text_width(self, text: str, type_: Type) -> float:
        return self._word(text, type_).advance / self.scale

    def paragraph(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        type_: Type,
        leading: float = 1.35,
        justified: bool = False,
        bottom: float = 940,
    ) -> float:
        """Wrap text into a column; lines below `bottom` are left out; returns the y under the last line."""
        space = self._word("n n", type_).advance - 2 * self._word("n", type_).advance
        limit = width * self.scale
        line: list[_Word] = []
        used = 0.0
        step = type_.size * leading
        for word in [*text.split(), None]:
            mask = None if word is None else self._word(word, type_)
            if mask is not None and (not line or used + space + mask.advance <= limit):
                used += mask.advance + (space if line else 0)
                line.append(mask)
                continue
            if not line or y + step > bottom:
                return y
            stretch = (limit - used) / (len(line) - 1) if justified and mask is not None and len(line) > 1 else 0.0
            self._set(line, x * self.scale, y, space + min(stretch, 2.5 * space), type_, 0)
            y += step
            if mask is not None:
                line, used = [mask], mask.advance
        return y

    def rule(self, x0: float, y0: float, x1: float, y1: float, weight: float = 1, ink: int = 0) -> None:
        """A straight line."""
        s = self.scale
        self.draw.line((x0 * s, y0 * s, x1 * s, y1 * s), fill=ink, width=max(1, round(weight * s)))

    def box(self, x0: float, y0: float, x1: float, y1: float, weight: float = 1, fill: int | None = None) -> None:
        s = self.scale
        pixels = (round(x0 * s), round(y0 * s), round(x1 * s), round(y1 * s))
        self.draw.rectangle(pixels, fill=fill, outline=0 if weight else fill, width=max(1, round(weight * s)))

    def oval(self, x0: float, y0: float, x1: float, y1: float, weight: float = 1, fill: int | None = None) -> None:
        s = self.scale
        self.draw.ellipse((x0 * s, y0 * s, x1 * s, y1 * s), fill=fill, outline=0, width=max(1, round(weight * s)))

    def pen(self, points: Sequence[tuple[float, float]], weight: float = 2, ink: int = 30) -> None:
        """A stroke through points."""
        s = self.scale
        width = max(1, round(weight * s))
        self.draw.line([(x * s, y * s) for x, y in points], fill=ink, width=width, joint="curve" if width > 2 else None)

    def cursive(self, x: float, y: float, text: str, size: float, weight: float = 2, slant: float = 0.3) -> float:
        """Handwriting-like loops, a letter each, with the baseline at y; returns where it ends."""
        for word in text.split():
            points = []
            for letter in word.lower():
                points += _loops(letter, x, y, size, slant, self.rng)
                x = points[-1][0]
            self.pen(points, weight)
            x += size * 0.5
        return x

    def picture(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A photograph-like block: a sky, a ground and a few shapes in greys with a printed grain."""
        from PIL import Image, ImageDraw

        rng, s = self.rng, self.scale
        size = max(8, round((x1 - x0) * s)), max(8, round((y1 - y0) * s))
        small = Image.new(
            "L", (max(2, size[0] // PICTURE_CELL), max(2, size[1] // PICTURE_CELL)), rng.randint(120, 210)
        )
        brush = ImageDraw.Draw(small)
        w, h = small.size
        horizon = rng.uniform(0.4, 0.8) * h
        brush.rectangle((0, horizon, w, h), fill=rng.randint(40, 120))
        for _ in range(rng.randint(2, 6)):
            cx, cy, r = rng.uniform(0, w), rng.uniform(0.2 * h, h), rng.uniform(0.08, 0.3) * min(w, h)
            shape = brush.ellipse if rng.random() < 0.6 else brush.rectangle
            shape((cx - r, cy - r * rng.uniform(0.6, 2), cx + r, cy + r), fill=rng.randint(10, 240))
        smooth = np.asarray(small.resize(size, Image.Resampling.BILINEAR), np.int16)
        screen = np.tile(HALFTONE, (size[1] // 4 + 1, size[0] // 4 + 1))[: size[1], : size[0]]
        printed = Image.fromarray(np.clip(smooth + screen, 0, 255).astype(np.uint8))
        self.image.paste(printed, (round(x0 * s), round(y0 * s)))
        self.box(x0, y0, x1, y1)

    def _word(self, word: str, type_: Type) -> "_Word":
        scale = self.scale * OPTICAL_SCALE.get(type_.family, 1.0)
        return _draw_word(word, type_.family, type_.style, max(4, round(type_.size * scale)))

    def _set(self, words: Sequence["_Word"], left: float, y: float, space: float, type_: Type, ink: int) -> None:
        self.lines.append(" ".join(word.text for word in words))
        baseline = round((y + type_.size) * self.scale)
        for word in words:
            if word.mask is not None:
                self.image.paste(ink, (round(left) + word.dx, baseline + word.dy), word.mask)
            left += word.advance + space


@dataclass(frozen=True)
class _Word:
    """A drawn word: its letters, its mask, the mask's place from the pen's on the baseline, and how far the pen moves;
    in pixels."""

    text: str
    mask: "Image.Image | None"
    dx: int
    dy: int
    advance: float


@lru_cache(NUM_KEPT_WORDS)
def _draw_word(word: str, family: Family, style: Style, size: int) -> _Word:
    from PIL import Image, ImageDraw

    font = load_font(family, style, size)
    x0, y0, x1, y1 = (math.floor(v) for v in font.getbbox(word, anchor="ls"))
    mask = Image.new("L", (x1 - x0 + 1, y1 - y0 + 1)) if x1 > x0 and y1 > y0 else None
    if mask is not None:
        ImageDraw.Draw(mask).text((-x0, -y0), word, fill=255, font=font, anchor="ls")
    return _Word(word, mask, x0, y0, font.getlength(word))


@lru_cache(512)
def load_font(family: Family, style: Style, size: int) -> Any:
    """A PIL font of `size` pixels: the file of FONT_FILES, the regular style where a family has no other, or Pillow's
    own where no file is found."""
    from PIL import ImageFont

    name = FONT_FILES.get((family, style)) or FONT_FILES[family, "regular"]
    for folder in font_folders():
        if (folder / name).is_file():
            return ImageFont.truetype(str(folder / name), size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)


def font_folders() -> list[Path]:
    """Where fonts are looked for; without importing matplotlib."""
    found = importlib.util.find_spec("matplotlib")
    own = [Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"] if found and found.origin else []
    return own + [Path(folder) for folder in FONT_FOLDERS]


def _loops(letter: str, x: float, y: float, size: float, slant: float, rng: Random) -> list[tuple[float, float]]:
    """One letter of cursive: a prolate cycloid, tall for ascenders, below the line for descenders."""
    code = ord(letter)
    height = size * (1.7 if letter in "bdfhklt" or letter.isdigit() else 0.8 + 0.1 * (code % 3))
    width = size * (0.95 if letter in "mw" else 0.45 + 0.12 * (code % 4)) * rng.uniform(0.85, 1.15)
    turns = 2 if letter in "mwnu" else 1
    below = size * 0.9 if letter in "gjpqyz" else 0.0
    radius = width / turns * (0.15 + 0.12 * (code % 3))
    points = []
    num_steps = 9 * turns
    for i in range(1, num_steps + 1):
        t = 2 * math.pi * turns * i / num_steps
        up = height * (1 - math.cos(t)) / 2 - below * max(0.0, math.sin(t / 2 / turns)) * (i > num_steps // 2)
        up += rng.uniform(-0.04, 0.04) * size
        points.append((x + width * i / num_steps - radius * math.sin(t) + slant * up, y - up))
    return points
