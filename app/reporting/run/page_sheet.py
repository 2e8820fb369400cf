"""A sheet of classified pages as thumbnails, the most doubtful first, in one file that needs nothing beside itself."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.configuration import from_dict
from app.errors import UsageError
from app.reporting.page import formatting
from app.reporting.page.markup import Column, Html, escape, image, section, table, text
from app.reporting.page.shell import document, footer
from app.strict_json import mapping, shown

MAX_SHOWN = 500
"""Thumbnails on one sheet; one weighs about 15 KB."""
NUM_CLASSES_SHOWN = 3
NUM_CHARACTERS = 200
"""How much of a page's text is shown."""


@dataclass(frozen=True)
class SheetPage:
    """One page and what the models say of it."""

    name: str
    thumbnail: bytes
    """PNG."""
    width: int
    height: int
    shares: Mapping[str, Mapping[str, float]]
    """For each source (`image`, `text`, `both`): probability of each class. The last source decides."""
    text: str = ""
    """The beginning of what OCR read."""
    truth: str | None = None

    def __post_init__(self) -> None:
        if not self.shares or not self.final:
            raise UsageError("shares: got none, expected the probability of each class, by one source or more")

    @property
    def final(self) -> Mapping[str, float]:
        return self.shares[list(self.shares)[-1]]

    @property
    def predicted(self) -> str:
        return max(self.final, key=lambda name: self.final[name])

    @property
    def doubt(self) -> float:
        """One less the probability of the class predicted."""
        return 1 - self.final[self.predicted]


def build_sheet(title: str, pages: Sequence[SheetPage], made: str = "") -> str:
    """The HTML of a sheet, pages by falling doubt."""
    ordered = by_doubt(pages)
    shown = ordered[:MAX_SHOWN]
    left_out = len(ordered) - len(shown)
    note = (
        f" {formatting.plural(left_out, 'page')} of less doubt: only in the table of predictions." if left_out else ""
    )
    head = Html(
        f'<header><p class="kind">Classified pages</p><h1>{escape(title)}</h1>'
        f'<p class="lede">{escape(describe(pages))}{escape(note)}</p></header>'
    )
    sheet = section("pages", "Pages, the most doubtful first", thumbnails(shown))
    return document(f"{title} – pages", head, _counts(pages), sheet, footer(made, "predict job"))


def by_doubt(pages: Sequence[SheetPage]) -> list[SheetPage]:
    """The most doubtful first."""
    return sorted(pages, key=lambda page: (-page.doubt, page.name))


def with_shown_thumbnails(pages: Sequence[SheetPage]) -> list[SheetPage]:
    """The pages, in their order, without the thumbnails that a sheet of them, and of any more, will not show."""
    doubtful = {id(page) for page in by_doubt(pages)[:MAX_SHOWN]}
    return [page if id(page) in doubtful else replace(page, thumbnail=b"") for page in pages]


def thumbnails(pages: Sequence[SheetPage]) -> Html:
    """A card a page."""
    return Html(f'<div class="sheet">{"".join(_card(page) for page in pages)}</div>')


def sheet_data(title: str, pages: Sequence[SheetPage]) -> dict[str, Any]:
    """The sheet as plain data, for a report that shows it; thumbnails in base64."""
    shown = by_doubt(pages)[:MAX_SHOWN]
    return {
        "title": title,
        "num_pages": len(pages),
        "pages": [{**vars(page), "thumbnail": base64.b64encode(page.thumbnail).decode()} for page in shown],
    }


def read_sheet(content: dict[str, Any]) -> list[SheetPage]:
    """The pages of `sheet_data`.

    Raises:
        UsageError: it is something else.
    """
    pages = content.get("pages")
    if not isinstance(pages, list):
        raise UsageError(f"no sheet of pages: got {shown(pages)}, expected a list of pages")
    try:
        return [_page(mapping(page), f"pages[{number}]") for number, page in enumerate(pages)]
    except ValueError as error:
        raise UsageError(f"no sheet of pages: {error}") from error


def _page(content: dict[str, Any], where: str) -> SheetPage:
    thumbnail = content.get("thumbnail")
    try:
        picture = base64.b64decode(thumbnail, validate=True) if isinstance(thumbnail, str) else None
    except ValueError as error:
        raise UsageError(f"{where}.thumbnail: got {shown(thumbnail)}, expected base64") from error
    return from_dict(SheetPage, {**content, "thumbnail": picture}, where)


def describe(pages: Sequence[SheetPage]) -> str:
    """How many, classified by what, and how many of them rightly."""
    known = [page for page in pages if page.truth is not None]
    judged = ""
    if known:
        num_right = sum(page.truth == page.predicted for page in known)
        judged = (
            f" Of {len(known)} with a known class {num_right} are right ({formatting.percent(num_right / len(known))})."
        )
    sources = max([list(page.shares) for page in pages] or [["nothing"]], key=len)
    return f"{formatting.plural(len(pages), 'page')}, classified by {', '.join(sources)}.{judged}"


def _counts(pages: Sequence[SheetPage]) -> Html:
    counts = Counter(page.predicted for page in pages)
    columns = [Column("Class"), Column("Pages", True), Column("Mean probability", True)]
    rows = []
    for name, count in counts.most_common():
        mean = sum(1 - page.doubt for page in pages if page.predicted == name) / count
        rows.append([text(name), str(count), formatting.percent(mean)])
    return section("classes", "Classes", table("Pages by predicted class", columns, rows))


def _card(page: SheetPage) -> Html:
    verdict = ""
    if page.truth is not None:
        right = page.truth == page.predicted
        verdict = f'<p class="{"right" if right else "wrong"}">{"right" if right else f"is {escape(page.truth)}"}</p>'
    lines = "".join(
        f"<tr><th scope='row'>{escape(source)}</th><td>{escape(_best(shares))}</td></tr>"
        for source, shares in page.shares.items()
    )
    read = f'<p class="note">{escape(page.text)}</p>' if page.text else ""
    picture = image(page.thumbnail, page.width, page.height, f"Page {page.name}")
    return Html(
        f'<article class="card">{picture}<h3>{escape(page.predicted)}</h3>'
        f'<p class="note">{escape(page.name)}</p>{verdict}<table><tbody>{lines}</tbody></table>{read}</article>'
    )


def _best(shares: Mapping[str, float]) -> str:
    best = sorted(shares.items(), key=lambda item: -item[1])[:NUM_CLASSES_SHOWN]
    return ", ".join(f"{name} {formatting.percent(share)}" for name, share in best)
