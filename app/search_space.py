"""What may differ between trials of a study, and the rules that choose it while the study runs. Plain data."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
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


def check_choices(choices: Mapping[str, Choice], where: str = "parameters") -> None:
    """Raises ValueError where there is nothing to choose from."""
    if not choices:
        raise ValueError(f"{where}: got none, wanted at least one")
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


OF_STATE = ("optimizer.name", "optimizer.amsgrad")
"""Options that decide what an optimizer remembers: it can not go on with another's."""


@dataclass(frozen=True)
class Population:
    """All trials of a study are trained side by side, in rounds. After each the worst take over the networks of the
    best, with options that differ a little: population based training (PBT, Jaderberg et al. 2017;
    app.planning.population)."""

    interval_epochs: int
    """Epochs of a round."""
    mutations: Mapping[str, Choice]
    """Options of the optimizer that change, by path: within a range, or among values listed in their order."""
    quantile: float = 0.25
    """Share of the members that are replaced, and of those that they are replaced by."""
    factors: tuple[float, float] = (0.8, 1.2)
    """One of them is applied to a number of a range; among listed values it is a step down or up. As in the paper."""

    def __post_init__(self) -> None:
        check_choices(self.mutations, "mutations")
        for path in self.mutations:
            if not path.startswith("optimizer.") or path in OF_STATE:
                raise ValueError(
                    f"mutations: got {path!r}, wanted options of the optimizer, none of {', '.join(OF_STATE)}"
                )
        if self.interval_epochs < 1:
            raise ValueError(f"interval_epochs: got {self.interval_epochs}, wanted 1 or more")
        if not 0 < self.quantile <= 0.5:
            raise ValueError(f"quantile: got {self.quantile}, wanted more than 0 and at most 0.5")
        if min(self.factors) <= 0:
            raise ValueError(f"factors: got {self.factors}, wanted two above 0")

    def check(self, members: Sequence[Mapping[str, Any]]) -> None:
        """Raises ValueError unless these experiments, as plain values, can take over each other's networks."""
        first = members[0]
        if len(members) < 2:
            raise ValueError(f"population: got {len(members)} experiment, wanted 2 or more")
        if first["epochs"] % self.interval_epochs:
            raise ValueError(
                f"interval_epochs: got {self.interval_epochs}, wanted a divisor of {first['epochs']} epochs"
            )
        every = first["evaluate_every_epochs"]
        if self.interval_epochs % every:
            raise ValueError(
                f"interval_epochs: got {self.interval_epochs}, wanted a multiple of evaluate_every_epochs, {every}: "
                "members are compared by an evaluation at the end of each round"
            )
        for member in members:
            for path, choice in self.mutations.items():
                value = value_at(member, path)
                if not _holds(choice, value):
                    raise ValueError(
                        f"{member['name']}: {path}: got {value!r}, wanted it within {choice}, its mutations"
                    )
            if self._shared(member) != self._shared(first):
                raise ValueError(
                    f"{member['name']} differs from {first['name']} in more than name, seed and mutations: members of "
                    "a population take over each other's networks; give them the same options"
                )

    def _shared(self, member: Mapping[str, Any]) -> dict[str, Any]:
        shared = {**member, "name": None, "seed": None}
        for path in self.mutations:
            shared = with_value(shared, path, None)
        return shared


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """The one at `path` of nested values; None where there is none."""
    found: Any = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _holds(choice: Choice, value: Any) -> bool:
    if isinstance(choice, Range):
        return isinstance(value, int | float) and choice.low <= value <= choice.high
    return value in choice
