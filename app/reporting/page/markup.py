"""Pieces of HTML. Text is escaped here and nowhere else: what a caller passes as Html is markup already."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape as escaped

from app.printable import redacted


class Html(str):
    """Markup; any other string is text."""

    __slots__ = ()


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    numeric: bool = False


def escape(content: str) -> str:
    """Text as markup shows it, without the passwords of URLs."""
    return escaped(redacted(content))


def text(content: str) -> Html:
    return Html(escape(content))


def join(*parts: Html) -> Html:
    return Html("".join(parts))


def paragraph(content: str, kind: str = "") -> Html:
    return Html(f"<p{_class(kind)}>{escape(content)}</p>")


def section(identifier: str, title: str, *parts: Html) -> Html:
    heading = f'<h2 id="{identifier}">{escape(title)}</h2>'
    return Html(f'<section aria-labelledby="{identifier}">{heading}{"".join(parts)}</section>\n')


def figure(content: Html, caption: str, kind: str = "") -> Html:
    """The caption stands above: it is the chart's title."""
    return Html(f"<figure{_class(kind)}><figcaption>{escape(caption)}</figcaption>{content}</figure>")


def row(*parts: Html) -> Html:
    """Side by side where the page is wide enough."""
    return Html(f'<div class="row">{"".join(parts)}</div>')


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str | Html]], kind: str = "") -> Html:
    """The first cell of each row is its header."""
    head = "".join(f'<th scope="col"{_class("number" if c.numeric else "")}>{escape(c.title)}</th>' for c in columns)
    body = "".join(f"<tr>{''.join(_cells(columns, cells))}</tr>" for cells in rows)
    content = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    box = f"scroll {kind}".strip()
    return Html(
        f'<div class="{box}" role="region" aria-label="{escape(caption)}" tabindex="0"><table>{content}</table></div>'
    )


def facts(caption: str, values: Mapping[str, str]) -> Html:
    """A table of names and values without column heads."""
    body = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in values.items())
    return Html(f'<table class="facts"><caption>{escape(caption)}</caption><tbody>{body}</tbody></table>')


def image(content: bytes, width: int, height: int, alternative: str) -> Html:
    """A PNG inside the page."""
    data = base64.b64encode(content).decode()
    size = f'width="{int(width)}" height="{int(height)}"'
    return Html(f'<img src="data:image/png;base64,{data}" {size} alt="{escape(alternative)}">')


def swatch(number: int) -> Html:
    """The colour of a part of a bar, with its number."""
    return Html(f'<span class="swatch b{number}">{number}</span>')


def _cells(columns: Sequence[Column], cells: Sequence[str | Html]) -> list[str]:
    assert len(columns) == len(cells), (columns, cells)
    marked = [_class("number" if column.numeric else "") for column in columns]
    first, *others = (cell if isinstance(cell, Html) else escape(cell) for cell in cells)
    head = f'<th scope="row"{marked[0]}>{first}</th>'
    return [head, *(f"<td{kind}>{cell}</td>" for kind, cell in zip(marked[1:], others, strict=True))]


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
