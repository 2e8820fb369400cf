"""A page comes out as a viewer shows it, or is refused by its property: files made byte by byte from known pixels."""

import struct
import zlib
from itertools import product

import numpy as np
import pytest
from drawn_sets import encoded
from made_files import COMPRESSED, GREY, LEVELS, chunk, exif_orientation, packed, png, tiff, tiff_directory, turned
from PIL import Image

from app.workloads.documents.pages.reading import BadPage, read_page


def shown(content: bytes) -> np.ndarray:
    return np.asarray(read_page(content))


def codes_of(bits: int, white_is_0: bool) -> np.ndarray:
    """LEVELS as a file of so many bits has them; of 1 bit, black and white."""
    codes = LEVELS // 2 if bits == 1 else LEVELS * ((2**bits - 1) // 3)
    return 2**bits - 1 - codes if white_is_0 else codes


REFUSED = {(12, 1, ">"), (12, 0, ">")}
"""Bits, PhotometricInterpretation and byte order that are not read."""


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_grey_tiffs(bits: int, photometric: int, order: str) -> None:
    codes = codes_of(bits, photometric == 0)
    expected = GREY if bits > 1 else LEVELS // 2 * 255
    for compression, layout, orientation in product(COMPRESSED, ("strip", "strips", "tiles"), (1, 3, 6)):
        page = {"codes": codes, "bits": bits, "photometric": photometric, "t274": orientation}
        content = tiff(page | {"compression": compression, "layout": layout}, order=order)
        cell = f"compression {compression}, {layout}, orientation {orientation}"
        if (bits, photometric, order) in REFUSED:
            with pytest.raises(BadPage, match=rf"TIFF of {bits} bits a sample.*byte order MM"):
                read_page(content)
            continue
        np.testing.assert_array_equal(shown(content), turned(expected, orientation), err_msg=cell)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_black_is_0_where_a_tiff_does_not_say(bits: int) -> None:
    """As libtiff's TIFFReadRGBAImage has it, and so its viewers; Pillow alone takes 0 for white."""
    expected = GREY if bits > 1 else LEVELS // 2 * 255
    page = {"codes": codes_of(bits, white_is_0=False), "bits": bits, "photometric": None}
    for compression in COMPRESSED:
        np.testing.assert_array_equal(shown(tiff(page | {"compression": compression})), expected)
    if bits == 16:
        with pytest.raises(BadPage, match="16 bits a sample, 1 a pixel, no PhotometricInterpretation"):
            read_page(tiff(page, order=">"))


