from pathlib import Path

import pytest

from app.reporting.page import markup, shell

APP = Path(__file__).parents[4] / "app"
HOSTILE = "<script>alert('a')</script>"


def test_plain_cells_are_text_and_markup_stays() -> None:
    columns = [markup.Column("name"), markup.Column("value", numeric=True)]
    page = markup.table("t", columns, [[HOSTILE, HOSTILE], [markup.Html("<b>a</b>"), markup.text(HOSTILE)]])
    assert "<script>" not in page and page.count("&lt;script&gt;") == 3
    assert "<b>a</b>" in page


def test_the_size_of_a_picture_is_a_number() -> None:
    assert 'width="3" height="4"' in markup.image(b"", 3, 4, HOSTILE)
    with pytest.raises(ValueError, match="invalid literal"):
        markup.image(b"", '1" onload="alert(1)', 1, "")  # type: ignore[arg-type]


def test_a_title_is_text_without_passwords() -> None:
    page = shell.document(f"{HOSTILE} s3://me:secret@bucket/run", shell.footer("", "http://me:secret@host"))
    assert "<script>" not in page and "secret" not in page and "s3://me:***@bucket/run" in page


def test_nothing_else_escapes_text_for_pages() -> None:
    """Each way out has one function: what goes around it keeps its passwords."""
    sources = {path: path.read_text() for path in APP.rglob("*.py")}
    assert [path.name for path, text in sources.items() if "from html import" in text] == ["markup.py"]
