"""Which case belongs to which split, as a pure function of the ids and a seed."""

import hashlib
from collections.abc import Sequence
from typing import Literal

SplitRule = Literal["seeded", "in-order"]

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
UNLABELLED = "unlabelled"
"""Cases without a label: never trained or scored on."""

SHARES = (0.70, 0.15, 0.15)
"""Of the seed study (HiEST/DistMIS)."""


def split_counts(num_cases: int, shares: tuple[float, float, float] = SHARES) -> tuple[int, int, int]:
    """Cases for training, validation and test; they add up. The seed study's 484 give 338, 73, 73."""
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares: got {shares}, wanted three of at least 0 that add up to 1")
    if num_cases == 0:
        return 0, 0, 0
    num_train = max(1, int(shares[0] * num_cases + 1e-9))  # the bit more: 0.7 * n may fall just short of a whole number
    rest = num_cases - num_train
    held_out = shares[1] + shares[2]
    num_validation = int(rest * shares[1] / held_out + 0.5) if held_out > 0 else 0
    return num_train, num_validation, rest - num_validation


def seeded_split(ids: Sequence[str], seed: int, shares: tuple[float, float, float] = SHARES) -> dict[str, str]:
    """Split by the rank of each id's hash: the same whatever the order of `ids` and whoever computes it.

    Raises:
        ValueError: an id comes twice, or the shares do not add up to 1.
    """
    return in_order_split(sorted(ids, key=lambda i: (hashlib.sha256(f"{seed}:{i}".encode()).digest(), i)), shares)


def in_order_split(ids: Sequence[str], shares: tuple[float, float, float] = SHARES) -> dict[str, str]:
    """Split in the order given: first training, then validation, then test (the seed study's way).

    Raises:
        ValueError: an id comes twice, or the shares do not add up to 1.
    """
    if len(set(ids)) != len(ids):
        repeated = sorted({i for i in ids if list(ids).count(i) > 1})
        raise ValueError(f"ids must differ; these come more than once: {', '.join(repeated[:5])}")
    counts = split_counts(len(ids), shares)
    names = [name for name, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    return dict(zip(ids, names, strict=True))


def split_cases(rule: SplitRule, ids: Sequence[str], seed: int) -> dict[str, str]:
    """Apply a rule by name; `in-order` takes no seed."""
    return seeded_split(ids, seed) if rule == "seeded" else in_order_split(ids)