def test_white_is_0_in_a_fax_that_does_not_say() -> None:
    """Also of a fax made smaller. libtiff: isCCITTCompression gives PHOTOMETRIC_MINISWHITE."""
    codes = LEVELS // 2
    page = Image.fromarray(codes.astype(np.uint8) * 255).convert("1", dither=0)
    fax = bytearray(encoded(page, "TIFF", compression="group4"))
    entry = fax.index(struct.pack("<HH", 262, 3), struct.unpack_from("<I", fax, 4)[0])
    assert fax[entry + 8] == 1 and (shown(bytes(fax)) == codes * 255).all()  # as long as it says that black is 0
    fax[entry : entry + 12] = struct.pack("<HHII", 262, 99, 1, 0)  # of a type that there is not: as good as missing
    plain = tiff({"codes": codes, "bits": 1, "photometric": None})
    for content, expected in ((bytes(fax), (1 - codes) * 255), (plain, codes * 255)):
        np.testing.assert_array_equal(shown(content), expected)
        small = np.asarray(read_page(content, max_pixels=12 * 20))
        assert small.shape == (10, 12)
        np.testing.assert_allclose(small, expected.reshape(10, 2, 12, 2).mean((1, 3)), atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_way_up_in_every_container(orientation: int) -> None:
    expected = turned(GREY, orientation)
    exif = Image.Exif()
    exif[274] = orientation
    ink = Image.fromarray(GREY)
    clear = Image.merge("LA", [ink, Image.new("L", ink.size, 255)])
    for name, content in {
        "TIFF": tiff({"codes": GREY, "bits": 8, "t274": orientation}),
        "PNG": png(GREY, 8, turned=orientation),
        "PNG, EXIF after the pixels": png(GREY, 8, after=chunk(b"eXIf", exif_orientation(orientation))),
        "PNG with alpha": png(np.dstack([GREY, np.full_like(GREY, 255)]), 8, kind=4, turned=orientation),
        "PNG of 1 bit": png(GREY // 170, 1, turned=orientation),
        "WebP with alpha": encoded(clear.convert("RGBA"), "WEBP", lossless=True, exif=exif.tobytes()),
    }.items():
        wanted = turned(GREY // 170 * 255, orientation) if name == "PNG of 1 bit" else expected
        np.testing.assert_array_equal(shown(content), wanted, err_msg=name)
    smooth = Image.fromarray(GREY).resize((240, 200))
    content = encoded(smooth, "JPEG", quality=95, exif=exif.tobytes())
    assert np.abs(shown(content).astype(int) - turned(np.asarray(smooth).astype(int), orientation)).max() <= 12


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_that_is_transparent_is_paper(bits: int) -> None:
    """By tRNS, which has the grey in the file's own bits; here a third of the range, or black where there is 1 bit."""
    codes = codes_of(bits, white_is_0=False)
    clear = 0 if bits == 1 else int((2**bits - 1) // 3)
    expected = np.where(codes == clear, 255, LEVELS // 2 * 255 if bits == 1 else GREY)
    np.testing.assert_array_equal(shown(png(codes, bits, before=chunk(b"tRNS", clear.to_bytes(2, "big")))), expected)


def test_alpha_in_tiff_however_it_is_stored() -> None:
    """On paper half of a grey of 100 is 100 x 128 / 255 + 255 - 128 = 177; it is multiplied by its alpha before (TIFF's
    ExtraSamples 1), or not (2)."""
    for extra, ink in ((1, 50), (2, 100)):
        samples = np.dstack([np.full((8, 8), ink), np.full((8, 8), 128)]).astype(np.uint8)
        page = {"codes": samples.reshape(8, 16), "bits": 8, "t256": 8, "t277": 2, "t258": [8, 8], "t338": extra}
        assert np.abs(shown(tiff(page)).astype(int) - 177).max() <= 1, extra


@pytest.mark.parametrize("scale", [1, 257])
def test_colour_maps_of_8_and_of_16_bits(scale: int) -> None:
    """TIFF 6.0 wants 16 bits; some write 8, which viewers take so where no value is above 255."""
    ramp = [0, 85, 170, 255]
    colours = [value * scale for value in ramp + [0] * 252] * 3
    np.testing.assert_array_equal(shown(tiff({"codes": LEVELS, "bits": 8, "photometric": 3, "t320": colours})), GREY)


@pytest.mark.parametrize(
    ("page", "property_"),
    [
        ({"codes": GREY, "bits": 8, "t339": 2}, "8 bits a signed sample"),
        ({"codes": LEVELS * 9, "bits": 16, "t339": 2}, "16 bits a signed sample"),
        ({"codes": LEVELS * 9, "bits": 32}, "TIFF of 32 bits"),
        ({"codes": LEVELS * 1365, "bits": 16, "t281": 4095}, "MaxSampleValue says 4095"),
        ({"codes": LEVELS * 341, "bits": 10}, "TIFF of 10 bits"),
        ({"codes": LEVELS * 9, "bits": 32, "t339": 3}, "32-bit floats"),
        ({"codes": GREY, "bits": 8, "photometric": 4}, r"PhotometricInterpretation 4 \(mask\)"),
        ({"codes": GREY, "bits": 8, "t259": 34712}, "compression 34712"),
        ({"codes": np.tile(GREY, 3), "bits": 8, "photometric": 8, "t256": 24, "t258": [8] * 3, "t277": 3}, "CIELab"),
        (
            {"codes": np.tile(GREY, 3), "bits": 8, "photometric": 6, "t256": 24, "t258": [8] * 3, "t277": 3},
            "YCbCr with subsampled colours",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_its_property(page: dict[str, object], property_: str) -> None:
    with pytest.raises(BadPage, match=property_):
        read_page(tiff(page))


def colour_planes(bits: int, order: str) -> bytes:
    """Red, green and blue, one after the other, each GREY. Pillow takes those of 16 bits, uncompressed, for others."""
    planes = [packed(GREY.astype(int) * (257 if bits == 16 else 1), bits, order)] * 3
    tags = {256: 24, 257: 20, 258: [bits] * 3, 259: 1, 262: 2, 277: 3, 278: 20, 284: 2}
    return struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8) + tiff_directory(
        8, tags, planes, order, False, False
    )


@pytest.mark.parametrize("order", "<>")
def test_colours_in_planes(order: str) -> None:
    np.testing.assert_array_equal(shown(colour_planes(8, order)), GREY)
    with pytest.raises(BadPage, match=r"TIFF of 16 bits a sample in planes \(PlanarConfiguration 2\), uncompressed"):
        read_page(colour_planes(16, order))


def test_alpha_in_a_plane_of_its_own_is_refused() -> None:
    """Pillow's reading of it, compressed, is an empty page."""
    planes = [zlib.compress(plane.tobytes()) for plane in (GREY, np.full_like(GREY, 128))]
    tags = {256: 24, 257: 20, 258: [8, 8], 259: 8, 262: 1, 277: 2, 278: 20, 284: 2}
    for extra in (1, 2):
        body = tiff_directory(8, tags | {338: extra}, planes, "<", False, False)
        with pytest.raises(BadPage, match=r"grey and alpha in planes \(PlanarConfiguration 2\)"):
            read_page(struct.pack("<2sHI", b"II", 42, 8) + body)


@pytest.mark.parametrize(("alpha", "expected"), [(0, GREY), (255, GREY), (1, None)])
def test_a_bitmap_whose_alpha_nobody_filled_in_is_opaque(alpha: int, expected: np.ndarray | None) -> None:
    """32 bits with masks (BITMAPV4HEADER); where one pixel alone has alpha, the others are transparent."""
    samples = np.dstack([GREY] * 3 + [np.full_like(GREY, alpha if expected is not None else 0)])
    if expected is None:
        samples[0, 0, 3], expected = 255, np.full_like(GREY, 255)
        expected[0, 0] = GREY[0, 0]
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, 24, -20, 1, 32, 3, 0, 0, 0, 0, 0) + masks + b"BGRs" + bytes(48)
    content = struct.pack("<2sIHHI", b"BM", 14 + 108 + samples.size, 0, 0, 14 + 108) + head + samples.tobytes()
    np.testing.assert_array_equal(shown(content), expected)


def test_a_jpeg_within_an_old_tiff_is_read() -> None:
    jpeg = encoded(Image.fromarray(np.full((20, 24), 77, np.uint8)), "JPEG")
    head = tiff({"codes": GREY, "bits": 8, "t259": 6, "t513": 0, "t514": len(jpeg)})
    content = tiff({"codes": GREY, "bits": 8, "t259": 6, "t513": len(head), "t514": len(jpeg)}) + jpeg
    assert np.abs(shown(content).astype(int) - 77).max() <= 1
    with pytest.raises(BadPage, match=r"compression 6 \(old-style JPEG\)"):
        read_page(tiff({"codes": GREY, "bits": 8, "t259": 6}))
    other = encoded(Image.fromarray(np.full((20, 25), 77, np.uint8)), "JPEG")  # not the page, which is 24 wide
    with pytest.raises(BadPage, match="compression 6"):
        read_page(content[: len(head)] + other)


def test_jpeg_2000_is_read() -> None:
    np.testing.assert_array_equal(shown(encoded(Image.fromarray(GREY), "JPEG2000")), GREY)
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert np.abs(shown(encoded(deep, "JPEG2000")).astype(int) - GREY).max() <= 1


def jpeg_2000(codes: np.ndarray, bits: int) -> bytes:
    """Lossless grey of 9 to 16 bits, by a file of 16 that says fewer: what is coded is the distance to the middle."""
    moved = codes - 2 ** (bits - 1) + 2**15
    content = bytearray(encoded(Image.fromarray(moved.astype(np.uint16)), "JPEG2000"))
    content[content.index(b"ihdr") + 14] = content[content.index(b"\xff\x4f\xff\x51") + 42] = bits - 1
    return bytes(content)


@pytest.mark.parametrize("bits", [10, 12, 15])
def test_jpeg_2000_of_other_bits_has_its_full_range(bits: int) -> None:
    codes = np.rint(LEVELS * (2**bits - 1) / 3).astype(int)
    assert np.abs(shown(jpeg_2000(codes, bits)).astype(int) - GREY).max() <= 1


def test_jpeg_2000_that_is_shortened_to_8_bits_is_refused() -> None:
    """Pillow rounds 511 of 9 bits up to 256, which is 0: paper becomes ink. So it does with colours of more than 8."""
    with pytest.raises(BadPage, match="JPEG 2000 of 9 bits a sample, 1 a pixel"):
        read_page(jpeg_2000(LEVELS * 511 // 3, 9))
    colours = bytearray(encoded(Image.fromarray(np.dstack([GREY] * 3)), "JPEG2000"))
    start = colours.index(b"\xff\x4f\xff\x51") + 42
    colours[start : start + 9 : 3] = bytes([11] * 3)
    with pytest.raises(BadPage, match="JPEG 2000 of 12 bits a sample, 3 a pixel"):
        read_page(bytes(colours))
