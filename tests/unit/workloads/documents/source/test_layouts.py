import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_sets import draw_page, encoded, save_rvl, save_tobacco

from app.errors import DataError
from app.workloads.documents.source import classes
from app.workloads.documents.source.layouts import detect_layout
from app.workloads.documents.source.listing import SourceOptions, document_id
from app.workloads.documents.store.prepare import read_encoded

PAGE = encoded(draw_page(0), "PNG")


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("imagese/e/j/e/eje42e00/2500126531_2500126536.tif", "2500126531"),
        ("Email/50486482-6483.jpg", "50486482"),
        ("509132587+-2587.tif", "509132587"),
        ("ADVE/0000136188.jpg", "0000136188"),
        ("Note/2065381675A.tif", "2065381675a"),
        ("CTRCONTRACTS016981-X.jpg", "ctrcontracts016981"),
        ("scan_0001.png", "scan_0001"),
        ("2024-report.png", "2024-report"),
    ],
)
def test_documents_are_known_by_their_first_stamped_number(name: str, expected: str) -> None:
    assert document_id(name) == expected


RVL_CDIP = (
    "letter, form, email, handwritten, advertisement, scientific report, scientific publication, specification, "
    "file folder, news article, budget, invoice, presentation, questionnaire, resume, memo"
)
"""Numbers 0 to 15, as the data set's page has them: its files say the numbers alone."""


def test_rvl_cdip_is_listed_by_its_labels(tmp_path: Path) -> None:
    root = save_rvl(
        tmp_path, {"train": [("50123456_50123460", 6, 1)], "val": [("50200000", 0, 2)], "test": [("50300000", 15, 3)]}
    )
    found = detect_layout(str(root))
    assert found.layout == "rvl-cdip"
    assert ", ".join(found.classes) == RVL_CDIP
    assert [(p.id, p.source, p.label, p.split, p.document_id) for p in found.pages][:2] == [
        (
            "imagesa/a/b/c/abc01d00/50123456_50123460",
            "images/imagesa/a/b/c/abc01d00/50123456_50123460.tif",
            6,
            "train",
            "50123456",
        ),
        ("imagesa/a/b/c/abc02d00/50200000", "images/imagesa/a/b/c/abc02d00/50200000.tif", 0, "validation", "50200000"),
    ]
    assert found.pages[2].split == "test"
    assert not found.bad


def test_bad_lines_cost_only_themselves(tmp_path: Path) -> None:
    root = save_rvl(
        tmp_path, {"train": [("50000001", 0, 1)], "val": [("50000001", 0, 1)], "test": [("50000003", 2, 3)]}
    )
    with (root / "labels" / "train.txt").open("a") as file:
        file.write(f"a/b.tif 16\n\nno-class.tif\n../../etc/x.tif 3\na b/c d.tif 4\na.tif {'9' * 5000}\n")
    found = detect_layout(str(root))
    assert [p.source for p in found.pages if p.split == "train"] == [
        "images/imagesa/a/b/c/abc01d00/50000001.tif",
        "images/a b/c d.tif",
    ]
    assert [b.id for b in found.bad[:4]] == [f"labels/train.txt:{number}" for number in (2, 4, 5, 7)]
    assert "'a/b.tif 16'; expected `path class` with a class from 0 to 15" in found.bad[0].reason
    assert found.bad[4].reason == "listed more than once, again in labels/val.txt"


def test_tobacco_is_known_by_its_folders(tmp_path: Path) -> None:
    root = str(save_tobacco(tmp_path, {"Note": [3], "ADVE": [1, 2], "Email": [4]}))
    assert detect_layout(root).layout == "folders", "three of its names are anybody's"
    found = detect_layout(root, SourceOptions(layout="tobacco"))
    assert found.layout == "tobacco"
    assert " ".join(found.classes) == "ADVE Email Form Letter Memo News Note Report Resume Scientific"
    assert [(p.id, p.label, p.document_id) for p in found.pages] == [
        ("ADVE/50000001_0001", 0, "50000001"),
        ("ADVE/50000002_0002", 0, "50000002"),
        ("Email/50000004_0004", 1, "50000004"),
        ("Note/50000003_0003", 6, "50000003"),
    ]
    assert not found.has_split


def test_any_folders_are_classes(tmp_path: Path) -> None:
    root = touch(tmp_path, "b/x.PNG", "a/y.jpg", "a/deep/z.tif", "a/notes.txt", "read me.png")
    found = detect_layout(str(root))
    assert (found.layout, found.classes) == ("folders", ("a", "b"))
    assert [(p.id, p.label, p.split) for p in found.pages] == [("a/deep/z", 0, ""), ("a/y", 0, ""), ("b/x", 1, "")]


