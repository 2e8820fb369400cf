"""OCR of drawn pages by the real Tesseract; what needs none is tested without."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image, ImageDraw, ImageFont

from app.data.store.manifest import write_manifest, write_table
from app.errors import DataError, ResourceError
from app.workloads.documents.ocr import engines, recognition
from app.workloads.documents.ocr.engines import OcrFailure, OcrOptions, OcrTimeout, check_engine
from app.workloads.documents.ocr.recognition import Missing, keep, missing_pages, plan_tasks, read_batch, read_text
from app.workloads.documents.ocr.texts import IMPORTED, Note, PageText, read_notes, read_texts

LINES = ("Dear Sir", "the total amount of the invoice", "is due within thirty days")
WORDS = [word for line in LINES for word in line.split()]


def draw(lines: tuple[str, ...] = LINES) -> Image.Image:
    page = Image.new("L", (600, 300), 255)
    font = ImageFont.load_default(28)
    for i, line in enumerate(lines):
        ImageDraw.Draw(page).text((40, 30 + 60 * i), line, 0, font)
    return page


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A fax in two pages, a blank page, a damaged one and one upside down."""
    folder = tmp_path / "source"
    folder.mkdir()
    draw().convert("1").save(
        folder / "fax.tif", compression="group4", save_all=True, append_images=[draw(("second",)).convert("1")]
    )
    draw(()).save(folder / "blank.png")
    (folder / "bad.tif").write_bytes(b"II*\0nothing")
    draw((*LINES, *LINES[1:])).resize((900, 450)).rotate(180).save(folder / "turned.png")
    return folder


def test_pages_of_all_kinds(source: Path) -> None:
    pages = [(name, name) for name in ("fax.tif", "blank.png", "bad.tif", "none.png")]
    (task,) = plan_tasks(str(source), pages, OcrOptions(num_retries=0))
    fax, blank, bad, none = read_batch(task)
    assert fax.text.split() == WORDS
    assert fax.text.splitlines()[0] == LINES[0]
    assert fax.status == "ok" and fax.confidence is not None and 80 < fax.confidence <= 100
    assert (blank.status, blank.text, blank.confidence) == ("empty", "", None)
    assert bad.status == "failed" and bad.reason.startswith("cannot be decoded: no image of TIFF")
    assert none.status == "failed" and "not found" in none.reason


def test_a_page_upside_down_is_turned_when_asked(source: Path) -> None:
    plain = read_text(str(source), "t", "turned.png", OcrOptions(num_retries=0))
    turned = read_text(str(source), "t", "turned.png", OcrOptions(num_retries=0, orientation=True))
    assert set(plain.text.split()).isdisjoint({"invoice", "amount"})
    assert {"invoice", "amount"} <= set(turned.text.split())
    assert turned.reason == "turned by 180 degrees"


def test_a_page_that_takes_too_long(source: Path) -> None:
    page = read_text(str(source), "f", "fax.tif", OcrOptions(time_limit_s=0.01, num_retries=0))
    assert (page.status, page.text, page.reason) == ("timeout", "", "not done after 0.01 s")


def test_failures_are_tried_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [OcrTimeout(), OcrFailure("signal 9"), ("text", 88.0)]

    def recognise(image: Image.Image, options: OcrOptions) -> tuple[str, float]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: tuple[str, float] = answer
        return found

    monkeypatch.setattr(recognition, "recognise", recognise)
    assert read_text(str(source), "b", "blank.png", OcrOptions(num_retries=2)) == PageText("b", "text", 88.0, "ok")
    answers[:] = [OcrTimeout(), OcrFailure("signal 9"), ("text", 88.0)]
    assert read_text(str(source), "b", "blank.png", OcrOptions(num_retries=1)) == PageText(
        "b", "", None, "failed", "signal 9"
    )


