from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.samples.splits import torn_groups
from app.errors import DataError
from app.workloads.documents.source.grouping import documents_of, group_pages, shared_documents
from app.workloads.documents.source.listing import PageSource
from app.workloads.documents.store.build_store import plan_store
from app.workloads.documents.store.partitions import partition_splits


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("acme_p1", "acme"),
        ("ACME-Page-02", "acme"),
        ("acme (page 3)", "acme"),
        ("acme_pg4", "acme"),
        ("acme 1of3", "acme"),
        ("acme_p1of3", "acme"),
        ("Brief_Seite_2", "brief"),
        ("acme-1", "acme-1"),
        ("scan_0001", "scan_0001"),
        ("map1", "map1"),
        ("stamp 3", "stamp 3"),
        ("page_0001", "page_0001"),
    ],
)
def test_the_document_by_a_page_s_name(name: str, document: str) -> None:
    assert documents_of([f"letter/{name}"], [()]) == [document]


def test_folders_below_the_class_are_documents_of_numbered_pages() -> None:
    ids = ["a/x/1", "a/x/p2", "a/x/other", "a/1", "b/1", "b/x_p1", "a/y/x_p2"]
    below = [("x",), ("x",), ("x",), (), (), (), ("y",)]
    assert documents_of(ids, below) == ["a/x", "a/x", "other", "a/1", "b/1", "x", "y/x"]


def pages(*names: str) -> list[PageSource]:
    return [PageSource(name, f"{name}.png", 0, "", name) for name in names]


