"""Files of several pages, files that are no pages, and pages of great size."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_sets import draw_page, encoded, save
from made_files import GREY, png, tiff
from PIL import Image
from quarantine_files import read_quarantine

from app.data.store.quarantine import Quarantined
from app.workloads.documents.ocr.recognition import read_text
from app.workloads.documents.pages import pdf, reading
from app.workloads.documents.pages import tiff as tiff_module
from app.workloads.documents.pages.files import PageFile, ReadPage, find_pages, open_page, read_for_prediction
from app.workloads.documents.pages.reading import BadPage, num_pages, read_page, stored_page
from app.workloads.documents.store.prepare import page_of, read_encoded
from app.workloads.documents.store.prepared import DocumentStore

THUMBNAIL, MASK = 1, 4
"""NewSubfileType of TIFF 6.0."""


def flat(grey: int, size: int = 16) -> np.ndarray:
    return np.full((size, size), grey, np.uint8)


FAX = tiff(
    {"codes": flat(10, 8), "bits": 8, "t254": THUMBNAIL},
    {"codes": flat(50), "bits": 8, "t254": 2},
    {"codes": flat(0), "bits": 8, "t254": MASK},
    {"codes": flat(90), "bits": 8, "t255": 3},
    {"codes": flat(20, 8), "bits": 8, "t255": 2},
    {"codes": flat(130), "bits": 8},
)
"""Three pages of grey 50, 90 and 130, with smaller copies and a mask among them."""


def test_pages_of_a_tiff_are_those_that_are_no_copies_or_masks() -> None:
    assert num_pages(FAX) == 3
    assert [int(np.asarray(read_page(FAX, page))[0, 0]) for page in range(3)] == [50, 90, 130]
    with pytest.raises(BadPage, match="no page 3"):
        read_page(FAX, 3)


def test_chains_that_end_nowhere_or_in_a_circle() -> None:
    whole = tiff({"codes": flat(1), "bits": 8}, {"codes": flat(2), "bits": 8})
    (first,) = struct.unpack("<I", whole[4:8])
    (count,) = struct.unpack("<H", whole[first : first + 2])
    place = first + 2 + 12 * count
    assert num_pages(whole) == 2
    for following, pages in ((first, 1), (2**32 - 1, 1), (len(whole) - 1, 1), (0, 1)):
        assert num_pages(whole[:place] + struct.pack("<I", following) + whole[place + 4 :]) == pages
    assert [num_pages(content) for content in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"\x89PNG")] == [1, 1, 1, 1]


def test_big_tiff_has_pages_too() -> None:
    pages = [Image.fromarray(flat(grey)) for grey in (40, 80)]
    content = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], big_tiff=True)
    assert content[:4] in (b"II+\0", b"MM\0+") and num_pages(content) == 2
    assert int(np.asarray(read_page(content, 1))[0, 0]) == 80
    found = tiff_module.directory(content, 1)
    assert found is not None and found.first(tiff_module.BITS, 0) == 8


def test_predict_has_a_row_for_each_page_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "fax.tif").write_bytes(FAX)
    (tmp_path / "broken.tiff").write_bytes(b"")
    for name in ("a.jfif", "b.jpe", "c.jpg"):
        (tmp_path / name).write_bytes(encoded(draw_page(1), "JPEG"))
    (tmp_path / "d.JP2").write_bytes(encoded(draw_page(1), "JPEG2000"))
    for name in ("x.txt", "y.TXT", "z.docx", "README", "@eaDir/t.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"words")
    told: list[str] = []
    found = find_pages([str(tmp_path)], tell=told.append)
    assert [page.id for page in found] == ["a", "b", "broken", "c", "d", "fax-p1", "fax-p2", "fax-p3"]
    (line,) = told
    assert line.startswith("left out, as neither images nor PDFs: 1 .docx, 2 .txt, 1 computers' own (@eaDir, ")
    assert line.endswith(", 1 without an ending")
    pixels = [page.pixels[0, 0] for f in found[-3:] if isinstance(page := read_for_prediction(f, 16), ReadPage)]
    assert pixels == [50, 90, 130]
    assert np.asarray(open_page(found[-1]))[0, 0] == 130


def test_prepare_has_a_row_for_each_page(prepare: Callable[..., DocumentStore], tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(24):
        save(root / "ab"[i % 2] / f"{i}.png", draw_page(i))
    (root / "a" / "fax.tif").write_bytes(FAX)
    save(root / "a" / "fax-p3.png", draw_page(99))
    (root / "b" / "endless.jpg").write_bytes(encoded(draw_page(50), "JPEG")[:-2])
    store = prepare(root)
    ids = [page for page in store.ids if "fax" in page]
    assert sorted(ids) == ["a/fax-p1", "a/fax-p2", "a/fax-p3@a/fax-p3.png", "a/fax-p3@a/fax.tif#p3"]
    rows = [store.row_of(page) for page in ("a/fax-p1", "a/fax-p2", "a/fax-p3@a/fax.tif#p3")]
    assert store.read_images(np.array(rows))[:, 0, 0].tolist() == [50, 90, 130]
    assert sum(set(rows) <= set(store.rows(split).tolist()) for split in ("train", "validation", "test")) == 1
    assert read_quarantine(store.root) == []
    path, number = page_of("a/fax.tif#p3")
    assert (path, number) == ("a/fax.tif", 2)
    assert read_page(read_encoded(str(root), "a/fax.tif#p3"), number).getpixel((0, 0)) == 130


def test_ocr_reads_the_page_and_not_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "fax.tif").write_bytes(FAX)
    seen: list[int] = []
    monkeypatch.setattr(
        "app.workloads.documents.ocr.recognition.read_opened",
        lambda page, open_, how: seen.append(open_().getpixel((0, 0))),
    )
    read_text(str(tmp_path), "fax-p2", "fax.tif#p2", None)  # type: ignore[arg-type]
    assert seen == [90]


def test_the_limit_that_is_named_is_in_force_and_can_be_raised(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(GREY, 8))  # 24 x 20
    found = read_for_prediction(PageFile("a", str(path), max_pixels=479), 16)
    assert isinstance(found, Quarantined)
    assert found.reason == "its header says 24 x 20 pixels, at most 479 are decoded (--max-pixels raises it)"
    assert isinstance(read_for_prediction(PageFile("a", str(path), max_pixels=480), 16), ReadPage)


def test_a_large_drawing_of_1_bit_is_read_in_reduced_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left half black, in columns of white and black on the right: grey 127 of 2 x 2 pixels each."""
    pixels = np.zeros((60, 100), np.uint8)
    pixels[:, 50::2] = 255
    content = encoded(Image.fromarray(pixels).convert("1"), "TIFF", compression="group4")
    page = read_page(content, max_pixels=2000)
    assert page.size == (50, 30)
    np.testing.assert_array_equal(np.asarray(page), np.tile([0] * 25 + [128] * 25, (30, 1)))
    stored, width, height = stored_page(content, 16, max_pixels=2000)
    assert (width, height) == (100, 60) and stored[8, 3] == 0 and abs(int(stored[8, 12]) - 128) <= 1
    with pytest.raises(BadPage, match="100 x 60 pixels, at most 5997 of 1 bit"):
        read_page(content, max_pixels=1999)
    monkeypatch.setattr(reading, "MAX_PIXELS", 2000)
    assert read_page(content).size == (50, 30)


