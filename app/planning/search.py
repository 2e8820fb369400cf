"""Many experiments from one: every combination of a few values, or draws from ranges. They are ordinary experiments."""

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.configuration import from_dict
from app.experiment import Experiment, Study


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


@dataclass(frozen=True)
class Search:
    """What a study file may hold as `search`, in place of `experiments` or beside them."""

    base: Mapping[str, Any]
    """Fields of the experiments, but for their names."""
    parameters: Mapping[str, tuple[Any, ...] | Range]
    """What differs, by path (`optimizer.learning_rate`): values to choose from, or a range to draw from."""
    method: Literal["grid", "random"] = "grid"
    """`grid`: every combination; `random`: `num_trials` draws."""
    num_trials: int | None = None
    """Of `random`."""
    prefix: str = field(default="")
    """Begins the experiments' names."""

    def __post_init__(self) -> None:
        if not self.parameters:
            raise ValueError("parameters: got none, wanted at least one")
        ranges = [path for path, choice in self.parameters.items() if isinstance(choice, Range)]
        empty = [path for path, choice in self.parameters.items() if choice == ()]
        if empty:
            raise ValueError(f"{empty[0]}: got no values, wanted at least one")
        if self.method == "grid" and ranges:
            raise ValueError(f"{ranges[0]}: a grid takes values, not a range; list them, or take method random")
        if (self.num_trials is not None) != (self.method == "random") or (self.num_trials or 1) < 1:
            raise ValueError(f"num_trials: got {self.num_trials}, wanted 1 or more with method random, else none")


def study_of(values: Mapping[str, Any]) -> Study:
    """The study of a file's values, its search written out. The same file gives the same experiments each time.

    Raises:
        ValueError: an unknown key or a wrong value; names it.
    """
    plain = dict(values)
    if "search" not in plain:
        return Study.from_dict(plain)
    search = from_dict(Search, plain.pop("search"), "search")
    listed = plain.get("experiments", [])
    if not isinstance(listed, list):
        raise ValueError(f"experiments: got {listed!r}, wanted a list")
    return Study.from_dict({**plain, "experiments": [*listed, *expand(search, plain.get("seed", 0))]})


def expand(search: Search, seed: int) -> list[dict[str, Any]]:
    """Plain values of each experiment, named by what sets it apart: `learning_rate=0.01+loss=dice`."""
    chosen: list[tuple[Any, ...]]
    if search.method == "grid":
        chosen = list(itertools.product(*(_values(choice) for choice in search.parameters.values())))
    else:
        chance = random.Random(seed)
        num = search.num_trials or 0
        chosen = [tuple(_draw(choice, chance) for choice in search.parameters.values()) for _ in range(num)]
    experiments = []
    for number, values in enumerate(chosen):
        settings = dict(zip(search.parameters, values, strict=True))
        label = "+".join(f"{path.rsplit('.', 1)[-1]}={_shown(value)}" for path, value in settings.items())
        name = search.prefix + (label if search.method == "grid" else f"{number:03d}+{label}")
        experiment: dict[str, Any] = {**search.base, "name": name}
        for path, value in settings.items():
            experiment = _with(experiment, path.split("."), value)
        Experiment.from_dict(experiment)
        experiments.append(experiment)
    return experiments


def _values(choice: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    assert not isinstance(choice, Range)
    return choice


def _draw(choice: tuple[Any, ...] | Range, chance: random.Random) -> Any:
    return choice.draw(chance) if isinstance(choice, Range) else chance.choice(choice)


def _shown(value: Any) -> str:
    """A value as part of a name: letters, digits and . + = - alone."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return "".join(character if character.isalnum() or character in ".-" else "_" for character in text).strip("_")


def _with(values: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """`values` with the one at `path` set."""
    key, *rest = path
    if not rest:
        return {**values, key: value}
    inner = values.get(key, {})
    if not isinstance(inner, Mapping):
        raise ValueError(f"{key}: got {inner!r}, wanted a mapping that has {'.'.join(rest)}")
    return {**values, key: _with(inner, rest, value)}
