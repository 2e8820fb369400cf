"""Metadata costs no page whose pixels are whole; what lacks pixels stays refused."""

import zlib
from contextlib import suppress

import numpy as np
import pytest
from drawn_sets import draw_page, encoded
from hypothesis import given, settings
from hypothesis import strategies as st
from made_files import GREY, chunk, png, tiff, turned
from PIL import Image

from app.workloads.documents.pages import repairs
from app.workloads.documents.pages.reading import BadPage, num_pages, read_page, stored_page

TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000)))
PROFILE = chunk(b"iCCP", b"grey\0\0" + zlib.compress(bytes(1_500_000)))
BROKEN = chunk(b"tEXt", b"Comment\0words")[:-1] + b"\0"  # its checksum is wrong
PAGE = draw_page(3)


@pytest.mark.parametrize(
    "content",
    [
        png(GREY, 8, before=TEXT),
        png(GREY, 8, after=TEXT),
        png(GREY, 8, before=PROFILE),
        png(GREY, 8, before=BROKEN),
    ],
    ids=["long text", "long text after the pixels", "long profile", "wrong checksum"],
)
def test_a_png_whose_metadata_is_odd(content: bytes) -> None:
    np.testing.assert_array_equal(np.asarray(read_page(content)), GREY)
    notes: list[str] = []
    stored_page(content, 32, notes=notes)
    assert notes == ["its metadata cannot be read and is left out"]


def test_what_is_left_of_metadata_still_turns_the_page() -> None:
    np.testing.assert_array_equal(np.asarray(read_page(png(GREY, 8, before=TEXT, turned=6))), turned(GREY, 6))


def test_compressed_metadata_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "MAX_METADATA", 2_100_000)
    assert read_page(png(GREY, 8, before=TEXT)).size == (24, 20)
    with pytest.raises(BadPage, match="compressed metadata is larger than 2100000 bytes"):
        read_page(png(GREY, 8, before=TEXT + PROFILE))


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0junk", b"E"])
def test_broken_exif_turns_nothing(exif: bytes) -> None:
    jpeg = encoded(PAGE, "JPEG", quality=95)
    content = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    np.testing.assert_array_equal(np.asarray(read_page(content)), np.asarray(read_page(jpeg)))
    assert read_page(png(GREY, 8, before=chunk(b"eXIf", exif))).size == (24, 20)


@pytest.mark.parametrize("value", [0, 9, 60_000])
def test_an_orientation_that_there_is_not_turns_nothing(value: int) -> None:
    np.testing.assert_array_equal(np.asarray(read_page(png(GREY, 8, turned=value))), GREY)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
@pytest.mark.parametrize("colour", ["L", "RGB"])
def test_a_jpeg_without_its_last_two_bytes(colour: str, options: dict[str, object]) -> None:
    jpeg = encoded(PAGE.convert(colour), "JPEG", quality=90, **options)
    notes: list[str] = []
    for cut in (1, 2):
        np.testing.assert_array_equal(np.asarray(read_page(jpeg[:-cut])), np.asarray(read_page(jpeg)))
    stored_page(jpeg[:-2], 32, notes=notes)
    assert notes == ["its end marker is missing; every pixel is there"]


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_that_lacks_pixels_is_bad(options: dict[str, object]) -> None:
    jpeg = encoded(Image.effect_noise((64, 64), 80), "JPEG", quality=90, **options)
    for cut in (4, 5, 8, 30, 300, len(jpeg) // 2):
        with pytest.raises(BadPage, match="truncated"):
            read_page(jpeg[:-cut])


def test_a_progressive_jpeg_without_a_whole_scan_is_bad() -> None:
    jpeg = encoded(PAGE, "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    tables = jpeg.rfind(b"\xff\xc4", 0, last)
    with pytest.raises(BadPage, match="truncated"):
        read_page(jpeg[:tables])


FILES = {
    "JPEG": encoded(PAGE, "JPEG", quality=30),
    "progressive": encoded(PAGE, "JPEG", progressive=True, quality=30),
    "PNG": png(GREY, 8, before=TEXT, turned=6),
    "TIFF": tiff({"codes": GREY, "bits": 8}, {"codes": GREY, "bits": 16, "photometric": 0}, order=">"),
}


@given(st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_is_wrong_with_a_file_costs_that_page_alone(name: str, changes: list[tuple[float, bytes]]) -> None:
    content = FILES[name]
    for place, other in changes:
        at = int(place * len(content))
        content = content[:at] + other + content[at + len(other) :]
    for page in range(min(num_pages(content), 3)):
        with suppress(BadPage):
            assert stored_page(content, 16, page, max_pixels=10**6)[0].shape == (16, 16)
