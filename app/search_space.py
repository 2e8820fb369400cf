"""What may differ between trials of a study, and which values it has. Plain data."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.configuration import to_dict
from app.errors import UsageError

FIXED = ("name", "workload", "store", "starts_from")
"""Options that a study has to know before it begins."""

When = Mapping[str, tuple[Any, ...]]
"""By path of other parameters: a choice is made only where each of them has one of these values."""


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included, evenly or evenly in their logarithm."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None
    """Where given, multiples of it alone."""
    integer: bool = False
    """Whole numbers alone."""
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        if not all(map(math.isfinite, ends)) or not self.low < self.high or (self.log and self.low <= 0):
            raise UsageError(f"range: got {self.low} to {self.high}, expected low below high, and above 0 where log")
        if self.integer and not all(isinstance(n, int) for n in (*ends, 1 if self.step is None else self.step)):
            raise UsageError(
                f"range: got {ends}, step {self.step}, expected whole numbers as it is integer: 8, not 8.0"
            )
        if self.step is not None and not (self.step > 0 and all(_is_multiple(end, self.step) for end in ends)):
            raise UsageError(
                f"range: step: got {self.step} from {self.low} to {self.high}, expected both multiples of it"
            )

    @property
    def unit(self) -> int | float | None:
        """The distance of neighbours; None: there are none."""
        return 1 if self.integer and self.step is None else self.step

    def draw(self, chance: random.Random) -> int | float:
        low, high, half = self.low, self.high, (self.unit or 0) / 2
        if self.log:  # each multiple has its share: half a step to both sides
            return self.nearest(math.exp(chance.uniform(math.log(low - half), math.log(high + half))))
        if self.unit is not None:
            return self.nearest(chance.randint(round(low / self.unit), round(high / self.unit)) * self.unit)
        return self.nearest(chance.uniform(low, high))

    def nearest(self, value: int | float) -> int | float:
        """The value of this range that is nearest."""
        value = min(max(value, self.low), self.high)
        return float(value) if self.unit is None else _multiple(value, self.unit, self.integer)

    def holds(self, value: Any) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        whole = isinstance(value, int) or not self.integer
        return whole and (self.unit is None or _is_multiple(value, self.unit))


WIDTH = 4
"""Standard deviations to both sides, beyond which a normal draw is cut off (one in 16,000 would lie there), so that
all that can come is known, and checked, before the study begins."""


@dataclass(frozen=True)
class Normal:
    """Numbers that are normally distributed."""

    mean: int | float
    sd: int | float
    step: int | float | None = None
    """Where given, multiples of it alone."""
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.sd < math.inf):
            raise UsageError(f"normal: got mean {self.mean}, sd {self.sd}, expected numbers, and sd above 0")
        if self.step is not None and not self.step > 0:
            raise UsageError(f"normal: step: got {self.step}, expected more than 0")

    def draw(self, chance: random.Random) -> float:
        return self.nearest(chance.gauss(self.mean, self.sd))

    def nearest(self, value: float) -> float:
        value = min(max(value, self.mean - WIDTH * self.sd), self.mean + WIDTH * self.sd)
        return float(value) if self.step is None else float(_multiple(value, self.step, False))


@dataclass(frozen=True)
class Values:
    """Values to choose from that are needed under a condition alone; without one a list says as much."""

    values: tuple[Any, ...]
    when: When = field(default_factory=dict)


Choice = tuple[Any, ...] | Range | Normal | Values
"""What one option may be: values to choose from, or numbers to draw."""
Parameters = Mapping[str, Choice]
"""By path (`optimizer.learning_rate`)."""


def listed(choice: Choice) -> tuple[Any, ...] | None:
    """The values to choose from; None where numbers are drawn."""
    return choice.values if isinstance(choice, Values) else choice if isinstance(choice, tuple) else None


def condition(choice: Choice) -> When:
    return {} if isinstance(choice, tuple) else choice.when


def draw(choice: Choice, chance: random.Random) -> Any:
    return choice.draw(chance) if isinstance(choice, Range | Normal) else chance.choice(listed(choice) or ())


def check_choices(choices: Parameters, where: str = "parameters") -> None:
    """Raises UsageError where there is nothing to choose from, or a condition cannot be met."""
    if not choices:
        raise UsageError(f"{where}: got none, expected at least one")
    for path, choice in choices.items():
        if listed(choice) == ():
            raise UsageError(f"{path}: got no values, expected at least one")
        for parent, allowed in condition(choice).items():
            if parent not in choices:
                raise UsageError(f"{path}: when: {parent!r} is not a parameter of this search; it has {[*choices]}")
            of_parent = choices[parent]
            values = listed(of_parent)
            if isinstance(of_parent, Normal) or (isinstance(of_parent, Range) and of_parent.unit is None):
                raise UsageError(f"{path}: when: {parent} is drawn from {of_parent}, expected listed or whole values")
            known = [of_parent.holds(v) if isinstance(of_parent, Range) else _is_in(v, values) for v in allowed]
            strange = [value for value, is_known in zip(allowed, known, strict=True) if not is_known]
            if strange or not allowed:
                seen = f"{parent} is never {strange[0]!r}" if strange else f"{parent}: got no values"
                raise UsageError(f"{path}: when: {seen}; it is one of {to_dict(values) or of_parent}")
    parents_first(choices)


def parents_first(choices: Parameters) -> list[str]:
    """Paths, in their order but for those that depend on later ones.

    Raises:
        UsageError: they go in a circle.
    """
    found: list[str] = []
    while len(found) < len(choices):
        ready = [p for p in choices if p not in found and all(parent in found for parent in condition(choices[p]))]
        if not ready:
            raise UsageError(f"when: goes in a circle: {[path for path in choices if path not in found]}")
        found.append(ready[0])
    return found


def applies(choice: Choice, known: Mapping[str, Any]) -> bool:
    """Under the values of the parameters that apply."""
    return all(parent in known and _is_in(known[parent], allowed) for parent, allowed in condition(choice).items())


def applicable(parameters: Parameters, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of those parameters that are set: the others' conditions do not hold."""
    found: dict[str, Any] = {}
    for path in parents_first(parameters):
        if applies(parameters[path], found):
            found[path] = values[path]
    return {path: found[path] for path in parameters if path in found}


