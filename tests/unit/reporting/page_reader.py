"""What a browser would make of a page, for tests."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Tables, headings and words; raises where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self._in_problem = False
        self._caption = ""
        self.words = ""
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "action", "data")]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "p" and found.get("class") == "problem":
            self._in_problem = True
            self.problems.append("")
        if tag == "h2":
            self.headings.append(found["id"] or "")
        if tag == "img":
            self.images.append(found)
        if tag == "caption":
            self._caption = ""
        if tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        if tag in ("td", "th"):
            self.tables[self._caption][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """SVG closes its elements at once."""

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._in_problem = self._in_problem and tag != "p"

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data
        if self._in_problem:
            self.problems[-1] += data
        if "caption" in self._open:
            self._caption += data
        elif {"td", "th"} & set(self._open):
            self.tables[self._caption][-1][-1] += data
