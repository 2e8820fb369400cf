"""Pages that are longer than Tesseract takes; tiny limits stand for its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.workloads.documents.ocr import recognition
from app.workloads.documents.ocr.engines import OcrOptions
from app.workloads.documents.ocr.pieces import MAX_EDGE, pieces, shrunk


def page(height: int, width: int, dark: list[tuple[int, int]]) -> Image.Image:
    pixels = np.full((height, width), 255, np.uint8)
    for first, end in dark:
        pixels[first:end] = 0
    return Image.fromarray(pixels)


def test_a_long_page_is_cut_between_lines_and_nothing_is_lost() -> None:
    """Lines at rows 30 to 45 and 95 to 105; pieces of 50 rows, cut in the last 20: the last bright row ends one."""
    image = page(120, 7, [(30, 45), (95, 105)])
    parts = pieces(image, max_height=60, piece=50, sought=20)
    assert [part.height for part in parts] == [50, 45, 25]
    assert np.array_equal(np.concatenate([np.asarray(part) for part in parts]), np.asarray(image))
    assert [part.height for part in pieces(page(120, 7, [(40, 52), (80, 88)]), 60, 50, 20)] == [40, 50, 30]


def test_a_page_that_fits_is_left_alone_and_a_wide_one_made_smaller() -> None:
    image = page(60, 7, [])
    assert pieces(image, max_height=60, piece=50, sought=20) == [image]
    assert shrunk(image, 7, 60) is image
    assert shrunk(page(100, 60, []), max_width=30).size == (30, 50)
    assert shrunk(page(100, 10, []), max_width=30, max_height=50).size == (5, 50)
    assert MAX_EDGE == 2**15 - 1


def test_the_text_of_pieces_is_joined_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Confidence is the mean over words: (1 x 90 + 3 x 50) / 4 = 60."""
    said = iter([("one", 90.0), ("", None), ("two three four", 50.0)])
    monkeypatch.setattr(recognition, "recognise", lambda image, options: next(said))
    monkeypatch.setattr(recognition, "pieces", lambda image: [image] * 3)
    found = recognition.read_opened("a", lambda: page(5, 5, []), OcrOptions())
    assert (found.text, found.confidence, found.status) == ("one\n\ntwo three four", 60.0, "ok")
    assert found.reason == "read in 3 pieces"


def test_a_page_too_wide_says_at_which_size_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(recognition, "recognise", lambda image, options: seen.append(image.size) or ("wide", 80.0))
    found = recognition.read_opened("a", lambda: Image.new("L", (2 * MAX_EDGE, 10), 255), OcrOptions())
    assert seen == [(MAX_EDGE, 5)] and found.reason == "read at 50% of its size"


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300), st.integers(2, 40), st.data())
def test_pieces_are_the_page_and_each_is_small_enough(rows: list[int], piece: int, data: st.DataObject) -> None:
    image = Image.fromarray(np.repeat(np.array(rows, np.uint8)[:, None], 3, axis=1))
    parts = pieces(image, max_height=piece, piece=piece, sought=data.draw(st.integers(1, piece - 1)))
    assert np.array_equal(np.concatenate([np.asarray(part) for part in parts]), np.asarray(image))
    assert all(0 < part.height <= piece for part in parts)
