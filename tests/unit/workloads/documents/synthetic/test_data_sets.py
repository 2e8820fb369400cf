"""Synthetic documents: the layouts of the real sets, their known leaks, and pages that are what they say."""

import io
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.errors import UsageError
from app.workloads.documents.source.classes import RVL_CDIP, TOBACCO
from app.workloads.documents.synthetic import words
from app.workloads.documents.synthetic.data_sets import (
    SyntheticDocuments,
    finish_set,
    list_pages,
    make_file,
    open_set,
    write_pages,
)
from app.workloads.documents.synthetic.files import NUM_IDS, list_rvl_cdip, list_tobacco, rvl_page, tobacco_counts
from app.workloads.documents.synthetic.ink import FONT_FILES, font_folders, load_font
from app.workloads.documents.synthetic.page import (
    RELATED,
    PagePlan,
    draw_page,
    encode_page,
    page_text,
    plan_page,
    scan_page,
)
from app.workloads.documents.synthetic.printed import LAYOUTS

HEIGHT = 160


def write(folder: Path, which: SyntheticDocuments, num_processes: int = 1) -> list[str]:
    made = list(write_pages(str(folder), which, open_set(str(folder), which), num_processes))
    finish_set(str(folder), which)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.suffix in (".tif", ".jpg")
    }


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # Pillow, of what was cut
def test_rvl_cdip_as_it_is_distributed(tmp_path: Path) -> None:
    which = SyntheticDocuments("rvl-cdip", 64, height=HEIGHT, num_corrupt=3)
    assert len(write(tmp_path, which)) == 64
    truth = json.loads((tmp_path / "synthetic.json").read_text())
    listed: dict[str, int] = {}
    for split, count in (("train", 32), ("val", 16), ("test", 16)):
        lines = (tmp_path / "labels" / f"{split}.txt").read_text().splitlines()
        assert len(lines) == count
        assert Counter(line.split(" ")[1] for line in lines) == {str(label): count // 16 for label in range(16)}
        listed |= {f"images/{path}": int(label) for path, label in (line.split(" ") for line in lines)}
        assert all(truth["files"][f"images/{line.split(' ')[0]}"]["split"] == split for line in lines)
    assert set(listed) == set(contents(tmp_path)) == set(truth["files"])
    for path, label in listed.items():
        top, volume, a, b, c, box, name = path.split("/")
        assert (top, volume, box[:3]) == ("images", f"images{a}", a + b + c)
        assert re.fullmatch(truth["files"][path]["document_id"] + r"(\+?-\d{4}|_\d{8,9})?", Path(name).stem)
        assert truth["files"][path]["class"] == RVL_CDIP[label]
    assert_corrupt(tmp_path, {path: entry["corrupt"] for path, entry in truth["files"].items()}, 3)


def assert_corrupt(folder: Path, corrupt: dict[str, str], num_corrupt: int) -> None:
    """Files that are said to be corrupt cannot be read; all others have the height that was asked for."""
    assert sum(map(bool, corrupt.values())) == num_corrupt
    compressions = set()
    for path, content in contents(folder).items():
        if corrupt[path]:
            with pytest.raises(OSError):
                opened(content)
        else:
            image = opened(content)
            assert image.height == HEIGHT
            compressions.add((image.mode, image.info.get("compression")))
    assert compressions == {("1", "group4"), ("L", "tiff_lzw")}


def test_tobacco_as_it_is_distributed(tmp_path: Path) -> None:
    which = SyntheticDocuments("tobacco", 50, per_class=2, height=HEIGHT, seed=5)
    write(tmp_path, which)
    assert {p.name for p in tmp_path.iterdir() if p.is_dir()} == set(TOBACCO)
    truth = json.loads((tmp_path / "synthetic.json").read_text())["files"]
    made = contents(tmp_path)
    assert set(made) == set(truth)
    for path, content in made.items():
        folder, name = path.split("/")
        assert (folder, name[:8]) == (truth[path]["class"], truth[path]["document_id"])
        assert opened(content).format == {".jpg": "JPEG", ".tif": "TIFF"}[Path(name).suffix]


def test_tobacco_counts() -> None:
    real = (230, 599, 431, 567, 620, 188, 201, 265, 120, 261)
    assert tuple(tobacco_counts(3482, 1).values()) == real
    counts = tobacco_counts(200, 15)  # 7 resumes would be their share
    assert sum(counts.values()) == 200
    assert min(counts.values()) == counts["Resume"] == 15
    assert counts["Email"] > counts["Form"] > 15


def test_near_duplicates_between_train_and_test_are_known() -> None:
    pages = list_pages(SyntheticDocuments("rvl-cdip", 320))
    groups = Counter(page.page for page in pages)
    twins = {key for key, count in groups.items() if count == 2}
    assert max(groups.values()) == 2
    assert len(twins) == 2 * 4  # two test blocks, four of the sixteen pages of each
    for key in twins:
        first, second = (page for page in pages if page.page == key)
        assert (first.split, second.split) == ("train", "test")
        assert first.kind == second.kind
        assert first.document_id != second.document_id
        a, b = (np.asarray(opened(make_file(0, page, 320)).convert("L"), float) for page in (first, second))
        others = [p for p in pages if p.kind == first.kind and p.page != key][:4]
        far = [np.asarray(opened(make_file(0, p, 320)).convert("L").resize(a.shape[::-1]), float) for p in others]
        assert not np.array_equal(a, b)
        assert abs(a - b).mean() < min(abs(a - other).mean() for other in far)


def test_what_the_sets_share() -> None:
    rvl, tobacco = list_rvl_cdip(0, 960), list_tobacco(0, 400, 15)
    ids, drawn = {page.document_id: page for page in rvl}, {page.page: page for page in rvl}
    shares = Counter((page.document_id in ids, page.page in drawn) for page in tobacco)
    assert sum(shares.values()) == 400
    # of each ten pages of a class one is the same in both, one in its look alone, one in its document id alone
    assert all(30 <= shares[kind] <= 60 for kind in ((True, True), (False, True), (True, False)))
    for page in tobacco:
        for other in (ids.get(page.document_id), drawn.get(page.page)):
            assert other is None or other.kind == page.look
    assert not {p.document_id for p in list_rvl_cdip(1, 960)} & set(ids)


def test_document_ids_are_unique() -> None:
    for pages in (list_rvl_cdip(3, 2000), list_tobacco(3, 2000, 20)):
        assert len({page.document_id for page in pages}) == len({page.path for page in pages}) == 2000
    assert NUM_IDS % 2 == 0  # the step is odd, and no multiple of 3 or 5: a permutation
    assert all(rvl_page(3, 0).document_id != rvl_page(3, i).document_id for i in (1, 2, NUM_IDS // 2))


def test_bytes_do_not_depend_on_processes_or_the_number_of_pages(tmp_path: Path) -> None:
    write(tmp_path / "alone", SyntheticDocuments("tobacco", 10, height=HEIGHT, seed=7))
    write(tmp_path / "more", SyntheticDocuments("tobacco", 14, height=HEIGHT, seed=7), num_processes=2)
    alone, more = contents(tmp_path / "alone"), contents(tmp_path / "more")
    assert alone == {path: more[path] for path in alone}
    assert len(set(more.values())) == len(more) == 14  # no two files are the same


def test_interrupted_set_is_finished(tmp_path: Path) -> None:
    which = SyntheticDocuments("tobacco", 10, height=HEIGHT)
    write(tmp_path, which)
    whole = contents(tmp_path)
    lost = sorted(whole)[3]
    (tmp_path / lost).unlink()
    assert write(tmp_path, which) == [lost]
    assert contents(tmp_path) == whole
    with pytest.raises(UsageError, match=r"holds another synthetic set \(seed 0 there, 1 wanted\)"):
        open_set(str(tmp_path), SyntheticDocuments("tobacco", 10, height=HEIGHT, seed=1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "rvl-cdip", "num_pages": 63}, "got 63 pages, expected at least 64"),
        ({"name": "tobacco", "num_pages": 149, "per_class": 10}, "expected at least 150"),
        ({"name": "tobacco", "num_pages": 20, "height": 50}, "100 to 4000"),
        ({"name": "tobacco", "num_pages": 20, "num_corrupt": 11}, "0 to half of 20"),
        ({"name": "tobacco", "num_pages": 20, "seed": -1}, "seed -1"),
    ],
)
def test_impossible_sets_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SyntheticDocuments(**wrong)  # type: ignore[arg-type]


def test_neither_look_nor_words_tell_all() -> None:
    """12 % of pages have a related class's layout, 15 % words of no class, 10 % cannot be read; never two of these."""
    plans = [(kind, plan_page(0, 100 * number + i, kind)) for number, kind in enumerate(RVL_CDIP) for i in range(100)]
    borrowed = [(kind, plan) for kind, plan in plans if plan.layout != kind]
    generic = [plan for _, plan in plans if plan.text is None]
    illegible = [(kind, plan) for kind, plan in plans if not plan.is_legible]
    assert 0.095 < len(borrowed) / len(plans) < 0.145
    assert 0.12 < len(generic) / len(plans) < 0.18
    assert 0.075 < len(illegible) / len(plans) < 0.125
    assert all(plan.layout == plan.text == kind for kind, plan in illegible)
    assert all(plan.layout in RELATED[kind] and plan.text == kind for kind, plan in borrowed)
    assert not {"handwritten", "file folder"} & {layout for related in RELATED.values() for layout in related}


def test_words_are_shared_between_classes() -> None:
    assert set(LAYOUTS) == set(RELATED) == set(words.CLASSES) == set(RVL_CDIP)
    members = Counter(words.group for words in words.CLASSES.values())
    assert set(members) | {"common"} == set(words.GROUPS)
    assert min(members.values()) >= 2


@given(kind=st.sampled_from(RVL_CDIP), page=st.integers(0, 10_000_000), bilevel=st.booleans())
def test_every_page_has_ink_and_paper(kind: str, page: int, bilevel: bool) -> None:
    clean = draw_page(0, page, kind, HEIGHT)
    assert clean.tobytes() == draw_page(0, page, kind, HEIGHT).tobytes()
    scan = scan_page(clean, 0, page, page, bilevel)
    assert scan.size == clean.size
    assert scan.mode == ("1" if bilevel else "L")
    again = opened(encode_page(scan, "tiff-g4" if bilevel else "tiff-lzw"))
    assert np.array_equal(np.asarray(again), np.asarray(scan))
    grey = np.asarray(scan.convert("L"))
    assert grey.max() > 150
    # Strokes thinner than a pixel of so small a page are grey: of 3,345 pages the palest had its darkest pixel at 132.
    assert grey.max() - grey.min() > 80


def test_fonts_are_those_that_matplotlib_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all((font_folders()[0] / name).is_file() for name in FONT_FILES.values())
    monkeypatch.setattr("app.workloads.documents.synthetic.ink.font_folders", list)
    load_font.cache_clear()
    assert load_font("serif", "regular", 17).getbbox("x")  # Pillow's own
    load_font.cache_clear()


@pytest.mark.parametrize("bilevel", [False, True])
def test_tesseract_reads_a_memo_unless_it_is_illegible(tmp_path: Path, bilevel: bool) -> None:
    assert num_words_read(PagePlan("memo", "memo"), bilevel, tmp_path) > 20
    assert num_words_read(PagePlan("memo", "memo", is_legible=False), bilevel, tmp_path) < 10


def num_words_read(plan: PagePlan, bilevel: bool, folder: Path) -> int:
    """Different words of the vocabulary that Tesseract reads on the first memo of this plan."""
    page = next(i for i in range(200) if plan_page(0, i, "memo") == plan)
    scan_page(draw_page(0, page, "memo", 1000), 0, page, page, bilevel).save(folder / "memo.png")
    command = ["tesseract", str(folder / "memo.png"), "-", "--psm", "3", "-l", "eng"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, env={"OMP_THREAD_LIMIT": "1"}).stdout
    known = {*words.NOUNS, *words.ADJECTIVES, *words.VERBS}
    return len({word.strip(".,:").lower() for word in text.split()} & known)


def test_pages_come_with_their_text_where_asked(tmp_path: Path) -> None:
    which = SyntheticDocuments("tobacco", 20, height=HEIGHT)
    folder, texts = tmp_path / "set", tmp_path / "texts"
    write(folder, which)
    missing = open_set(str(folder), which, str(texts))
    assert len(missing) == 20  # their texts are
    before = contents(folder)
    list(write_pages(str(folder), which, missing, 1, str(texts)))
    assert contents(folder) == before and open_set(str(folder), which, str(texts)) == []
    stems = {str(p.relative_to(folder).with_suffix("")) for p in folder.rglob("*") if p.suffix in (".tif", ".jpg")}
    assert {str(p.relative_to(texts).with_suffix("")) for p in texts.rglob("*.txt")} == stems
    memo = next(page for page in list_pages(which) if page.kind == "Memo")
    written = (texts / memo.path).with_suffix(".txt").read_text()
    assert written == page_text(which.seed, memo.page, memo.look, HEIGHT)


def test_a_pages_text_is_what_its_writer_wrote() -> None:
    legible = next(n for n in range(100) if plan_page(0, n, "memo") == PagePlan("memo", "memo"))
    text = page_text(0, legible, "memo", 400)
    memo = words.CLASSES["memo"]
    assert len(text.split()) > 30 and any(word in text for word in (*memo.titles, *memo.labels, *memo.nouns))
    blurred = next(n for n in range(100) if not plan_page(0, n, "memo").is_legible)
    assert page_text(0, blurred, "memo", 400) == ""
