"""Each case is a list of paths whose classes and splits a person would say so."""

import pytest

from app.errors import DataError
from app.workloads.documents.source import classes
from app.workloads.documents.source.folders import read_folders
from app.workloads.documents.source.listing import Choice, split_of


def placed(*paths: str, choice: Choice | None = None) -> list[tuple[str | None, str]]:
    return [(page.name, page.split) for page in read_folders("/set", paths, choice).pages]


def tobacco(folder: str = "", name: str = "1.jpg") -> list[str]:
    return [f"{folder}{kind}/{name}" for kind in classes.TOBACCO]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[("train", "train"), ("TRAINING", "train"), ("train_images", "train"), ("Test Set", "test")],
        *[("testing", "test"), ("val", "validation"), ("dev", "validation"), ("valid-data", "validation")],
        *[("train_test", None), ("trains", None), ("test results", None), ("testament", None), ("images", None)],
    ],
)
def test_names_of_splits(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_splits_above_classes_and_below_them() -> None:
    assert placed("train/a/1.png", "Testing/b/2.png", "dev/a/x/3.png") == [
        ("a", "train"),
        ("b", "test"),
        ("a", "validation"),
    ]
    assert placed("a/train/1.png", "a/test/2.png", "b/train/3.png") == [("a", "train"), ("a", "test"), ("b", "train")]
    assert placed("a/train/1.png", "b/other/2.png") == [("a", ""), ("b", "")], "not all folders there are splits"


def test_pages_of_a_split_in_no_class_have_none() -> None:
    assert placed("train/a/1.png", "train/b/2.png", "test/3.png") == [("a", "train"), ("b", "train"), (None, "test")]


def test_splits_that_hold_pages_are_no_classes_unless_it_is_said() -> None:
    paths = ["train/1.png", "validation/2.png", "test/3.png"]
    with pytest.raises(
        DataError, match=r"test, train, validation are named as splits and hold the pages .*class-folders"
    ):
        placed(*paths)
    assert placed(*paths, choice="class-folders") == [("train", ""), ("validation", ""), ("test", "")]


def test_splits_beside_other_folders_want_a_choice() -> None:
    paths = ["train/a/1.png", "test/b/2.png", "extra/a/3.png"]
    with pytest.raises(
        DataError, match=r"test, train are named as splits, extra are not: .*class-folders.*split-folders"
    ):
        placed(*paths)
    assert placed(*paths, choice="class-folders") == [("train", ""), ("test", ""), ("extra", "")]
    found = read_folders("/set", paths, "split-folders")
    assert [(page.name, page.split) for page in found.pages] == [("a", "train"), ("b", "test")]
    assert found.notes == ("1 pages outside of splits: left out",)


def test_folders_that_say_nothing_are_no_classes() -> None:
    with pytest.raises(DataError, match="all its pages lie in folders named 'images', which is not a class"):
        placed("train/images/1.png", "test/images/2.png")
    with pytest.raises(DataError, match="2 pages in no folder"):
        placed("1.png", "2.png")
    assert read_folders("/set", ["a/1.png", "2.png"], None).notes == ("1 pages in no folder: left out",)


def test_a_copy_within_the_set_is_left_out() -> None:
    once = tobacco("Tobacco3482-jpg/")
    found = read_folders("/set", [*once, *tobacco("Tobacco3482-jpg/Tobacco3482-jpg/")], None)
    assert [page.path for page in found.pages] == once and set(found.names) == set(classes.TOBACCO)
    assert found.notes == ("Tobacco3482-jpg/ is a copy of the folders beside it, 10 pages twice: left out",)


def test_what_is_nearly_a_copy_is_refused() -> None:
    paths = [*tobacco(), *tobacco("old/", "2.jpg")]
    with pytest.raises(
        DataError, match=r"old/ has folders named as those beside it, with other pages: .*/set/old takes"
    ):
        placed(*paths)
    assert len(set(placed(*paths, choice="class-folders"))) == 11
    same_names = [*tobacco(), *tobacco("old/")]
    with pytest.raises(DataError, match="with other pages"):
        read_folders("/set", same_names, None, lambda one, other: False)


def test_two_data_sets_side_by_side_are_no_two_classes() -> None:
    with pytest.raises(
        DataError, match=r"first, second hold folders of the same names \(a, b\): .*--source /set/first"
    ):
        placed("first/a/1.png", "first/b/2.png", "second/a/3.png", "second/b/4.png")
    with pytest.raises(DataError, match=r"new hold all of Tobacco3482"):
        placed(*tobacco("new/"), "other/1.png")
