"""Whether a study came to the same results under each strategy: the same trial's scores side by side.

To agree is to be shown to agree: a difference that was not found is no agreement where few cases would hide it.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.intervals import MAX_ERROR, holm, mean_interval, p_value

UNIT_RANGE = (0.0, 1.0)
NOT_SCORES = ("epoch", "step", "loss")
LOSSES = ("loss", "cross_entropy")

CaseScores = Mapping[str, float | None]
"""One score's values by case; None where it is not defined."""

Verdict = Literal["identical", "equivalent", "differ", "undecided"]
"""`identical`: in every digit. `equivalent`: the interval of the mean difference lies within the tolerance. `differ`: a
difference beyond the tolerance is certain. `undecided`: neither, for lack of cases."""


@dataclass(frozen=True)
class Parity:
    """One score of one trial under each strategy."""

    trial: str
    split: str
    score: str
    values: tuple[float | None, ...]
    """In the order of the studies; None where it is not known."""
    difference: float | None = None
    """Largest less smallest."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval of the mean difference over cases, between the two strategies that lie farthest apart."""
    num_cases: int | None = None
    allowed: float | None = None
    """The difference that counts as none: the tolerance, of losses and distances that share of their size."""
    p_value: float | None = None
    """P value of no difference beyond the allowed one; None without scores by case."""
    verdict: Verdict | None = None
    """None where it is not judged: fewer than two values, or a score that does not lie between 0 and 1, is no loss and
    has no scores by case, or other numerics."""
    numerics: str = ""
    """In which the trial was trained under each strategy, where they are not the same: the scores do not compare."""
    reasons: tuple[str, ...] = ()
    """Why the scores may differ, where they do."""


def compare(
    trial: str,
    split: str,
    score: str,
    values: Sequence[float | None],
    tolerance: float,
    cases: Sequence[CaseScores] | None = None,
) -> Parity:
    """Judged by the paired differences where there are scores by case, else by the values alone.

    Args:
        values: under each strategy.
        cases: of each strategy, in the same order.
    """
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return Parity(trial, split, score, tuple(values))
    (smallest, low_index), (largest, high_index) = min(known), max(known)
    difference = largest - smallest
    is_share = not is_loss(score) and all(UNIT_RANGE[0] <= value <= UNIT_RANGE[1] for value, _ in known)
    allowed = tolerance if is_share else tolerance * max(abs(smallest), abs(largest))
    found = Parity(trial, split, score, tuple(values), difference, allowed=allowed)
    if cases is not None and (farthest := paired_differences(cases[low_index], cases[high_index])):
        return _tested(found, [cases[index] for _, index in known], farthest)
    if difference == 0:
        return replace(found, verdict="identical")
    if not is_share and not is_loss(score):
        return found
    return replace(found, verdict="equivalent" if difference <= allowed else "differ")


def _tested(found: Parity, tables: Sequence[CaseScores], farthest: Sequence[float]) -> Parity:
    """With the interval of the farthest two; all pairs have to be equivalent, and one that differs is enough."""
    found = replace(found, num_cases=len(farthest))
    if all(table == tables[0] for table in tables[1:]):
        return replace(found, verdict="identical")
    pairs = [paired_differences(a, b) for a, b in itertools.combinations(tables, 2)]
    if any(len(pair) < 2 for pair in pairs):
        return replace(found, verdict="undecided")  # one case says nothing about spread
    allowed = found.allowed or 0.0
    low, high = mean_interval(farthest)
    p = min(1.0, len(pairs) * min(p_value(pair, allowed) for pair in pairs))
    ends = [end for pair in pairs for end in mean_interval(pair)]
    within = all(abs(end) <= allowed for end in ends)
    verdict: Verdict = "equivalent" if within else "differ" if p <= MAX_ERROR else "undecided"
    return replace(found, low=low, high=high, p_value=p, verdict=verdict)


def corrected(parities: Sequence[Parity]) -> list[Parity]:
    """A difference is declared only where it holds among all that were tested (Holm); elsewhere it is undecided. To be
    equivalent needs no correction: that all of many are so takes each to be shown."""
    adjusted = iter(holm([one.p_value for one in parities if one.p_value is not None]))
    found = []
    for one in parities:
        p = None if one.p_value is None else next(adjusted)
        undecided = one.verdict == "differ" and p is not None and p > MAX_ERROR
        found.append(replace(one, p_value=p, verdict="undecided" if undecided else one.verdict))
    return found


def paired_differences(smaller: CaseScores, larger: CaseScores) -> list[float]:
    """Case by case, where both are defined; rounded to the digits that the tables of cases have."""
    both = [(a, b) for case, a in smaller.items() if a is not None and (b := larger.get(case)) is not None]
    return [round(b - a, 6) for a, b in both]


def is_score(name: str) -> bool:
    """Whether a key of a record's metrics is a score."""
    return name not in NOT_SCORES


def is_loss(name: str) -> bool:
    """Whether it has no scale of its own, so that differences count by its size."""
    return any(name == loss or name.endswith(f"_{loss}") for loss in LOSSES)


def largest_curve_difference(curves: Sequence[Mapping[int, float]]) -> float | None:
    """The largest distance of two loss curves {epoch: loss} at the same epoch, as a share of the larger; None when no
    two share one."""
    distances = [
        abs(a[epoch] - b[epoch]) / (max(abs(a[epoch]), abs(b[epoch])) or 1.0)
        for a, b in itertools.combinations(curves, 2)
        for epoch in a.keys() & b.keys()
    ]
    return max(distances, default=None)