def extremes(choices: Parameters) -> Iterator[dict[str, Any]]:
    """Every option with each of its values, or the ends of its range, under its condition: what has to be valid for
    all to be. Of whole numbers the second too: what divides the first two divides all."""
    for path, choice in choices.items():
        for value in _ends(choice):
            yield {**_met(choices, path), path: value}


def _ends(choice: Choice) -> tuple[Any, ...]:
    if isinstance(choice, Normal):
        return choice.nearest(-math.inf), choice.nearest(math.inf)
    if isinstance(choice, Range):
        second = (choice.nearest(choice.low + choice.unit),) if choice.unit is not None else ()
        return choice.nearest(choice.low), *second, choice.nearest(choice.high)
    return listed(choice) or ()


def _met(choices: Parameters, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parent, allowed in condition(choices[path]).items():
        found |= {**_met(choices, parent), parent: allowed[0]}
    return found


def _is_in(value: Any, values: Any) -> bool:
    """As JSON knows them: a list is a tuple, and true is not 1."""
    same = to_dict(value)
    return any(same == to_dict(v) and isinstance(v, bool) == isinstance(value, bool) for v in values)


def _is_multiple(value: float, step: float) -> bool:
    return math.isclose(value / step, round(value / step), rel_tol=1e-9, abs_tol=1e-9)


def _multiple(value: float, step: float, integer: bool) -> int | float:
    """The nearest one; as it is written, 0.3 and not 3 x 0.1 = 0.30000000000000004."""
    found = round(value / step) * step
    return round(found) if integer else float(f"{found:.12g}")


@dataclass(frozen=True)
class Search:
    """Trials whose values are chosen when they begin, from how those before did."""

    algorithm: str
    """A name of app.execution.studies.searchers."""
    parameters: Mapping[str, Choice]
    """What is chosen."""
    trials: tuple[str, ...]
    """Names of the experiments that it is chosen for."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The algorithm's own, as Tune and the library name them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", to_dict(self.options))
        check_choices(self.parameters)
        fixed = [path for path in self.parameters if path.split(".")[0] in FIXED]
        if fixed:
            raise UsageError(f"{fixed[0]}: a search cannot choose it: the study needs it before the trial begins")


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """The one at `path` of nested values; None where there is none."""
    found: Any = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def with_value(values: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Nested `values` with the one at `path` set.

    Raises:
        UsageError: the path goes through what is not a mapping.
    """
    key, _, rest = path.partition(".")
    if not rest:
        return {**values, key: value}
    inner = values.get(key, {})
    if not isinstance(inner, Mapping):
        raise UsageError(f"{key}: got {inner!r}, expected a mapping that has {rest}")
    return {**values, key: with_value(inner, rest, value)}
