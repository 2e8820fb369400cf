"""What is around the content of every page: one file that fetches nothing, its style inside."""

from app.reporting.page.markup import Html, escape
from app.reporting.page.style import STYLE


def document(title: str, *parts: Html, more_style: str = "") -> str:
    """A whole HTML page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Nothing is fetched: not by mistake either. An empty icon keeps browsers from asking for one.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}{more_style}</style></head>\n'
        f"<body><main>\n{''.join(parts)}</main></body></html>\n"
    )


def footer(made: str, maker: str) -> Html:
    """`made` says when, `maker` which job and from what."""
    when = f"Made {made} by" if made else "Made by"
    return Html(f"<footer>{escape(f'{when} Twofold’s {maker}; nothing in this page comes from a network.')}</footer>")