def test_folders_of_splits_are_the_split(tmp_path: Path) -> None:
    found = detect_layout(str(touch(tmp_path, "set/train/a/1.png", "set/val/b/2.png", "set/test/a/3.png")))
    assert found.classes == ("a", "b")
    assert [(p.source, p.split) for p in found.pages] == [
        ("set/test/a/3.png", "test"),
        ("set/train/a/1.png", "train"),
        ("set/val/b/2.png", "validation"),
    ]


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    found = detect_layout(str(touch(tmp_path, "a/1.png", "a/1.jpg", "b/1.png")))
    assert [p.id for p in found.pages] == ["a/1@1.jpg", "a/1@1.png", "b/1"]


def write_mirror(path: Path, names: list[str] | None, labels: list[int | None], **images: object) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image = pa.array([{"bytes": PAGE + bytes([i]), "path": f"5000000{i}.tif"} for i in range(len(labels))], kind)
    table = pa.table({"image": images.get("image", image), "label": pa.array(labels, pa.int64())})
    if names:
        notes = {"info": {"features": {"label": {"names": names}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(notes)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)


def test_a_parquet_mirror_names_split_classes_and_documents(tmp_path: Path) -> None:
    names = [name.replace(" ", "_") for name in reversed(classes.RVL_CDIP)]
    write_mirror(tmp_path / "data/train-00000-of-00001.parquet", names, [15, 0, 3])
    write_mirror(tmp_path / "data/test-00000-of-00001.parquet", names, [1, None])
    found = detect_layout(str(tmp_path))
    assert (found.layout, found.classes) == ("parquet", classes.RVL_CDIP)
    assert [(p.split, p.label, p.document_id) for p in found.pages] == [
        ("test", 14, "50000000"),
        ("test", -1, "50000001"),
        ("train", 0, "50000000"),
        ("train", 15, "50000001"),
        ("train", 12, "50000002"),
    ]
    assert found.pages[0].id == "50000000@test-00000-of-00001.parquet#0"
    assert found.pages[4].id == "50000002"
    assert read_encoded(str(tmp_path), found.pages[4].source) == PAGE + b"\2"


def test_plain_bytes_and_numbers_will_do(tmp_path: Path) -> None:
    write_mirror(tmp_path / "part.parquet", None, [0, 2], image=pa.array([PAGE, PAGE], pa.large_binary()))
    found = detect_layout(str(tmp_path))
    assert found.classes == ("0", "1", "2")
    assert [(p.id, p.source) for p in found.pages] == [
        ("part/000000", "part.parquet#0"),
        ("part/000001", "part.parquet#1"),
    ]


def test_parquet_without_images_or_labels_says_what_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"columns text \(string\), label \(int64\); expected one column of images"):
        detect_layout(str(tmp_path))
    pq.write_table(pa.table({"image": [b"a"], "label": [0.5]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="expected an integer column `label`, or one of words; --class-column"):
        detect_layout(str(tmp_path))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("readme.md", "a.png"), r"has an unrecognized layout: saw a\.png, readme\.md; expected one of"),
        ((), "saw no file at all"),
        (("labels/train.txt",), r"has labels/ but no labels/val\.txt"),
    ],
)
def test_what_is_not_understood_says_what_was_seen(tmp_path: Path, paths: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        detect_layout(str(touch(tmp_path, *paths)))


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        detect_layout(str(tmp_path / "nowhere"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="is a file; expected the data set's folder"):
        detect_layout(str(tmp_path / "file"))


def test_rows_of_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """As the hub's own conversion lays them out."""
    for split in ("train", "test"):
        write_mirror(tmp_path / "default" / split / "0000.parquet", None, [0, 1])
    ids = [page.id for page in detect_layout(str(tmp_path)).pages]
    assert len(set(ids)) == 4 and ids[0] == "50000000@default/test/0000.parquet#0"


def test_labels_may_be_unsigned_and_missing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [PAGE, PAGE], "label": pa.array([1, None], pa.uint8())}), tmp_path / "a.parquet")
    assert [page.label for page in detect_layout(str(tmp_path)).pages] == [1, -1]


def test_a_mirror_with_one_split_has_none(tmp_path: Path) -> None:
    write_mirror(tmp_path / "data/train-00000-of-00001.parquet", list(classes.TOBACCO), [0, 9])
    assert not detect_layout(str(tmp_path)).has_split


