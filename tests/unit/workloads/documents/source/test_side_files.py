import json
from pathlib import Path

import pytest

from app.errors import DataError
from app.workloads.documents.source.layouts import detect_layout
from app.workloads.documents.source.listing import DataSet, SourceOptions


def write(root: Path, listing: dict[str, str], *pages: str) -> str:
    for page in pages:
        (root / page).parent.mkdir(parents=True, exist_ok=True)
        (root / page).touch()
    for name, text in listing.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return str(root)


def rows(found: DataSet) -> list[tuple[str, str | None, str]]:
    return [(p.source, found.classes[p.label] if p.label >= 0 else None, p.split) for p in found.pages]


def test_donuts_json_within_json_says_classes_and_its_folders_the_splits(tmp_path: Path) -> None:
    def line(name: str, kind: str) -> str:
        return json.dumps({"file_name": name, "ground_truth": json.dumps({"gt_parse": {"class": kind}})}) + "\n"

    listing = {
        "train/metadata.jsonl": line("1.jpg", "letter") + line("2.jpg", "invoice"),
        "test/metadata.jsonl": line("1.jpg", "letter"),
    }
    found = detect_layout(write(tmp_path, listing, "train/1.jpg", "train/2.jpg", "train/3.jpg", "test/1.jpg"))
    assert (found.layout, found.classes) == ("metadata", ("invoice", "letter"))
    assert rows(found) == [
        ("test/1.jpg", "letter", "test"),
        ("train/1.jpg", "letter", "train"),
        ("train/2.jpg", "invoice", "train"),
        ("train/3.jpg", None, "train"),
    ]
    assert found.notes == (
        "classes are those of 'ground_truth.gt_parse.class' in test/metadata.jsonl, train/metadata.jsonl",
        "1 pages have no line there: without a class",
    )


def test_a_table_with_a_mark_and_semicolons_and_numbers_in_order(tmp_path: Path) -> None:
    text = "\ufefffile_name;label;split\na.png;10;train\nsub/b.png;9;test\nc.png;;train\n"
    found = detect_layout(write(tmp_path, {"metadata.csv": text}, "a.png", "sub/b.png", "c.png"))
    assert found.classes == ("9", "10")
    assert rows(found) == [("a.png", "10", "train"), ("sub/b.png", "9", "test"), ("c.png", None, "train")]


def test_a_class_of_more_digits_than_python_reads_is_a_word(tmp_path: Path) -> None:
    text = f"file_name,label\na.png,{'9' * 5000}\nb.png,x\nc.png,10\n"
    found = detect_layout(write(tmp_path, {"metadata.csv": text}, "a.png", "b.png", "c.png"))
    assert found.classes == ("10", "9" * 5000, "x")


