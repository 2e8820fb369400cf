import pytest

from app.reporting.page import markup

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
