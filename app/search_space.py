"""What may differ between trials of a study, and the rules that choose it while the study runs. Plain data."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FIXED = ("name", "workload", "store", "starts_from")
"""Options that a study has to know before it begins."""


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, evenly or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"range: got {self.low} to {self.high}, wanted low below high, and above 0 where log")

    def draw(self, chance: random.Random) -> float:
        if self.log:
            return math.exp(chance.uniform(math.log(self.low), math.log(self.high)))
        return chance.uniform(self.low, self.high)


Choice = tuple[Any, ...] | Range
"""Of one option: values to choose from, or a range to draw from."""


@dataclass(frozen=True)
class Tuning:
    """Trials whose values are chosen when they begin, from how those before did: tree-structured Parzen estimator
    (TPE, Bergstra et al. 2011; app.execution.tuning)."""

    parameters: Mapping[str, Choice]
    """What is chosen, by path (`optimizer.learning_rate`)."""
    trials: tuple[str, ...]
    """Names of the experiments that it is chosen for."""
    num_random: int = 10
    """Trials that have to end before it learns from them; until then it draws at random. Optuna's default."""

    def __post_init__(self) -> None:
        check_choices(self.parameters)
        fixed = [path for path in self.parameters if path.split(".")[0] in FIXED]
        if fixed:
            raise ValueError(f"{fixed[0]}: tpe can not choose it: the study needs it before the trial begins")
        if self.num_random < 1:
            raise ValueError(f"num_random: got {self.num_random}, wanted 1 or more")


def check_choices(choices: Mapping[str, Choice]) -> None:
    """Raises ValueError where there is nothing to choose from."""
    if not choices:
        raise ValueError("parameters: got none, wanted at least one")
    empty = [path for path, choice in choices.items() if choice == ()]
    if empty:
        raise ValueError(f"{empty[0]}: got no values, wanted at least one")


def extremes(choices: Mapping[str, Choice]) -> Iterator[tuple[str, Any]]:
    """Every option with each of its values, or both ends of its range: what has to be valid for all to be."""
    for path, choice in choices.items():
        for value in (choice.low, choice.high) if isinstance(choice, Range) else choice:
            yield path, value


def with_value(values: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Nested `values` with the one at `path` set.

    Raises:
        ValueError: the path goes through what is no mapping.
    """
    key, _, rest = path.partition(".")
    if not rest:
        return {**values, key: value}
    inner = values.get(key, {})
    if not isinstance(inner, Mapping):
        raise ValueError(f"{key}: got {inner!r}, wanted a mapping that has {rest}")
    return {**values, key: with_value(inner, rest, value)}