@pytest.mark.parametrize("line", ["[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, '{"label":' + "9" * 5000 + "}"])
def test_a_line_that_nobody_can_use_costs_itself(tmp_path: Path, line: str) -> None:
    within = json.dumps({"file_name": "b.png", "label": '{"a":' + "[" * 100_000})
    text = f'{{"file_name": "a.png", "label": "x"}}\n{line}\n{within}\n'
    found = detect_layout(write(tmp_path, {"metadata.jsonl": text}, "a.png", "b.png"))
    assert rows(found) == [("a.png", "x", ""), ("b.png", '{"a":' + "[" * 100_000, "")]
    assert [(bad.id, bad.reason[-22:]) for bad in found.bad] == [("metadata.jsonl:2", "expected a JSON object")]


def test_lines_that_lead_out_or_say_nothing_cost_themselves(tmp_path: Path) -> None:
    (tmp_path / "secret.png").touch()
    lines = [
        {"file_name": "../secret.png", "label": "a"},
        {"file_name": str(tmp_path / "secret.png"), "label": "a"},
        {"label": "a"},
        {"file_name": "1.png", "label": "a"},
        {"file_name": "./1.png", "label": "b"},
    ]
    listing = {"metadata.jsonl": "\n".join([*map(json.dumps, lines), "no json"])}
    source = write(tmp_path / "set", listing, "1.png")
    found = detect_layout(source)
    assert rows(found) == [("1.png", "a", "")]
    assert [bad.id for bad in found.bad] == [f"metadata.jsonl:{n}" for n in (6, 1, 2, 3, 5)]
    reasons = {bad.id[-1]: bad.reason for bad in found.bad}
    assert "leads out of" in reasons["1"] and "--allow-outside" in reasons["1"]
    assert "is an absolute path" in reasons["2"] and "names no file" in reasons["3"]
    allowed = detect_layout(source, SourceOptions(allow_outside=True))
    assert [page.source for page in allowed.pages] == ["../secret.png", str(tmp_path / "secret.png"), "1.png"]


def test_two_columns_or_folders_that_say_otherwise_want_a_choice(tmp_path: Path) -> None:
    pages = ("a/1.png", "a/2.png", "b/3.png")
    text = "file_name,label,category\na/1.png,x,p\na/2.png,y,p\nb/3.png,x,q\n"
    source = write(tmp_path, {"metadata.csv": text}, *pages)
    with pytest.raises(
        DataError, match="label, category of its side files may be the class: --class-column says which"
    ):
        detect_layout(source)
    assert detect_layout(source, SourceOptions(class_column="category")).classes == ("p", "q"), "as the folders"
    with pytest.raises(
        DataError, match=r"the classes x, y, its folders a, b, and they do not agree: --layout metadata"
    ):
        detect_layout(source, SourceOptions(class_column="label"))
    assert detect_layout(source, SourceOptions("metadata", "label")).classes == ("x", "y")
    assert detect_layout(source, SourceOptions("class-folders")).classes == ("a", "b")
    with pytest.raises(DataError, match="--class-column kind, but its side files have file_name, label, category"):
        detect_layout(source, SourceOptions(class_column="kind"))


def test_side_files_without_classes_leave_it_to_the_folders(tmp_path: Path) -> None:
    listing = {"metadata.jsonl": '{"file_name": "a/1.png", "text": "words"}\n'}
    source = write(tmp_path, listing, "a/1.png", "b/2.png")
    assert (detect_layout(source).layout, detect_layout(source).classes) == ("folders", ("a", "b"))
    with pytest.raises(
        DataError, match=r"no column of classes: saw file_name, text; expected label, or --class-column"
    ):
        detect_layout(source, SourceOptions("metadata"))


def test_folders_of_classes_and_splits_are_no_documents(tmp_path: Path) -> None:
    """images/letter/1.png and 2.png are two letters; images/acme/1.png and 2.png are of one document."""
    pages = [f"images/{folder}/{n}.png" for folder in ("Letter", "train", "acme") for n in (1, 2)]
    listing = "file_name,label\n" + "".join(f"{page},{'memo' if 'acme' in page else 'letter'}\n" for page in pages)
    found = detect_layout(write(tmp_path, {"metadata.csv": listing}, *pages))
    assert len({page.document_id for page in found.pages}) == 5
    assert len({page.document_id for page in found.pages if "acme" in page.source}) == 1


def test_pages_in_a_folder_of_their_document_stay_together(tmp_path: Path) -> None:
    """Of numbered files in a folder that is no class, no split and does not hold all: at the top, below another, and
    beside folders of classes, which hold many documents."""
    pages = ["acme/1.png", "acme/2.png", "images/globex/1.png", "images/globex/2.png", "batch/letter/1.png"]
    pages += ["batch/letter/2.png", "train/images/3.png", "train/images/4.png", "initech/images/5.png", "Let_ter/6.png"]
    lines = "".join(json.dumps({"file_name": page, "label": "letter"}) + "\n" for page in pages)
    found = detect_layout(write(tmp_path, {"metadata.jsonl": lines}, *pages))
    documents = {page.source: page.document_id for page in found.pages}
    assert [documents[page] for page in pages] == [
        *("acme", "acme", "images/globex", "images/globex"),
        *("1", "2", "3", "4", "initech/images", "6"),
    ]


def test_a_folder_that_holds_all_pages_is_no_document(tmp_path: Path) -> None:
    pages = [f"scan2019/{i}.png" for i in range(4)]
    lines = "".join(json.dumps({"file_name": page, "label": "ab"[i % 2]}) + "\n" for i, page in enumerate(pages))
    found = detect_layout(write(tmp_path, {"metadata.jsonl": lines}, *pages))
    assert len({page.document_id for page in found.pages}) == 4
