import os

import pytest

from app.data.clutter import is_clutter
from app.data.names import as_text, is_text


def test_a_name_that_is_no_utf8_can_be_told() -> None:
    name = os.fsdecode(b"r\xe9sum\xe9.jpg")
    assert not is_text(name) and is_text("résumé.jpg")
    assert as_text(name) == r"r\xe9sum\xe9.jpg" and as_text("résumé.jpg") == "résumé.jpg"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", True),
        ("__MACOSX/a/1.jpg", True),
        ("$RECYCLE.BIN/1.jpg", True),
        ("a/Thumbs.db", True),
        ("thumbs/1.jpg", False),
        ("macosx/1.jpg", False),
        ("@eaDir.jpg", False),
    ],
)
def test_clutter_is_known_by_whole_names(path: str, expected: bool) -> None:
    assert is_clutter(path) is expected
