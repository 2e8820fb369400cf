"""Splits and groups from people's files: read as they are written, or refused with the line at fault."""

import json
from pathlib import Path

import pytest

from app.data.samples.split_files import check_groups, check_splits, read_groups, read_splits
from app.errors import DataError


def written(folder: Path, text: str | bytes, name: str = "table.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "case,split\na,train\nb,validation\nc,test\n",
        "Case;age;Split\na.nii.gz;70;Training\nb;61;val\n\nc;55;TEST\n",
        "split\tid\ntr\ta\ndev\tb\nts\tc",
        "\ufeffid,split\r\na,train\r\nb,valid\r\nc,testing\r\n",
    ],
)
def test_a_table_of_splits_as_spreadsheets_write_it(text: str, tmp_path: Path) -> None:
    assert read_splits(written(tmp_path, text)) == ({"a": "train", "b": "validation", "c": "test"}, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,train\nb,test\n", r"first line says 'a, train', expected the columns case and split"),
        ("", r"first line says 'nothing'"),
        ("case,split\na,train\nb,holdout\n", r"line 3: got the split 'holdout', expected train, validation or test"),
        ("case,split\na,train\nb,\n", r"line 3: got 'b,', expected a case and a split"),
        ("case,split\na,train\nb,test\na,train\n", r"names a twice: line 2 and line 4"),
        (b"case,split\n\x81\x8d,train\n", r"is not text in UTF-8"),
    ],
)
def test_a_table_that_is_not_understood_names_the_line(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_splits(written(tmp_path, text))


FOLDS = [{"train": ["b", "c"], "val": ["a"]}, {"train": ["a", "c"], "val": ["b"], "test": ["d"]}]


def test_nnunets_file_of_folds(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(FOLDS), "splits_final.json")
    assert read_splits(path) == ({"a": "validation", "b": "train", "c": "train"}, 2)
    assert read_splits(path, 1) == ({"a": "train", "b": "validation", "c": "train", "d": "test"}, 2)
    with pytest.raises(DataError, match=r"has 2 folds, got fold 2; expected one of 0 to 1"):
        read_splits(path, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": ["a"], "val": ["b"]}, "expected a list of folds"),
        ([{"train": ["a"]}], "expected lists of ids named `train` and `val`"),
        ([{"train": ["a"], "val": "b"}], "expected lists of ids named `train` and `val`"),
        ([{"train": ["a", "b"], "val": ["b"]}], "names b twice: `train` and `val`"),
    ],
)
def test_folds_that_are_not_understood(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_splits(written(tmp_path, json.dumps(content), "splits_final.json"))


def test_groups_by_any_of_their_names(tmp_path: Path) -> None:
    for name in ("patient", "Group", "document", "subject_id"):
        path = written(tmp_path, f"case,{name}\na,P1\nb,P1\nc,P2\n")
        assert read_groups(path) == {"a": "P1", "b": "P1", "c": "P2"}
    with pytest.raises(DataError, match="names a twice"):
        read_groups(written(tmp_path, "case,patient\na,P1\na,P2\n"))


def test_splits_that_fit_are_those_of_the_labelled_cases() -> None:
    splits = {"a": "train", "b": "test", "c": "test"}
    assert check_splits(splits, ["a", "b"], ["a", "b", "c"], {}, "F") == {"a": "train", "b": "test"}


@pytest.mark.parametrize(
    ("splits", "groups", "message"),
    [
        ({"a": "train"}, {}, r"F has no split for 1 of 2 labelled cases: b"),
        ({"a": "train", "b": "test", "x": "test"}, {}, r"F names 1 cases that the source does not have: x;.* as a"),
        ({"a": "train", "b": "test"}, {"a": "P", "b": "P"}, r"1 times: P into test and train"),
    ],
)
def test_splits_that_do_not_fit_are_refused(splits: dict[str, str], groups: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_splits(splits, ["a", "b"], ["a", "b", "c"], groups, "F")


def test_groups_have_to_name_every_case() -> None:
    check_groups({"a": "P", "b": "P"}, ["a", "b"], "F")
    with pytest.raises(DataError, match=r"F does not name 1 of 2 cases: b"):
        check_groups({"a": "P"}, ["a", "b"], "F")
    with pytest.raises(DataError, match=r"F names 1 cases that the source does not have: x"):
        check_groups({"a": "P", "b": "P", "x": "P"}, ["a", "b"], "F")