def test_a_file_says_the_documents_by_page_or_file(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("\ufefffile;document\na/1.png;first\na/2;first\nb/1.png;second\n")
    found, by = group_pages(pages("a/1", "a/2", "b/1"), str(table))
    assert [page.document_id for page in found] == ["first", "first", "second"]
    assert by.startswith("file ") and by == group_pages(pages("b/1", "a/2", "a/1"), str(table))[1]
    table.write_text("file,document\na/1.png,first\na/2,other\nb/1.png,second\n")
    assert group_pages(pages("a/1", "a/2", "b/1"), str(table))[1] != by
    with pytest.raises(DataError, match=r"does not name 1 of 4 cases: c/1"):
        group_pages(pages("a/1", "a/2", "b/1", "c/1"), str(table))


def test_a_file_that_says_two_documents_of_one_page_is_refused(tmp_path: Path) -> None:
    """Once by the page, once by its file."""
    table = tmp_path / "groups.csv"
    table.write_text("file,document\na/1.png,first\na/1,second\n")
    with pytest.raises(DataError, match=r"names the page a/1 of 'first' and of 'second'; expected one"):
        group_pages(pages("a/1"), str(table))
    table.write_text("file,document\na/1.png,first\na/1,first\n")
    assert group_pages(pages("a/1"), str(table))[0][0].document_id == "first"


def test_only_documents_of_several_pages_are_groups() -> None:
    assert shared_documents(["a", "b", "c"], ["x", "y", "x"], "names") == {"a": "x", "c": "x"}
    assert shared_documents(["a", "b", "c"], ["x", "y", "x"], "none") == {}
    assert shared_documents(["a", "b", "c"], ["x", "y", "x"], "") == {}, "a store of before"


def test_partitions_keep_documents_whole_and_their_sizes() -> None:
    """60 pages of two classes, every third document of three pages, one of them of the other class."""
    ids = [f"p{i}" for i in range(60)]
    documents = {f"p{i}": f"d{i // 3}" for i in range(60) if (i // 3) % 3 == 0}
    labels = np.array([i % 2 for i in range(60)])
    for partition in range(5):
        split = partition_splits(ids, labels, 3, partition, 10, documents)
        counts = Counter(zip(labels.tolist(), split.tolist(), strict=True))
        assert [counts[label, name] for label in (0, 1) for name in ("train", "validation", "test")] == [8, 2, 20] * 2
        of_document = {d: {split[i] for i in range(60) if documents.get(f"p{i}") == d} for d in documents.values()}
        assert all(len(places) == 1 for places in of_document.values())
        alone = partition_splits(ids, labels, 3, partition, 10)
        assert any(len({alone[3 * d + k] for k in range(3)}) > 1 for d in range(0, 20, 3)), "else nothing was asked"


def test_without_shared_documents_partitions_are_as_before() -> None:
    ids, labels = [f"p{i}" for i in range(30)], np.array([i % 3 for i in range(30)])
    far = {"p0": "p0"}  # a group of one: the other way of drawing, the same draw
    assert partition_splits(ids, labels, 1, 0, 5, far).tolist() == partition_splits(ids, labels, 1, 0, 5).tolist()


def test_a_store_s_splits_keep_documents_together_and_say_so(tmp_path: Path) -> None:
    for kind in "ab":
        (tmp_path / "set" / kind).mkdir(parents=True)
        for number in range(20):
            for page in (1, 2, 3):
                (tmp_path / "set" / kind / f"{kind}{number}_p{page}.png").touch()
    told: list[str] = []
    plan = plan_store(str(tmp_path / "set"), str(tmp_path / "store"), tell=told.append)
    found: dict[str, set[str]] = {}
    for page in (page for task in plan.tasks for page in task.pages):
        found.setdefault(page.document_id, set()).add(page.split)
    assert len(found) == 40 and all(len(splits) == 1 for splits in found.values())
    assert told[1:3] == ["classes: a 60, b 60", "splits (drawn by seed 0): 84 train, 18 validation, 18 test"]
    assert told[3].startswith(
        "documents, by names: 120 pages are of 40 documents of several (the largest: a0, 3 pages)"
    )
    told.clear()
    plan_store(str(tmp_path / "set"), str(tmp_path / "third"), num_partitions=2, per_class=9, tell=told.append)
    wanted = "splits: 2 partitions drawn by seed 0, each with 9 pages of a class to train and validate; 102 others test"
    assert told[2] == wanted
    alone = plan_store(str(tmp_path / "set"), str(tmp_path / "other"), groups="none")
    splits = {page.id: page.split for task in alone.tasks for page in task.pages}
    assert any(len({splits[f"a/a{n}_p{page}"] for page in (1, 2, 3)}) > 1 for n in range(20))


def test_a_document_that_is_most_of_a_class_is_refused_where_splits_are_drawn(tmp_path: Path) -> None:
    root = tmp_path / "set"
    names = [f"a/scan_p{n}.png" for n in range(21)] + [f"b/{n:03d}x.png" for n in range(30)]
    for path in names:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    with pytest.raises(DataError, match=r"21 of 21 pages of the class 'a' are one document, 'scan', .*--groups none"):
        plan_store(str(root), str(tmp_path / "store"))
    plan = plan_store(str(root), str(tmp_path / "store"), groups="none")
    assert len({page.split for task in plan.tasks for page in task.pages if page.label == 0}) == 3
    (root / "a/scan_p20.png").unlink()  # 20 pages may be a document
    plan_store(str(root), str(tmp_path / "other"))


def test_own_splits_that_tear_documents_are_told(tmp_path: Path) -> None:
    for path in ("train/a/x_p1.png", "test/a/x_p2.png", "train/b/y.png", "test/b/z.png"):
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / path).touch()
    told: list[str] = []
    plan_store(str(tmp_path / "set"), str(tmp_path / "store"), tell=told.append)
    assert any("the data set's own splits tear 1 of them" in line for line in told)


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 12)), min_size=1, max_size=60), st.integers(2, 8))
def test_no_partition_tears_a_document_or_trains_on_too_much(pages: list[tuple[int, int]], per_class: int) -> None:
    ids, labels = [f"p{i}" for i in range(len(pages))], np.array([label for label, _ in pages])
    documents = shared_documents(ids, [f"d{d}" for _, d in pages], "names")
    split = dict(zip(ids, partition_splits(ids, labels, 0, 0, per_class, documents).tolist(), strict=True))
    assert torn_groups(split, documents) == {}
    counts = Counter((label, split[page]) for page, label in zip(ids, labels.tolist(), strict=True))
    for label in range(3):
        assert counts[label, "train"] <= int(0.8 * per_class + 0.5)
        assert counts[label, "train"] + counts[label, "validation"] <= per_class
    assert {split[page] for page, label in zip(ids, labels.tolist(), strict=True) if label < 0} <= {"unlabelled"}