def test_label_lists_may_have_a_mark_tabs_and_line_ends_of_windows(tmp_path: Path) -> None:
    root = save_rvl(tmp_path, {"train": [], "val": [], "test": []})
    (root / "labels/train.txt").write_bytes("\ufeffa/b.tif\t3\r\nc d.tif  15\r\n".encode())
    (root / "labels/test.txt").write_bytes(b"\xff\xfe" + "e.tif 0\n".encode("utf-16-le"))
    found = detect_layout(str(root))
    assert [(p.source, p.label) for p in found.pages] == [
        ("images/a/b.tif", 3),
        ("images/c d.tif", 15),
        ("images/e.tif", 0),
    ]
    assert not found.bad


def test_a_known_set_is_found_one_folder_below_and_told_one_above(tmp_path: Path) -> None:
    save_rvl(tmp_path / "rvl", {"train": [("50000001", 3, 1)], "val": [], "test": []})
    (page,) = detect_layout(str(tmp_path)).pages
    assert (page.source, page.id) == (
        "rvl/images/imagesa/a/b/c/abc01d00/50000001.tif",
        "imagesa/a/b/c/abc01d00/50000001",
    )
    assert read_encoded(str(tmp_path), page.source)[:2] in (b"II", b"MM")
    with pytest.raises(DataError, match=r"a part of RVL-CDIP, which is .*/rvl\)"):
        detect_layout(str(tmp_path / "rvl" / "labels"))
    tobacco = touch(tmp_path / "t", *(f"{name}/1.jpg" for name in classes.TOBACCO))
    assert (detect_layout(str(tobacco)).layout, detect_layout(str(tobacco)).notes) == (
        "tobacco",
        ("all ten folders of Tobacco3482",),
    )
    with pytest.raises(DataError, match=r"one class of Tobacco3482, which is .*/t\)"):
        detect_layout(str(tobacco / "Memo"))


def test_lists_and_links_lead_nowhere_else_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    root = touch(tmp_path / "set", "a/1.png", "b/2.png")
    (root / "a" / "link.png").symlink_to("../../secret.png")
    (root / "b" / "own.png").symlink_to("2.png")
    found = detect_layout(str(root))
    assert [p.source for p in found.pages] == ["a/1.png", "b/2.png"]
    assert [(bad.id, "is a link to" in bad.reason) for bad in found.bad] == [("a/link.png", True)]
    allowed = detect_layout(str(root), SourceOptions(allow_outside=True))
    assert len(allowed.pages) == 3 and not allowed.bad


def test_a_link_to_another_page_is_no_page_of_its_own(tmp_path: Path) -> None:
    """A folder `note` that is `letter` would be a class of its own, with letter's pages."""
    for name in ("letter/a.png", "letter/b.png", "memo/c.png", "blobs/1f"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for link, target in {"note": "letter", "memo/d.png": "../letter/a.png", "memo/e.png": "../blobs/1f"}.items():
        (tmp_path / link).symlink_to(target)
    found = detect_layout(str(tmp_path))
    assert [page.source for page in found.pages] == ["letter/a.png", "letter/b.png", "memo/c.png", "memo/e.png"]
    assert "left out: 3 links to other files of the source" in found.notes


def test_a_folder_of_links_to_a_pool_can_be_read_in_two_ways(tmp_path: Path) -> None:
    (tmp_path / "letter").mkdir()
    for number in range(3):
        touch(tmp_path, f"all/{number}.png")
        (tmp_path / "letter" / f"{number}.png").symlink_to(f"../all/{number}.png")
    with pytest.raises(
        DataError, match=r"letter/ holds nothing but links to other pages, such as letter/0\.png to all/0"
    ):
        detect_layout(str(tmp_path))


def test_a_name_that_is_no_utf8_costs_itself_and_clutter_is_counted(tmp_path: Path) -> None:
    root = touch(
        tmp_path, "a/1.png", "b/2.png", "a/@eaDir/1.png/THUMB.jpg", "@eaDir/x.jpg", "a/notes.txt", "b/Thumbs.db"
    )
    (root / "a" / "r\udce9.png").touch()
    found = detect_layout(str(root))
    assert (found.classes, [p.id for p in found.pages]) == (("a", "b"), ["a/1", "b/2"])
    assert [(bad.id, bad.reason) for bad in found.bad] == [(r"a/r\xe9.png", "its name is no UTF-8; rename it")]
    assert found.notes == (
        "left out: 3 files of computers' own (@eaDir, __MACOSX and the like)",
        "left out: 1 .txt",
    )


def test_one_class_in_two_spellings_is_not_two(tmp_path: Path) -> None:
    root = str(touch(tmp_path, "train/Tax Form/1.png", "train/letter/2.png", "test/tax_form/3.png"))
    with pytest.raises(DataError, match="classes 'Tax Form' and 'tax_form' are spelled nearly alike: name them alike"):
        detect_layout(root)
    assert detect_layout(root, SourceOptions("split-folders")).classes == ("Tax Form", "letter", "tax_form")