@pytest.mark.parametrize(
    ("told", "dpi"),
    [
        (b"Page    1 size: 612 x 792 pts (letter)", 150),
        (b"Page    1 size: 2383.94 x 3370.39 pts (A0)", 150),
        (b"Page    1 size: 7017 x 9356 pts", 52.57),  # 72 * sqrt(35e6 / (7017 * 9356)) = 52.57
        (b"Pages: 3", 150),
        (b"Page    1 size: a x b pts", 150),
    ],
)
def test_dots_an_inch_by_the_size_of_a_page(told: bytes, dpi: float) -> None:
    assert pdf._fitting_dpi(told) == pytest.approx(dpi, abs=0.01)


def pdf_of(box: str, operators: bytes, more: str = "") -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] {more} /Contents 4 0 R >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(operators), operators),
    ]
    content, places = b"%PDF-1.4\n", []
    for number, part in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(content)
    return content + b"xref\n0 5\n0000000000 65535 f \n" + table + end


def test_a_pdf_page_is_what_a_viewer_shows(tmp_path: Path) -> None:
    """The crop box alone, turned as the page says: a box at the left of what is shown comes to the top by a quarter."""
    path = tmp_path / "a.pdf"
    operators = b"0 g 0 0 100 200 re f 0.5 g 100 0 50 200 re f"  # black outside of the crop box, a grey half inside it
    for turn, grey in (("", (slice(None), slice(0, 14))), ("/Rotate 90", (slice(0, 14), slice(None)))):
        path.write_bytes(pdf_of("0 0 300 200", operators, f"/CropBox [100 0 200 200] {turn}"))
        page = read_for_prediction(find_pages([str(path)])[0], 32)
        assert isinstance(page, ReadPage)
        assert page.thumbnail_size[1] == pytest.approx(90 if turn else 360, abs=2)
        assert abs(int(page.pixels[grey].mean()) - 128) <= 1
        assert page.pixels.min() > 100 and page.pixels[-1, -1] == 255


def test_a_pdf_page_of_meters_is_drawn_smaller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pdf, "MAX_DRAWN", 250_000)
    (tmp_path / "a.pdf").write_bytes(pdf_of("0 0 3000 4000", b"0 g 0 2000 3000 2000 re f"))
    page = read_page(pdf.draw_pdf_page(str(tmp_path / "a.pdf"), 0))
    assert 0.97 * 250_000 <= page.width * page.height <= 1.01 * 250_000
    assert (page.getpixel((5, 5)), page.getpixel((5, page.height - 5))) == (0, 255)
