"""Files that grow by lines."""

from pathlib import Path

import fsspec
import pytest

from app.records import Span
from app.run_folder.run import SPANS

FIRST, SECOND = Span("step", 1.0, 2.0), Span("evaluation", 2.0, 3.0)


@pytest.mark.parametrize("torn", ['{"phase": "st', SPANS.text([FIRST]) + '{"phase"', SPANS.text([FIRST]), ""])
def test_lines_are_added_after_the_last_whole_one(tmp_path: Path, torn: str) -> None:
    """A full disk or a lost host leaves half a line; what is added to it would make the file unreadable."""
    (tmp_path / SPANS.name).write_text(torn)
    before = SPANS.read(str(tmp_path))
    SPANS.append(str(tmp_path), [SECOND])
    assert SPANS.read(str(tmp_path)) == [*before, SECOND]


def test_so_they_are_in_an_object_store() -> None:
    fsspec.filesystem("memory").pipe(f"/lines/{SPANS.name}", (SPANS.text([FIRST]) + '{"phase"').encode())
    SPANS.append("memory://lines", [SECOND])
    assert SPANS.read("memory://lines") == [FIRST, SECOND]
