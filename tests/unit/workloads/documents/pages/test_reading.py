import io
import struct
import zlib

import numpy as np
import pytest
from drawn_sets import draw_page, encoded
from PIL import Image

from app.workloads.documents.pages import reading
from app.workloads.documents.pages.reading import BadPage, read_page, shrink, stored_page

RAMP = np.tile(np.linspace(0, 255, 60).round().astype(np.uint8), (80, 1))
GREY = Image.fromarray(RAMP)
RAMP_16 = Image.fromarray(RAMP.astype(np.uint16) * 257)
TURNED = Image.Exif()
TURNED[274] = 6  # a quarter turn


def rgba(alpha: int) -> Image.Image:
    return Image.merge("RGBA", [GREY, GREY, GREY, Image.new("L", GREY.size, alpha)])


@pytest.mark.parametrize(
    ("content", "expected", "tolerance"),
    [
        pytest.param(encoded(GREY, "TIFF", compression="tiff_lzw"), RAMP, 0, id="grey LZW"),
        pytest.param(
            encoded(GREY.convert("1", dither=0), "TIFF", compression="group4"), (RAMP > 127) * 255, 0, id="G4"
        ),
        pytest.param(encoded(GREY, "TIFF", compression="jpeg", quality=95), RAMP, 6, id="JPEG in TIFF"),
        pytest.param(encoded(GREY, "JPEG", quality=95), RAMP, 6, id="JPEG"),
        pytest.param(encoded(GREY.convert("RGB"), "JPEG", quality=95), RAMP, 6, id="colour JPEG"),
        pytest.param(encoded(GREY.convert("RGB").convert("CMYK"), "JPEG", quality=95), RAMP, 8, id="CMYK JPEG"),
        pytest.param(encoded(GREY.convert("RGB").convert("CMYK"), "TIFF"), RAMP, 1, id="CMYK TIFF"),
        pytest.param(encoded(GREY, "PNG"), RAMP, 0, id="grey PNG"),
        pytest.param(encoded(GREY.convert("P"), "PNG"), RAMP, 1, id="palette"),
        pytest.param(encoded(GREY.convert("P"), "GIF"), RAMP, 1, id="GIF"),
        pytest.param(encoded(RAMP_16, "PNG"), RAMP, 0, id="16-bit PNG"),
        pytest.param(encoded(RAMP_16, "TIFF"), RAMP, 0, id="16-bit TIFF"),
        pytest.param(encoded(rgba(255), "PNG"), RAMP, 0, id="opaque"),
        pytest.param(encoded(rgba(0), "PNG"), np.full_like(RAMP, 255), 0, id="transparent is paper"),
        pytest.param(encoded(rgba(51), "PNG"), 204 + RAMP / 5, 1, id="a fifth opaque"),
        pytest.param(encoded(GREY, "PNG", exif=TURNED), np.rot90(RAMP, -1), 0, id="turned PNG"),
        pytest.param(encoded(GREY, "TIFF", exif=TURNED), np.rot90(RAMP, -1), 0, id="turned TIFF"),
    ],
)
def test_every_kind_is_grey_in_its_full_range(content: bytes, expected: np.ndarray, tolerance: int) -> None:
    page = read_page(content)
    assert page.mode == "L"
    pixels = np.asarray(page).astype(float)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= tolerance


def test_of_several_pages_the_first_is_read_unless_another_is_named() -> None:
    content = encoded(Image.new("L", (10, 20), 50), "TIFF", save_all=True, append_images=[Image.new("L", (30, 40), 90)])
    assert read_page(content).size == (10, 20)
    assert read_page(content, page=1).size == (30, 40)
    with pytest.raises(BadPage, match="no page 2"):
        read_page(content, page=2)


def test_black_and_white_becomes_grey_by_its_share_of_black() -> None:
    """Stripes of which a quarter is black: the mean of the page stays, and every pixel is near it."""
    pixels = np.full((400, 300), 255, np.uint8)
    pixels[::4] = 0
    stored, width, height = stored_page(encoded(Image.fromarray(pixels).convert("1"), "TIFF", compression="group4"), 50)
    assert (width, height) == (300, 400)
    assert stored.shape == (50, 50)
    assert stored.dtype == np.uint8
    assert np.abs(stored.astype(int) - 191).max() <= 2


