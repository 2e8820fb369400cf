"""The sheet of thumbnails: doubt decides the order, the last source the class, text is escaped."""

import json
from typing import Any

import pytest

from app.reporting.run.page_sheet import SheetPage, build_sheet, read_sheet, sheet_data


def page(name: str, image: float, both: float, truth: str | None = None) -> SheetPage:
    shares = {
        "image": {"memo": image, "letter": 1 - image},
        "both": {"memo": both, "letter": 1 - both},
    }
    return SheetPage(name, b"png", 10, 14, shares, "<b>read</b>", truth)


def test_the_last_source_decides() -> None:
    one = page("a", image=0.9, both=0.2)
    assert one.predicted == "letter" and abs(one.doubt - 0.2) < 1e-9


def test_the_most_doubtful_page_comes_first_and_text_is_escaped() -> None:
    html = build_sheet("Mail", [page("sure", 0.5, 0.99), page("unsure", 0.5, 0.55, "letter")])
    assert html.index("Page unsure") < html.index("Page sure")
    assert "is letter" in html and "&lt;b&gt;read" in html and "<b>read" not in html
    assert "0 are right" in html and "http:" not in html


def test_a_sheet_without_pages_is_a_page() -> None:
    assert "0 pages" in build_sheet("Nothing", [])


def test_a_sheet_comes_back_from_its_data() -> None:
    pages = [page("sure", 0.5, 0.99), page("unsure", 0.5, 0.55, "letter")]
    content = json.loads(json.dumps(sheet_data("Mail", pages)))
    assert content["title"] == "Mail" and content["num_pages"] == 2
    assert read_sheet(content) == [pages[1], pages[0]]


@pytest.mark.parametrize("content", [{}, {"pages": [{}]}, {"pages": [{"thumbnail": "%"}]}])
def test_other_data_is_no_sheet(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no sheet of pages"):
        read_sheet(content)
