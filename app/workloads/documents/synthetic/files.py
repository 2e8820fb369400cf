"""Which files a synthetic data set has: class, split, name, and which drawn page each is a scan of.

Each file is a pure function of the seed and its number, so that a larger set holds all of a smaller one of the same
seed, and what two sets share is known without making them.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from app.workloads.documents.source.classes import RVL_CDIP, TOBACCO
from app.workloads.documents.synthetic.page import Format

Split = Literal["train", "val", "test", ""]
Corruption = Literal["cut", "empty", "noise", ""]

BLOCK_SPLITS: tuple[Split, ...] = (
    "train", "test", "train", "val", "train", "train", "train", "train", "train", "train",
)  # fmt: skip
"""Splits of blocks of 16 pages with one of each class: 80, 10 and 10 %, as RVL-CDIP."""

NUM_DUPLICATED = 4
"""How many of the 16 pages of a test block are other scans of the training page of their class one block earlier. A
quarter; in RVL-CDIP about 35 % of test pages have a near-duplicate in train (arXiv 2306.12550)."""

SHARED: dict[int, tuple[int, Literal["both", "page", "id"]]] = {0: (0, "both"), 3: (1, "page"), 6: (2, "id")}
"""What Tobacco3482 shares with RVL-CDIP: of ten pages of a class, the t-th has the page and the document id, the page
alone, or the document id alone of the page of its class in the block that is named, of each three blocks."""

TOBACCO_COUNTS = (230, 599, 431, 567, 620, 188, 201, 265, 120, 261)
"""Pages of the real classes, in the order of classes.TOBACCO."""

TOBACCO_LOOKS: dict[str, str] = {
    "ADVE": "advertisement",
    "Email": "email",
    "Form": "form",
    "Letter": "letter",
    "Memo": "memo",
    "News": "news article",
    "Note": "handwritten",
    "Report": "scientific report",
    "Resume": "resume",
    "Scientific": "scientific publication",
}
"""Class of Tobacco3482 -> class of RVL-CDIP."""

BILEVEL_SHARE = 0.35
"""Share of pages in black and white; assumed."""
FIRST_TOBACCO_PAGE, TOBACCO_PAGES = 50_000_000, 1_000_000
"""Numbers of pages that only Tobacco3482 has: so many for each class, after all of RVL-CDIP's."""
NUM_IDS, ID_STEP = 90_000_000, 7_919_131
"""Document ids are a permutation of page numbers: the step shares no divisor with their count."""


@dataclass(frozen=True)
class PageFile:
    """One file of a set."""

    path: str
    """In the set's folder."""
    kind: str
    """Class, as the set names it."""
    look: str
    """Class of RVL-CDIP that it looks like."""
    split: Split
    document_id: str
    """The number that its file's name begins with."""
    page: int
    """Number of what is drawn."""
    scan: int
    """Number of the scan."""
    is_bilevel: bool
    """Scanned in black and white, not in greys."""
    format: Format
    corrupt: Corruption = ""


def rvl_page(seed: int, index: int) -> PageFile:
    """The file of RVL-CDIP's page `index`."""
    block, place = divmod(index, len(RVL_CDIP))
    kind = _block_order(seed, block)[place]
    split = BLOCK_SPLITS[block % len(BLOCK_SPLITS)]
    rng = Random(f"rvl-cdip {seed} {index}")
    document_id = _document_id(seed, index)
    letters = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(3))
    volume = f"{letters}{rng.randrange(100):02d}{rng.choice('acdef')}00"
    path = f"images/images{letters[0]}/{'/'.join(letters)}/{volume}/{_stamp(document_id, rng)}.tif"
    drawn = index
    if split == "test" and kind in _duplicated(seed, block):
        drawn = rvl_index(seed, block - 1, kind)
    is_bilevel = _is_bilevel(seed, drawn)
    format_: Format = "tiff-g4" if is_bilevel else "tiff-lzw"
    return PageFile(path, kind, kind, split, document_id, drawn, index, is_bilevel, format_)


