"""TIFFs made byte by byte come out as libtiff's own drawing of them, which viewers use, or are refused."""

import ctypes
import ctypes.util
import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from made_files import COMPRESSED, LEVELS, packed, tiff, tiff_directory

from app.workloads.documents.pages.reading import BadPage, read_page

LIBRARY = ctypes.util.find_library("tiff")
TOP_LEFT, GO_ON_WITHOUT = 1, 0

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="no libtiff")


@pytest.fixture(scope="module")
def libtiff() -> ctypes.CDLL:
    library = ctypes.CDLL(LIBRARY)
    library.TIFFOpen.restype = ctypes.c_void_p
    library.TIFFClose.argtypes = [ctypes.c_void_p]
    library.TIFFReadRGBAImageOriented.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
    ]
    library.TIFFSetWarningHandler(None)
    library.TIFFSetErrorHandler(None)
    return library


def drawn(library: ctypes.CDLL, path: Path) -> np.ndarray | None:
    """Grey on white paper by ITU-R 601; None where libtiff does not draw it."""
    height, width = LEVELS.shape
    rgba = np.zeros((height, width, 4), np.uint8)
    file = library.TIFFOpen(str(path).encode(), b"r")
    if not file:
        return None
    done = library.TIFFReadRGBAImageOriented(file, width, height, rgba.ctypes.data, TOP_LEFT, GO_ON_WITHOUT)
    library.TIFFClose(file)
    colours, alpha = rgba[..., :3].astype(float), rgba[..., 3].astype(float)  # colours come multiplied by alpha
    return colours @ [0.299, 0.587, 0.114] + 255 - alpha if done else None


def check(library: ctypes.CDLL, content: bytes, path: Path, cell: str) -> str:
    path.write_bytes(content)
    expected = drawn(library, path)
    try:
        found = np.asarray(read_page(content)).astype(float)
    except BadPage:
        return "refused"
    if expected is None:
        return "drawn by one alone"
    assert found.shape == expected.shape, cell
    assert np.abs(found - expected).max() <= 2, cell
    return "drawn by both"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey(libtiff: ctypes.CDLL, tmp_path: Path, bits: int, order: str) -> None:
    """Without tiles of 16 bits that stick out of the page, whose rows libtiff shifts (by half of what sticks out)."""
    codes = LEVELS // 2 if bits == 1 else LEVELS * ((2**bits - 1) // 3)
    layouts = ("strip", "strips", "tiles") if bits < 16 else ("strip", "strips")
    told = [
        check(
            libtiff,
            tiff(
                {"codes": codes, "bits": bits, "photometric": photometric, "t274": turned}
                | {"compression": compression, "layout": layout},
                order=order,
            ),
            tmp_path / "page.tif",
            f"photometric {photometric}, compression {compression}, {layout}, orientation {turned}",
        )
        for photometric, compression, layout, turned in product((0, 1, None), COMPRESSED, layouts, (1, 2, 3, 4))
    ]
    assert told.count("drawn by both") >= len(told) * 2 // 3
    assert "drawn by one alone" not in told


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes(libtiff: ctypes.CDLL, tmp_path: Path, bits: int) -> None:
    ramp = np.linspace(0, 65535, 2**bits).astype(int)
    colours = np.concatenate([ramp, ramp[::-1], np.roll(ramp, 1)]).tolist()
    codes = np.minimum(LEVELS, 2**bits - 1)
    for compression, order in product(COMPRESSED, "<>"):
        page = {"codes": codes, "bits": bits, "photometric": 3, "t320": colours, "compression": compression}
        told = check(libtiff, tiff(page, order=order), tmp_path / "page.tif", f"compression {compression}, {order}")
        assert told == "drawn by both"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("photometric", "samples", "extra"),
    [(2, 3, None), (2, 4, 1), (2, 4, 2), (5, 4, None)],
    ids=["RGB", "RGB and multiplied alpha", "RGB and alpha", "CMYK"],
)
def test_colours(
    libtiff: ctypes.CDLL, tmp_path: Path, photometric: int, samples: int, extra: int | None, bits: int, order: str
) -> None:
    """In pixels and in planes. Alpha is 2/3, and multiplied colours are no larger. libtiff draws no CMYK of 16 bits."""
    height, width = LEVELS.shape
    values = np.stack([LEVELS, 3 - LEVELS, LEVELS // 2 * 3, np.full_like(LEVELS, 2)][:samples], axis=-1)
    if extra == 1:
        values[..., :3] = np.minimum(values[..., :3], 2)
    values = values * ((2**bits - 1) // 3)
    tags: dict[int, int | list[int]] = {256: width, 257: height, 258: [bits] * samples, 262: photometric, 277: samples}
    tags |= {278: height} | ({} if extra is None else {338: extra})
    told = []
    for planes, compression in product((1, 2), COMPRESSED):
        blocks = np.moveaxis(values, -1, 0) if planes == 2 else [values.reshape(height, -1)]
        parts = [COMPRESSED[compression](packed(block, bits, order)) for block in blocks]
        body = tiff_directory(8, tags | {259: compression, 284: planes}, parts, order, False, False)
        content = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8) + body
        told.append(check(libtiff, content, tmp_path / "page.tif", f"planes {planes}, compression {compression}"))
    alone = "drawn by one alone" if (photometric, bits) == (5, 16) else "drawn by both"
    assert told.count(alone) >= 4 and set(told) <= {alone, "refused"}
