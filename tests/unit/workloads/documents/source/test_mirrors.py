import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_sets import draw_page, encoded

from app.errors import DataError
from app.workloads.documents.source import classes
from app.workloads.documents.source.layouts import detect_layout
from app.workloads.documents.source.listing import SourceOptions
from app.workloads.documents.source.parquet_source import list_rows

PAGE = encoded(draw_page(0), "PNG")


def test_words_are_classes_of_a_table_and_known_ones_take_their_order(tmp_path: Path) -> None:
    labels = pa.array(["memo", None, "letter ", "memo"]).dictionary_encode()
    pq.write_table(pa.table({"image": [PAGE] * 4, "label": labels}), tmp_path / "a.parquet")
    found = detect_layout(str(tmp_path))
    assert found.classes == ("letter", "memo")
    assert [page.label for page in found.pages] == [1, -1, 0, 1]
    pq.write_table(pa.table({"image": [PAGE] * 16, "kind": list(classes.RVL_CDIP)[::-1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="--class-column names another"):
        detect_layout(str(tmp_path))
    found = detect_layout(str(tmp_path), SourceOptions(class_column="kind"))
    assert [page.label for page in found.pages] == list(range(15, -1, -1))


def test_tables_may_name_their_images_by_path(tmp_path: Path) -> None:
    """Beside the table, or below the source; in a column of text, or in `path` where all `bytes` are null."""
    (tmp_path / "data" / "pages").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (tmp_path / "data" / "pages" / name).touch()
    paths = ["pages/1.png", "pages/2.png", "../../secret.png", None]
    pq.write_table(pa.table({"file_name": paths, "label": ["a", "b", "a", "b"]}), tmp_path / "data" / "x.parquet")
    found = detect_layout(str(tmp_path))
    assert [(p.id, p.source, p.label) for p in found.pages] == [
        ("pages/1", "data/pages/1.png", 0),
        ("pages/2", "data/pages/2.png", 1),
    ]
    assert [bad.id for bad in found.bad] == ["data/x.parquet#2", "data/x/000003"]
    assert "leads out of" in found.bad[0].reason and found.bad[1].reason == "the row has no image"
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image = pa.array([{"bytes": None, "path": f"data/pages/{n}.png"} for n in (1, 2)], kind)
    pq.write_table(pa.table({"image": image, "label": [0, 1]}), tmp_path / "data" / "x.parquet")
    assert [p.source for p in detect_layout(str(tmp_path)).pages] == ["data/pages/1.png", "data/pages/2.png"]
    pq.write_table(pa.table({"image": ["far/1.png"], "label": [0]}), tmp_path / "data" / "x.parquet")
    with pytest.raises(DataError, match=r"'far/1.png' is neither beside it nor in .*; expected the images there"):
        detect_layout(str(tmp_path))


def test_documents_of_a_mirror_s_rows(tmp_path: Path) -> None:
    """Rows without a name, and files that happen to have one name in two tables, are documents of their own."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for split in ("train", "test"):
        images = [{"bytes": PAGE, "path": path} for path in ("1.png", "x_p1.png", "x_p2.png", None)]
        table = pa.table({"image": pa.array(images, kind), "label": ["a", "b", "b", "a"]})
        pq.write_table(table, tmp_path / f"{split}-0.parquet")
    assert [page.document_id for page in detect_layout(str(tmp_path)).pages] == [
        *("1@test-0.parquet#0", "x", "x", "test-0/000003"),
        *("1@train-0.parquet#0", "x", "x", "train-0/000003"),
    ]


def test_rows_of_numbered_images_in_one_folder_are_a_document(tmp_path: Path) -> None:
    """Unless the folder is a class's."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    paths = ["acme/1.png", "acme/2.png", "letter/1.png", "letter/2.png"]
    images = pa.array([{"bytes": PAGE, "path": path} for path in paths], kind)
    pq.write_table(pa.table({"image": images, "label": ["form", "form", "letter", "letter"]}), tmp_path / "a.parquet")
    documents = [page.document_id for page in detect_layout(str(tmp_path)).pages]
    assert documents == ["acme", "acme", "1", "2"]


def test_rows_may_say_their_split_before_the_name_of_their_table(tmp_path: Path) -> None:
    """As lines of metadata.csv do; a word that is no split's leaves it to the table."""
    splits = ["train", "Validation", "testing", None, "fold 3"]
    pq.write_table(pa.table({"image": [PAGE] * 5, "label": [*"ababa"], "split": splits}), tmp_path / "pages.parquet")
    assert [p.split for p in detect_layout(str(tmp_path)).pages] == ["train", "validation", "test", "", ""]
    (tmp_path / "pages.parquet").rename(tmp_path / "test-0.parquet")
    assert [p.split for p in detect_layout(str(tmp_path)).pages] == ["train", "validation", "test", "test", "test"]


def test_images_beside_tables_that_hold_their_own_are_counted(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [PAGE] * 2, "label": ["a", "b"]}), tmp_path / "a.parquet")
    for name in ("letter/1.png", "letter/2.png", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert "left out: 2 .png, 1 .md" in detect_layout(str(tmp_path)).notes
    paths = pa.table({"image_path": ["letter/1.png"], "label": ["a"]})
    pq.write_table(paths, tmp_path / "a.parquet")
    assert "left out: 1 .md, 1 .png" in detect_layout(str(tmp_path)).notes


def test_a_pipe_is_no_parquet_file_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="it is a named pipe; expected a regular file"):
        list_rows(str(tmp_path), "train.parquet")


@pytest.mark.parametrize("notes", ["[" * 100_000, "{", "[1]", '{"info": {"features": {"label": {"names": 3}}}}'])
def test_notes_on_classes_that_say_none_are_left_alone(tmp_path: Path, notes: str) -> None:
    table = pa.table({"image": pa.array([PAGE, PAGE]), "label": [0, 1]}).replace_schema_metadata({"huggingface": notes})
    pq.write_table(table, tmp_path / "part.parquet")
    assert detect_layout(str(tmp_path)).classes == ("0", "1")
