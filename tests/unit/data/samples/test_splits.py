import hashlib
import random
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.data.samples.splits import (
    SPLITS,
    SplitRule,
    fold_split,
    in_order_split,
    seeded_split,
    split_cases,
    split_counts,
    torn_groups,
)

IDS = [f"BRATS_{i:03d}" for i in range(1, 485)]


@pytest.mark.parametrize(
    ("num_cases", "expected"),
    [
        (484, (338, 73, 73)),
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (2, (1, 1, 0)),
        (3, (2, 1, 0)),
        (10, (7, 2, 1)),
        (24, (16, 4, 4)),
    ],
)
def test_counts(num_cases: int, expected: tuple[int, int, int]) -> None:
    """484 as DistMIS; the others by hand: 70 % rounded down, what is left halved, the odd one to validation."""
    assert split_counts(num_cases) == expected


@given(st.integers(0, 5000))
def test_counts_add_up_and_are_close_to_the_shares(num_cases: int) -> None:
    counts = split_counts(num_cases)
    assert sum(counts) == num_cases
    assert all(abs(c - s * num_cases) <= 1 for c, s in zip(counts, (0.7, 0.15, 0.15), strict=True))


def test_in_order_is_the_seed_studys() -> None:
    split = in_order_split(IDS)
    assert [split[i] for i in IDS] == ["train"] * 338 + ["validation"] * 73 + ["test"] * 73


@given(st.integers(0, 2**32), st.sets(st.text(min_size=1, max_size=8), max_size=60), st.randoms())
def test_seeded_depends_on_neither_order_nor_repetition(seed: int, ids: set[str], shuffler: random.Random) -> None:
    shuffled = sorted(ids)
    shuffler.shuffle(shuffled)
    split = seeded_split(shuffled, seed)
    assert split == seeded_split(sorted(ids), seed)
    counts = Counter(split.values())
    assert tuple(counts[name] for name in SPLITS) == split_counts(len(ids))


def test_seeded_is_the_rank_of_a_hash() -> None:
    """Pinned: a change of the rule would move test cases into training."""
    ranked = sorted(IDS, key=lambda i: hashlib.sha256(f"5:{i}".encode()).digest())
    split = seeded_split(IDS, 5)
    assert {i for i, s in split.items() if s == "train"} == set(ranked[:338])
    assert {i for i, s in split.items() if s == "test"} == set(ranked[-73:])


def test_seeds_give_splits_of_their_own() -> None:
    first, second = seeded_split(IDS, 0), seeded_split(IDS, 1)
    moved = sum(first[i] != second[i] for i in IDS)
    assert 150 < moved < 300  # by chance: 484 * (1 - 0.7**2 - 2 * 0.15**2) = 225


def test_a_rule_is_chosen_by_name() -> None:
    assert split_cases("in-order", IDS, 3) == in_order_split(IDS)
    assert split_cases("seeded", IDS, 3) == seeded_split(IDS, 3)
    assert split_cases("folds", IDS, 3, num_folds=4, fold=1) == fold_split(IDS, 3, 4, 1) != seeded_split(IDS, 3)


def test_unequal_shares_are_each_ones_own() -> None:
    assert split_counts(20, (0.5, 0.4, 0.1)) == (10, 8, 2)
    assert split_counts(20, (0.5, 0.1, 0.4)) == (10, 2, 8)


def test_repeated_ids_are_named_and_no_others() -> None:
    with pytest.raises(ValueError) as refused:
        in_order_split([*"gfedcba", *"fedcba"])
    assert str(refused.value) == "ids must differ; these come more than once: a, b, c, d, e"


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="more than once: a"):
        seeded_split(["a", "b", "a"], 0)


def test_shares_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        split_counts(10, (0.7, 0.2, 0.2))


PATIENTS = {f"P{p}-{t}": f"P{p}" for p in range(10) for t in range(1 + p % 3)}
"""Ten patients of one, two or three scans: 19 in all."""


def test_groups_are_split_and_not_their_cases() -> None:
    """By hand: ten patients give 7, 2 and 1; in order those are P0 to P6, P7 and P8, P9."""
    split = in_order_split(list(PATIENTS), groups=PATIENTS)
    assert {PATIENTS[i] for i, s in split.items() if s == "train"} == {f"P{n}" for n in range(7)}
    assert {i for i, s in split.items() if s == "validation"} == {"P7-0", "P7-1", "P8-0", "P8-1", "P8-2"}
    assert {i for i, s in split.items() if s == "test"} == {"P9-0"}


def test_a_groups_place_is_that_of_its_first_case() -> None:
    groups = {"a": "one", "d": "one"}
    assert in_order_split(["a", "b", "c", "d"], groups=groups) == {
        "a": "train",
        "b": "train",
        "c": "validation",
        "d": "train",
    }


@given(
    st.dictionaries(st.text(min_size=1, max_size=4), st.sampled_from("ABCDEFGH"), max_size=40),
    st.integers(0, 99),
    st.sampled_from(["seeded", "in-order", "folds"]),
)
def test_no_rule_tears_a_group(groups: dict[str, str], seed: int, rule: SplitRule) -> None:
    assume(rule != "folds" or not 0 < len(set(groups.values())) < 4)  # refused
    split = split_cases(rule, list(groups), seed, groups, num_folds=4, fold=seed % 4)
    assert list(split) == list(groups)
    assert torn_groups(split, groups) == {}
    if rule != "folds":
        counted = Counter(dict(zip(groups.values(), split.values(), strict=True)).values())
        assert tuple(counted[name] for name in SPLITS) == split_counts(len(set(groups.values())))


def test_a_case_without_a_group_is_split_as_before() -> None:
    assert seeded_split(IDS, 5, groups={i: i for i in IDS}) == seeded_split(IDS, 5)


def test_every_case_is_tested_in_one_fold_and_validates_in_the_one_before() -> None:
    folds = [fold_split(IDS, 7, 5, fold) for fold in range(5)]
    for case in IDS:
        tested = [k for k, split in enumerate(folds) if split[case] == "test"]
        validated = [k for k, split in enumerate(folds) if split[case] == "validation"]
        assert len(tested) == 1
        assert validated == [(tested[0] - 1) % 5]
    assert sorted(Counter(split.values())["test"] for split in folds) == [96, 97, 97, 97, 97]  # 484 = 4 * 97 + 96


@pytest.mark.parametrize(("num_folds", "fold"), [(2, 0), (5, 5), (5, -1)])
def test_a_fold_that_is_none_is_refused(num_folds: int, fold: int) -> None:
    with pytest.raises(ValueError, match=f"got fold {fold} of {num_folds}"):
        fold_split(IDS, 0, num_folds, fold)


def test_a_torn_group_is_named_and_what_is_unlabelled_tears_none() -> None:
    splits = {"a1": "train", "a2": "test", "b1": "train", "b2": "unlabelled", "c": "test"}
    groups = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}
    assert torn_groups(splits, groups) == {"a": ("test", "train")}


def test_more_folds_than_groups_are_refused() -> None:
    """Fold 3 of 5 of three patients would test and validate nobody."""
    groups = {i: i[0] for i in ("a1", "a2", "b1", "b2", "c1")}
    with pytest.raises(ValueError, match="got 5 folds of 3 groups"):
        fold_split([*groups], 0, 5, 3, groups)
    assert set(fold_split([*groups], 0, 3, 2, groups).values()) == {"train", "validation", "test"}
