"""Pages to predict on: found in files, folders and PDFs; what cannot be read is one page's trouble."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.data.store.quarantine import Quarantined
from app.errors import DataError, ResourceError
from app.workloads.documents.pages import pdf as pdf_pages
from app.workloads.documents.pages.files import PageFile, ReadPage, find_pages, read_for_prediction
from app.workloads.documents.pages.reading import stored_page


def draw(path: Path, grey: int = 255, size: tuple[int, int] = (60, 80)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, grey).save(path)
    return path


def test_pages_of_a_folder_carry_its_paths_and_clashing_names_their_endings(tmp_path: Path) -> None:
    for name in ("a.png", "b/a.tif", "b/a.png", "notes.txt"):
        draw(tmp_path / name) if not name.endswith("txt") else (tmp_path / name).write_text("no page")
    assert [page.id for page in find_pages([str(tmp_path)])] == ["a", "b/a.png", "b/a.tif"]


def test_no_two_pages_have_one_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts and probabilities are kept by it."""
    for name in ("one/x.png", "two/x.png", "y.png"):
        draw(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert [page.id for page in find_pages(["one", "two/", "y.png"])] == ["x.png", "x.png (2)", "y"]


def test_a_new_page_is_shrunk_as_the_pages_of_a_store_are(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (75, 100), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    page = read_for_prediction(PageFile("a", str(tmp_path / "a.png")), 32)
    assert isinstance(page, ReadPage)
    np.testing.assert_array_equal(page.pixels, stored_page((tmp_path / "a.png").read_bytes(), 32)[0])


def test_a_page_is_read_for_network_and_sheet(tmp_path: Path) -> None:
    page = read_for_prediction(PageFile("a", str(draw(tmp_path / "a.png", 100))), 32)
    assert isinstance(page, ReadPage)
    np.testing.assert_array_equal(page.pixels, np.full((32, 32), 100, np.uint8))
    assert page.thumbnail_size == (180, 240) and page.thumbnail.startswith(b"\x89PNG")


def test_a_pdf_is_its_pages(tmp_path: Path) -> None:
    pdf = tmp_path / "letter.pdf"
    first, second = (Image.new("L", (425, 550), grey) for grey in (250, 7))  # Letter at 50 dots an inch
    first.save(pdf, save_all=True, append_images=[second], resolution=50)
    found = find_pages([str(pdf)])
    assert [(page.id, page.page) for page in found] == [("letter-p1", 0), ("letter-p2", 1)]
    grey = [int(np.median(page.pixels)) for p in found if isinstance(page := read_for_prediction(p, 16), ReadPage)]
    assert grey == pytest.approx([250, 7], abs=1)


def test_what_a_pdf_calls_itself_is_no_fact_about_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pdfinfo shows titles with their line ends, before what it finds out itself."""
    pdf = tmp_path / "letter.pdf"
    first, second = (Image.new("L", (425, 550), grey) for grey in (250, 7))  # Letter at 50 dots an inch
    title = "A\nPages: none\nPage    1 size: 1 x 1 pts\n"
    first.save(pdf, save_all=True, append_images=[second], resolution=50, title=title)
    assert len(find_pages([str(pdf)])) == 2
    monkeypatch.setattr(pdf_pages, "MAX_DRAWN", 425 * 550)
    with Image.open(io.BytesIO(pdf_pages.draw_pdf_page(str(pdf), 0))) as drawn:
        assert drawn.width * drawn.height <= 425 * 550


def test_a_pdf_whose_picture_is_damaged_is_no_empty_page(tmp_path: Path) -> None:
    """Poppler leaves it out, says so on stderr, and ends with 0."""
    letter, other = tmp_path / "letter.pdf", tmp_path / "other.pdf"
    Image.new("L", (425, 550), 100).save(letter, resolution=50)
    content = letter.read_bytes()
    jpeg = content.index(b"\xff\xd8")
    letter.write_bytes(content[:jpeg] + bytes(100) + content[jpeg + 100 :])
    found = read_for_prediction(PageFile("letter-p1", str(letter)), 16)
    assert isinstance(found, Quarantined) and "pdftoppm draws nothing of page 1: Syntax Error" in found.reason
    other.write_bytes(content.replace(b"/image Do Q", b"/image Do Z"))  # which is no operator
    page = read_for_prediction(PageFile("other-p1", str(other)), 16)
    assert isinstance(page, ReadPage) and np.median(page.pixels) == pytest.approx(100, abs=1)
    assert len(page.notes) == 1 and page.notes[0].startswith("pdftoppm says of page 1: Syntax Error")
    blank = tmp_path / "blank.pdf"
    Image.new("L", (425, 550), 255).save(blank, resolution=50)
    page = read_for_prediction(PageFile("blank-p1", str(blank)), 16)
    assert isinstance(page, ReadPage) and page.notes == () and page.pixels.min() == 255


def test_a_pdf_that_takes_too_long_fails_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pdfinfo", "pdftoppm"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(pdf_pages, "PDF_LIMIT_S", 0.05)
    pdf = tmp_path / "letter.pdf"
    pdf.write_bytes(b"%PDF-1.4")
    (page,) = find_pages([str(pdf)])
    found = read_for_prediction(page, 16)
    assert isinstance(found, Quarantined) and "took longer" in found.reason


def test_without_poppler_a_pdf_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    pdf = tmp_path / "letter.pdf"
    pdf.write_bytes(b"%PDF-1.4")
    with pytest.raises(ResourceError, match="poppler-utils"):
        find_pages([str(pdf)])


def test_what_is_no_page_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"junk")
    found = read_for_prediction(PageFile("bad", str(bad)), 16)
    assert isinstance(found, Quarantined) and "begins with b'junk'" in found.reason
    (tmp_path / "notes.txt").write_text("no page")
    with pytest.raises(DataError, match="expected an image"):
        find_pages([str(tmp_path / "notes.txt")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no page in"):
        find_pages([str(tmp_path / "empty")])
    with pytest.raises(DataError, match="not found"):
        find_pages([str(tmp_path / "nowhere.png")])


@pytest.mark.parametrize("name", ["page.png", "page.tif", "page.pdf"])
def test_a_pipe_is_no_page_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (file,) = find_pages([str(tmp_path)])
    read = read_for_prediction(file, 64)
    assert isinstance(read, Quarantined) and "it is a named pipe; expected a regular file" in read.reason
