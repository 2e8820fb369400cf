import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UsageError
from app.workloads.documents.store.partitions import check_classes, partition_splits


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[str], np.ndarray, int]:
    per_class = draw(st.integers(2, 8))
    sizes = draw(st.lists(st.integers(per_class + 1, 20), min_size=1, max_size=4))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return [f"page{i}" for i in range(len(labels))], labels, per_class


@given(labelled(), st.integers(0, 5), st.integers(0, 9))
def test_each_class_gives_the_same_number_whatever_the_order(
    pages: tuple[list[str], np.ndarray, int], seed: int, partition: int
) -> None:
    ids, labels, per_class = pages
    split = partition_splits(ids, labels, seed, partition, per_class)
    num_train = int(0.8 * per_class + 0.5)
    for label in np.unique(labels):
        inside = split[labels == label]
        assert (inside == "train").sum() == num_train
        assert (inside == "validation").sum() == per_class - num_train
        assert (inside == "test").sum() == len(inside) - per_class
    order = np.random.default_rng(seed).permutation(len(ids))
    again = partition_splits([ids[i] for i in order], labels[order], seed, partition, per_class)
    assert (again == split[order]).all()


def test_tobacco3482_gives_800_200_2482() -> None:
    sizes = (230, 599, 431, 567, 620, 188, 201, 265, 120, 261)
    labels = np.repeat(np.arange(10), sizes)
    ids = [str(i) for i in range(3482)]
    splits = [partition_splits(ids, labels, 0, partition, 100) for partition in range(10)]
    for split in splits:
        assert [(split == name).sum() for name in ("train", "validation", "test")] == [800, 200, 2482]
    assert len({split.tobytes() for split in splits}) == 10
    assert partition_splits(ids, labels, 1, 0, 100).tobytes() not in {split.tobytes() for split in splits}


def test_a_lost_page_moves_no_more_than_its_follower() -> None:
    labels = np.zeros(50, np.int64)
    ids = [str(i) for i in range(50)]
    split = partition_splits(ids, labels, 0, 0, 20)
    without = partition_splits(ids[1:], labels[1:], 0, 0, 20)
    assert (split[1:] != without).sum() <= 2


def test_whole_documents_fill_the_splits_in_the_order_of_their_hashes() -> None:
    """Of class 0 every document has two pages, so that of the five to train four are taken and the one to validate
    stays free; the pages of class 1 are alone."""
    names = [f"pair{number}" for number in range(10) for _ in range(2)]
    ids = [f"{name}-{number % 2}" for number, name in enumerate(names)] + [f"single{number}" for number in range(12)]
    labels = np.array([0] * 20 + [1] * 10 + [-1] * 2)
    split = partition_splits(ids, labels, 3, 4, 6, dict(zip(ids, names, strict=False)))
    ranked = sorted(dict.fromkeys(names), key=lambda name: hashlib.sha256(f"3:4:{name}".encode()).digest())
    assert {name for name, where in zip(names, split, strict=False) if where == "train"} == set(ranked[:2])
    counts = [Counter(split[labels == label].tolist()) for label in (0, 1, -1)]
    assert counts == [{"train": 4, "test": 16}, {"train": 5, "validation": 1, "test": 4}, {"unlabelled": 2}]


def test_the_pages_with_the_lowest_hashes_are_drawn() -> None:
    ids = [f"page{number}" for number in range(20)]
    split = partition_splits(ids, np.zeros(20, np.int64), 3, 4, 5)
    ranked = sorted(range(20), key=lambda row: hashlib.sha256(f"3:4:page{row}".encode()).digest())
    assert split[ranked].tolist() == ["train"] * 4 + ["validation"] + ["test"] * 15


def test_unlabelled_pages_are_in_no_split() -> None:
    split = partition_splits(["a", "b", "c", "d"], np.array([0, -1, 0, 0]), 0, 0, 2)
    assert split[1] == "unlabelled"
    assert sorted(split) == ["test", "train", "train", "unlabelled"]


def test_classes_too_small_for_a_test_are_named() -> None:
    labels = np.repeat([0, 1, 2], [9, 5, 3])
    check_classes(labels, ("a", "b", "c", "none"), 2)
    with pytest.raises(UsageError, match=r"--per-class: got 5 .* \(b 5, c 3\); expected at most 2"):
        check_classes(labels, ("a", "b", "c", "none"), 5)
    with pytest.raises(UsageError, match="--per-class: got 1, expected at least 2"):
        check_classes(labels, ("a", "b", "c", "none"), 1)