def rvl_index(seed: int, block: int, kind: str) -> int:
    """The number of a class's page in a block."""
    return block * len(RVL_CDIP) + _block_order(seed, block).index(kind)


def tobacco_page(seed: int, kind: str, number: int) -> PageFile:
    """The file of the page `number` of a class of Tobacco3482, from 0."""
    own = FIRST_TOBACCO_PAGE + TOBACCO.index(kind) * TOBACCO_PAGES + number
    look = TOBACCO_LOOKS[kind]
    rng = Random(f"tobacco {seed} {own}")
    drawn, document_id = own, _document_id(seed, own)
    if number % 10 in SHARED:
        block, what = SHARED[number % 10]
        other = rvl_page(seed, rvl_index(seed, 3 * (number // 10) + block, look))
        drawn = own if what == "id" else other.page
        document_id = document_id if what == "page" else other.document_id
    is_bilevel = _is_bilevel(seed, drawn)
    format_: Format = "jpeg" if rng.random() < 0.85 else "tiff-g4" if is_bilevel else "tiff-lzw"
    path = f"{kind}/{_stamp(document_id, rng)}.{'jpg' if format_ == 'jpeg' else 'tif'}"
    return PageFile(path, kind, look, "", document_id, drawn, own, is_bilevel, format_)


def list_rvl_cdip(seed: int, num_pages: int, num_corrupt: int = 0) -> list[PageFile]:
    return _corrupted([rvl_page(seed, index) for index in range(num_pages)], num_corrupt)


def list_tobacco(seed: int, num_pages: int, fewest: int, num_corrupt: int = 0) -> list[PageFile]:
    counts = tobacco_counts(num_pages, fewest)
    pages = [tobacco_page(seed, kind, t) for kind, count in counts.items() for t in range(count)]
    return _corrupted(pages, num_corrupt)


def tobacco_counts(num_pages: int, fewest: int) -> dict[str, int]:
    """Pages of each class: as the real shares, but at least `fewest` of each; they sum to `num_pages`."""
    fewest = max(1, fewest)
    assert num_pages >= fewest * len(TOBACCO), (num_pages, fewest)
    counts = dict.fromkeys(TOBACCO, fewest)
    for _ in range(num_pages - fewest * len(TOBACCO)):  # the next page goes where it is missed most
        missed = {kind: counts[kind] / real for kind, real in zip(TOBACCO, TOBACCO_COUNTS, strict=True)}
        counts[min(missed, key=lambda kind: missed[kind])] += 1
    return counts


def _block_order(seed: int, block: int) -> list[str]:
    order = list(RVL_CDIP)
    Random(f"block {seed} {block}").shuffle(order)
    return order


def _duplicated(seed: int, block: int) -> list[str]:
    """Classes whose page in a test block is a scan of a training page."""
    return Random(f"duplicated {seed} {block}").sample(RVL_CDIP, NUM_DUPLICATED)


def _is_bilevel(seed: int, page: int) -> bool:
    """Whether a page is scanned in black and white; the same for all its scans: a stain is lost then."""
    return Random(f"tone {seed} {page}").random() < BILEVEL_SHARE


def _document_id(seed: int, page: int) -> str:
    """The number that an archive stamped on the document's first page."""
    return f"{10_000_000 + (page * ID_STEP + seed * 1_000_003) % NUM_IDS}"


def _stamp(document_id: str, rng: Random) -> str:
    """A file's name: the stamp of the first page, and of the last one in one of the ways that the real sets write."""
    last = int(document_id) + rng.randint(1, 9)
    short = f"{last % 10_000:04d}"
    return document_id + rng.choice(("", "", f"-{short}", f"+-{short}", f"_{last}"))


def _corrupted(pages: list[PageFile], num_corrupt: int) -> list[PageFile]:
    """The same pages, so many of them, evenly spread, unreadable."""
    kinds: tuple[Corruption, ...] = ("cut", "empty", "noise")
    for i in range(num_corrupt):
        at = (2 * i + 1) * len(pages) // (2 * num_corrupt)
        pages[at] = replace(pages[at], corrupt=kinds[i % 3])
    return pages