@pytest.mark.parametrize("size", [(150, 200), (754, 1000), (383, 385), (40, 30), (2000, 90)])
def test_shrinking_agrees_with_the_filter_alone(size: tuple[int, int]) -> None:
    """Against Pillow's antialiased bilinear filter, on pages that have no detail finer than either can show."""
    smooth = draw_page(0).resize((24, 24)).resize(size, Image.Resampling.BICUBIC)
    stored, _, _ = stored_page(encoded(smooth, "PNG"), 96)
    reference = np.asarray(smooth.resize((96, 96), Image.Resampling.BILINEAR))
    assert np.abs(stored.astype(int) - reference).mean() < 2.5


def test_a_large_jpeg_is_decoded_small_and_reports_its_own_size() -> None:
    """By Pillow alone: libjpeg's 1/8 is the smallest of 100 pixels an edge and more; what is left is shrunk by 1 x 2,
    then by the filter. Decoded whole it would be other pixels."""
    page = draw_page(1, 1200, 1600).resize((1200, 1600))
    content = encoded(page, "JPEG", quality=95)
    stored, width, height = stored_page(content, 100)
    assert (width, height) == (1200, 1600)
    reference = np.asarray(page.resize((100, 100), Image.Resampling.BOX))
    assert np.abs(stored.astype(int) - reference).mean() < 4
    with Image.open(io.BytesIO(content)) as small, Image.open(io.BytesIO(content)) as whole:
        small.draft("L", (100, 100))
        assert small.size == (150, 200) and small.mode == "L"
        expected = small.reduce((1, 2)).resize((100, 100), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(stored, np.asarray(expected))
        other = np.asarray(shrink(whole, 100))
    assert not np.array_equal(stored, other)


@pytest.mark.parametrize("kind", [("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "group4"}), "PNG"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.95])
def test_truncated_pages_are_bad(kind: object, keep: float) -> None:
    name, options = kind if isinstance(kind, tuple) else (kind, {})
    page = draw_page(2).convert("1") if options.get("compression") == "group4" else draw_page(2)
    content = encoded(page, name, **options)
    with pytest.raises(BadPage, match=r"empty|truncated|damaged"):
        read_page(content[: int(keep * len(content))])


def test_a_truncated_jpeg_is_bad() -> None:
    content = encoded(draw_page(2), "JPEG")
    with pytest.raises(BadPage, match="truncated"):
        read_page(content[: len(content) // 2])


def test_what_is_no_image_says_what_it_begins_with() -> None:
    with pytest.raises(BadPage, match="begins with b'%!PS-Ado'"):
        read_page(b"%!PS-Adobe-3.0 EPSF-3.0")


def test_pixels_without_a_known_range_are_bad() -> None:
    with pytest.raises(BadPage, match="32-bit floats"):
        read_page(encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"))
    with pytest.raises(BadPage, match="TIFF of 32 bits a signed sample"):
        read_page(encoded(Image.fromarray(np.full((4, 4), 100_000, np.int32)), "TIFF"))


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, with next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(20_000, 10_001), (30_000, 30_000), (400_000, 400_000)])
def test_bombs_are_refused_by_their_header(width: int, height: int) -> None:
    with pytest.raises(BadPage, match=r"at most 200000000|exceeds limit"):
        read_page(png_header(width, height))


def test_the_limit_itself_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 60 * 80)
    assert read_page(encoded(GREY, "PNG")).size == (60, 80)
    with pytest.raises(BadPage, match="60 x 81 pixels, at most 4800 are decoded"):
        read_page(encoded(Image.new("L", (60, 81)), "PNG"))


@pytest.mark.parametrize(("kind", "more"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_an_animation_is_its_first_frame_and_that_is_told(kind: str, more: dict[str, object]) -> None:
    first, second = (Image.fromarray(np.full((40, 40), grey, np.uint8)) for grey in (60, 200))
    for others, told in (([second], [reading.MORE_FRAMES]), ([], [])):
        notes: list[str] = []
        content = encoded(first, kind, save_all=True, append_images=others, **more)
        assert stored_page(content, 32, notes=notes)[0].tolist() == np.full((32, 32), 60).tolist()
        assert notes == told
