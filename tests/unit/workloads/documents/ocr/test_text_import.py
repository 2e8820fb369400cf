from pathlib import Path

import pytest

from app.errors import DataError
from app.workloads.documents.ocr.text_import import find_texts, import_texts


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_texts_find_their_pages(tmp_path: Path) -> None:
    """As QS-OCR has them for Tobacco3482 (a folder a class) and RVL-CDIP (without `images/`), or all in one folder."""
    write(tmp_path, "Letter/50486482-6483.txt", "a letter")
    write(tmp_path, "imagesa/a/a/x.y/12.txt", "deep\n")
    write(tmp_path, "all/alone.txt", " ")
    write(tmp_path, "all/twice.txt", "which")
    write(tmp_path, "more/twice.txt", "of the two")
    pages = [
        ("Letter/50486482-6483", "Letter/50486482-6483.jpg"),
        ("imagesa/a/a/x.y/12", "images/imagesa/a/a/x.y/12.tif"),
        ("b/alone", "b/alone.png"),
        ("b/twice", "b/twice.png"),
        ("b/none", "b/none.png"),
    ]
    found = find_texts(str(tmp_path), pages)
    (batch,) = import_texts(found)
    assert [(page.id, page.text, page.status) for page in batch] == [
        ("Letter/50486482-6483", "a letter", "ok"),
        ("imagesa/a/a/x.y/12", "deep", "ok"),
        ("b/alone", "", "empty"),
    ]


def test_a_folder_without_texts_of_the_pages(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no \.txt file"):
        find_texts(str(tmp_path), [("a", "a.png")])
    write(tmp_path, "other.txt", "x")
    with pytest.raises(DataError, match=r"none of a page of the store: saw other.txt, expected for example c/a.txt"):
        find_texts(str(tmp_path), [("a", "c/a.png")])


def test_a_text_is_of_one_page_only(tmp_path: Path) -> None:
    """Not every page of its file's name gets it, only one whose place it is at."""
    write(tmp_path, "flat.txt", "whose")
    write(tmp_path, "b/own.txt", "of b")
    pages = [(f"{folder}/{name}", f"{folder}/{name}.png") for folder in "ab" for name in ("flat", "own")]
    assert [page for page, _ in find_texts(str(tmp_path), pages)] == ["b/own"]


def test_a_text_is_decoded_by_what_it_is_or_refused_by_name(tmp_path: Path) -> None:
    contents = {
        "a": b"\xff\xfed\0\xe9\0j\0\xe0\0",
        "b": b"Soci\xe9t\xe9 anonyme des eaux",
        "c": b"one\0two and three",
        "d": "письмо".encode("cp1251"),
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.txt").write_bytes(content)
    found = find_texts(str(tmp_path), [(name, f"{name}.png") for name in contents])
    (batch,) = import_texts(found)
    assert [(page.text, page.status, page.reason) for page in batch[:3]] == [
        ("déjà", "ok", "imported, from utf-16-le"),
        ("Société anonyme des eaux", "ok", "imported, from cp1252"),
        ("onetwo and three", "ok", "imported, 1 NUL characters left out"),
    ]
    assert (batch[3].text, batch[3].status) == ("", "failed") and batch[3].reason.startswith("d.txt: it is not text in")
    (declared,) = import_texts(found[3:], "cp1251")
    assert declared[0].text == "письмо"


def test_a_text_that_is_a_link_out_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.txt").symlink_to("../secret")
    with pytest.raises(DataError, match=r"a.txt is a link to .*/secret, outside .*/set: copy into it"):
        find_texts(str(tmp_path / "set"), [("a", "a.png")])
