"""Which case belongs to which split, as a pure function of the ids, their groups and a seed.

What is split are groups: the scans of a patient, the pages of a document. A group is never in two splits. An id that
has no group is one of its own.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from app.errors import UsageError

SplitRule = Literal["seeded", "in-order", "folds"]

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
UNLABELLED = "unlabelled"
"""Cases without a label: never trained or scored on."""

SHARES = (0.70, 0.15, 0.15)
"""Training, validation and test, as in DistMIS."""
NUM_FOLDS = 5
"""As nnU-Net takes them."""
MIN_FOLDS = 3
"""One to test, one to validate, the rest to train."""

EACH_ALONE: Mapping[str, str] = MappingProxyType({})
"""No groups: every case may go anywhere."""


def split_counts(num_cases: int, shares: tuple[float, float, float] = SHARES) -> tuple[int, int, int]:
    """Cases for training, validation and test; they add up. DistMIS's 484 give 338, 73, 73."""
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise UsageError(f"shares: got {shares}, expected three of at least 0 that add up to 1")
    if num_cases == 0:
        return 0, 0, 0
    num_train = max(1, int(shares[0] * num_cases + 1e-9))  # the bit more: 0.7 * n may fall just short of a whole number
    rest = num_cases - num_train
    held_out = shares[1] + shares[2]
    num_validation = int(rest * shares[1] / held_out + 0.5) if held_out > 0 else 0
    return num_train, num_validation, rest - num_validation


def seeded_split(
    ids: Sequence[str],
    seed: int,
    shares: tuple[float, float, float] = SHARES,
    groups: Mapping[str, str] = EACH_ALONE,
) -> dict[str, str]:
    """Split by the rank of each group's hash: the same whatever the order of `ids` and whoever computes it.

    The shares are of the number of groups.

    Raises:
        UsageError: an id comes twice, or the shares do not add up to 1.
    """
    return _by_counts(_ranked(ids, seed, groups), ids, shares, groups)


def in_order_split(
    ids: Sequence[str], shares: tuple[float, float, float] = SHARES, groups: Mapping[str, str] = EACH_ALONE
) -> dict[str, str]:
    """Split in the order given: first training, then validation, then test (as DistMIS does). A group's place is
    that of its first id.

    Raises:
        UsageError: an id comes twice, or the shares do not add up to 1.
    """
    return _by_counts(_groups_in_order(ids, groups), ids, shares, groups)


def fold_split(
    ids: Sequence[str], seed: int, num_folds: int, fold: int, groups: Mapping[str, str] = EACH_ALONE
) -> dict[str, str]:
    """Cross-validation: groups are dealt to `num_folds` folds by the rank of their hash. Fold `fold` (from 0) tests,
    the one after it validates, all others train; so over all folds each case is tested once.

    Raises:
        UsageError: an id comes twice, or there are fewer than three folds, or no such one, or fewer groups than folds.
    """
    if num_folds < MIN_FOLDS or not 0 <= fold < num_folds:
        raise UsageError(
            f"got fold {fold} of {num_folds}, expected {MIN_FOLDS} folds or more and one of them, counted from 0"
        )
    ranked = _ranked(ids, seed, groups)
    if 0 < len(ranked) < num_folds:
        raise UsageError(
            f"got {num_folds} folds of {len(ranked)} groups of cases that stay together (a patient's, or each by "
            "itself): some would be empty; expected fewer folds, or more cases"
        )
    names = {fold: TEST, (fold + 1) % num_folds: VALIDATION}
    of_group = {group: names.get(rank % num_folds, TRAIN) for rank, group in enumerate(ranked)}
    return {i: of_group[groups.get(i, i)] for i in ids}


def split_cases(
    rule: SplitRule,
    ids: Sequence[str],
    seed: int,
    groups: Mapping[str, str] = EACH_ALONE,
    num_folds: int = NUM_FOLDS,
    fold: int = 0,
) -> dict[str, str]:
    """Apply a rule by name; `in-order` takes no seed, and only `folds` the last two."""
    if rule == "folds":
        return fold_split(ids, seed, num_folds, fold, groups)
    return seeded_split(ids, seed, groups=groups) if rule == "seeded" else in_order_split(ids, groups=groups)


def torn_groups(splits: Mapping[str, str], groups: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Groups that lie in several splits, with these; `splits`: id -> split. Unlabelled cases are in none."""
    found: dict[str, set[str]] = {}
    for i, split in splits.items():
        if split != UNLABELLED:
            found.setdefault(groups.get(i, i), set()).add(split)
    return {group: tuple(sorted(places)) for group, places in sorted(found.items()) if len(places) > 1}


def _groups_in_order(ids: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    if len(set(ids)) != len(ids):
        repeated = sorted(i for i, count in Counter(ids).items() if count > 1)
        raise UsageError(f"ids must differ; these come more than once: {', '.join(repeated[:5])}")
    return list(dict.fromkeys(groups.get(i, i) for i in ids))


def _ranked(ids: Sequence[str], seed: int, groups: Mapping[str, str]) -> list[str]:
    def rank(group: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{seed}:{group}".encode()).digest(), group

    return sorted(_groups_in_order(ids, groups), key=rank)


def _by_counts(
    ordered: Sequence[str], ids: Sequence[str], shares: tuple[float, float, float], groups: Mapping[str, str]
) -> dict[str, str]:
    counts = split_counts(len(ordered), shares)
    names = [name for name, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    of_group = dict(zip(ordered, names, strict=True))
    return {i: of_group[groups.get(i, i)] for i in ids}