def test_one_thread_a_page(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Tesseract inherits: a stand-in of the same name writes it down."""
    stand_in = source / "tesseract"
    stand_in.write_text(f'#!/bin/sh\necho "$OMP_THREAD_LIMIT $*" > {source}/told\nexit 3\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr("pytesseract.pytesseract.tesseract_cmd", str(stand_in))
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    page = read_text(str(source), "b", "blank.png", OcrOptions(language="deu", num_retries=0))
    told = (source / "told").read_text()
    assert told.startswith("1 ") and "-l deu" in told and "--psm 3 --oem 1" in told
    assert page.status == "failed" and "tesseract ended with 3" in page.reason


def test_words_become_lines_and_blocks() -> None:
    table = {
        "block_num": [1, 1, 1, 1, 2, 2],
        "par_num": [1, 1, 1, 2, 1, 1],
        "line_num": [0, 1, 1, 1, 1, 1],
        "conf": [-1, 90, 80.5, 70, "60", 50],
        "text": ["", "Dear", "Sir", "total", "due", " "],
    }
    assert engines._join(table) == ("Dear Sir\ntotal\n\ndue", pytest.approx((90 + 80.5 + 70 + 60) / 4))
    assert engines._join({name: [] for name in table}) == ("", None)


def test_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytesseract.get_languages", lambda: ["eng", "osd"])
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    check_engine(OcrOptions(orientation=True))
    with pytest.raises(ResourceError, match=r"no language pack chi_sim .*: sudo apt-get .*tesseract-ocr-chi-sim$"):
        check_engine(OcrOptions(language="eng+chi_sim"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ResourceError, match=r"has no tesseract; to install it: sudo apt-get .* tesseract-ocr$"):
        check_engine(OcrOptions())


@pytest.mark.parametrize(
    "wrong", [{"psm": 14}, {"oem": -1}, {"time_limit_s": 0}, {"num_retries": -1}, {"language": ""}]
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: got"):
        OcrOptions(**wrong)


def test_what_is_done_is_kept_when_the_job_stops(tmp_path: Path) -> None:
    store = str(tmp_path)
    write_manifest(store, [{"id": f"p{i}", "source": f"{i}.tif", "crc32": i} for i in range(4)])
    done = [
        [PageText("p0", "zero", 90.0, "ok"), PageText("p1", "", None, "empty")],
        [PageText("p2", "", None, "failed", "x")],
    ]

    def batches() -> Iterator[list[PageText]]:
        yield from done
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(keep(store, batches()))
    assert missing_pages(store) == [Missing("p3", "3.tif", 3, "new")]
    assert [page.id for page in missing_pages(store, again=("failed",))] == ["p2", "p3"]
    assert list(keep(store, [[PageText("p2", "two", 80.0, "ok"), PageText("p3", "three", 80.0, "ok")]]))
    assert missing_pages(store, again=("failed",)) == []
    assert read_texts(store, ["p3", "p2", "p1", "p0"]) == ["three", "two", "", "zero"]


def reasons(store: str, asked: str, *again: Any) -> dict[str, str]:
    return {page.id: page.why for page in missing_pages(store, asked, again)}


def test_a_text_is_of_what_was_asked_and_of_one_picture(tmp_path: Path) -> None:
    """The same options find nothing to do; other ones do, and so does a page whose picture is another now."""
    store, english = str(tmp_path), OcrOptions().asked
    write_manifest(store, [{"id": f"p{i}", "source": f"{i}.tif", "crc32": i} for i in range(2)])
    texts = [PageText("p0", "zero", 90.0, "ok"), PageText("p1", "", None, "failed", "x")]
    list(keep(store, [texts], english, missing_pages(store, english)))
    assert reasons(store, english) == {}
    assert reasons(store, OcrOptions(time_limit_s=1, num_retries=9).asked) == {}, "they do not change a text"
    for other in ({"language": "deu"}, {"psm": 6}, {"oem": 0}, {"engine": "tesserocr"}, {"orientation": True}):
        assert reasons(store, OcrOptions(**other).asked) == dict.fromkeys(["p0", "p1"], "read otherwise")  # type: ignore[arg-type]
    assert reasons(store, english, "failed") == {"p1": "to be read again"}
    write_manifest(store, [{"id": f"p{i}", "source": f"{i}.tif", "crc32": 7 * i} for i in range(2)])
    assert reasons(store, english) == {"p1": "of another picture"}


def test_imported_text_stays_and_is_taken_in_place_of_what_was_read(tmp_path: Path) -> None:
    store, english = str(tmp_path), OcrOptions().asked
    write_manifest(store, [{"id": name, "source": name, "crc32": 1} for name in ("own", "read")])
    pages = missing_pages(store, english)
    list(keep(store, [[PageText("own", "given", None, "ok")]], IMPORTED, pages))
    list(keep(store, [[PageText("read", "seen", 90.0, "ok")]], english, pages))
    assert reasons(store, english) == {} and reasons(store, IMPORTED) == {"read": "read otherwise"}
    assert reasons(store, english, "imported") == {"own": "to be read again"}


def test_texts_of_before_are_kept_until_asked_for(tmp_path: Path) -> None:
    """A part as it was written when rows did not say how which picture was read."""
    store, names = str(tmp_path), ("id", "text", "status", "reason")
    write_manifest(store, [{"id": "p", "source": "p.tif", "crc32": 1}])
    columns = {**dict(zip(names, (["p"], ["old text"], ["ok"], [""]), strict=True)), "confidence": [90.0]}
    write_table(f"{store}/ocr/part-00000.parquet", pa.table(columns))
    assert read_texts(store, ["p"]) == ["old text"] and read_notes(store) == {"p": Note("ok", "", None)}
    assert reasons(store, OcrOptions(language="deu").asked) == {} == reasons(store, IMPORTED)
    assert reasons(store, OcrOptions().asked, "unknown") == {"p": "to be read again"}


def test_how_new_pages_are_read_as_a_stores_were() -> None:
    asked = OcrOptions(language="deu", psm=6, orientation=True, engine="tesserocr").asked
    assert OcrOptions.of(asked) == OcrOptions(language="deu", psm=6, orientation=True)
    assert OcrOptions.of(asked, language="fra", psm=None).language == "fra"
    assert OcrOptions.of("") == OcrOptions() == OcrOptions.of(IMPORTED)


def test_parts_are_of_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "NUM_PAGES_PER_PART", 10)
    pages = [PageText(f"p{i}", "x", 90.0, "ok") for i in range(24)]
    assert sum(map(len, keep(str(tmp_path), (pages[i : i + 2] for i in range(0, 24, 2))))) == 24
    names = sorted(path.name for path in (tmp_path / "ocr").iterdir())
    assert names == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


def test_pages_without_text_are_named(tmp_path: Path) -> None:
    store = str(tmp_path)
    with pytest.raises(DataError, match=r"no OCR text for 2 of 2 pages \(the first: p1\); run jobs/ocr.py"):
        read_texts(store, ["p1", "p2"])
    list(keep(store, [[PageText("p1", "x", 90.0, "ok")]]))
    with pytest.raises(DataError, match=r"no OCR text for 1 of 2 pages \(the first: p2\)"):
        read_texts(store, ["p1", "p2"])
    (tmp_path / "ocr" / "part-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"part-00001.parquet is damaged"):
        read_texts(store, ["p1"])
