"""What a search may choose for its trials, as far as it changes how long they take."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import UsageError
from app.experiment import Experiment, Study
from app.planning.profile import group_of
from app.search_space import Parameters, applicable, draw, listed, value_at

NUM_DRAWN = 100
"""Values that are drawn once, of which each trial has some in each play."""
LENGTHS = ("epochs", "evaluate_every_epochs")
"""Options whose cost is known without measuring."""
SPREAD_BETWEEN, SPREAD_UNLIKE = 0.12, 0.30
"""Assumed: how far off a cost may be that lies between two measured values of one option; and that of a combination of
values each of which was measured in another."""


@dataclass(frozen=True)
class Option:
    """One draw: the measured trainings between which its cost lies, with their weights."""

    key: str
    """Of what was drawn."""
    parts: tuple[tuple[Experiment, float], ...]
    spread: float
    """0: it was measured itself."""

    @property
    def experiment(self) -> Experiment:
        """The one that it is most like."""
        return max(self.parts, key=lambda part: part[1])[0]


class Space:
    """The draws of each of a search's trials; a searcher is taken to choose evenly, for what it learns nobody knows."""

    def __init__(self, study: Study, knows: Callable[[Experiment], bool]) -> None:
        """`knows`: whether trainings of an experiment's kind were measured.

        Raises:
            UsageError: the search may choose what nothing measured is like; says what.
        """
        self.paths: tuple[str, ...] = ()
        """Options that the search chooses and that change what a trial takes."""
        self._options: dict[str, Sequence[Option]] = {}
        self._orders: dict[str, list[int]] = {}
        if study.search is None:
            return
        parameters, made = study.search.parameters, study.variants()
        by_name = {experiment.name: experiment for experiment in study.experiments}
        base: Experiment | None = None
        options: Sequence[Option] = ()
        for name in study.search.trials:
            if base is None or base != replace(by_name[name], name=base.name):  # as of Study.variants
                base = by_name[name]
                paths = _changing(base, made[name], parameters)
                self.paths = tuple(dict.fromkeys((*self.paths, *paths)))
                options = _drawn(base, made[name], parameters, paths, study, knows) if paths else ()
            if options:
                self._options[name] = options

    def options(self, name: str) -> Sequence[Option]:
        """None for a trial whose values are known, or change nothing."""
        return self._options.get(name, ())

    def drawn(self, seed: int) -> dict[str, Option]:
        """Of each trial whose values change its cost, one draw; over NUM_DRAWN seeds each of its draws has its turn
        (Latin hypercube, McKay et al. 1979)."""
        if not self._orders:
            for name in self._options:
                self._orders[name] = random.Random(f"chosen {name}").sample(range(NUM_DRAWN), NUM_DRAWN)
        return {name: options[self._orders[name][seed % NUM_DRAWN]] for name, options in self._options.items()}

    def line(self) -> str | None:
        """What the times take of it."""
        if not self._options:
            return None
        kinds = {option.key: option for options in self._options.values() for option in options}.values()
        guessed = sum(option.spread > 0 for option in kinds)
        like = f"; {guessed} of {len(kinds)} kinds of training were not measured and count like those nearest to them"
        chosen = f"the search chooses {', '.join(self.paths)}: times are means over values drawn evenly"
        return f"{chosen}{like if guessed else ''}"


def _changing(base: Experiment, variants: Sequence[Experiment], parameters: Parameters) -> list[str]:
    """The parameters whose values make trials of other kinds or lengths."""

    def cost(experiment: Experiment) -> tuple[str, int, int]:
        return group_of(experiment), experiment.epochs, experiment.evaluate_every_epochs

    plain = base.to_dict()
    costs = {cost(base)} | {cost(variant) for variant in variants}
    if len(costs) == 1:
        return []
    of_path: dict[str, set[tuple[str, int, int]]] = {}
    for variant in variants:
        values = variant.to_dict()
        for path in parameters:
            if value_at(values, path) != value_at(plain, path):
                of_path.setdefault(path, {cost(base)}).add(cost(variant))
    return [path for path in parameters if len(of_path.get(path, ())) > 1]


def _drawn(
    base: Experiment,
    variants: Sequence[Experiment],
    parameters: Parameters,
    paths: Sequence[str],
    study: Study,
    knows: Callable[[Experiment], bool],
) -> list[Option]:
    chance = random.Random(f"search {study.seed}")
    drawn = []
    for _ in range(NUM_DRAWN):
        values = {path: draw(choice, chance) for path, choice in parameters.items()}
        drawn.append(base.with_values(applicable(parameters, values)))
    known = Known([e for e in (base, *variants, *drawn) if knows(e)], [p for p in paths if p not in LENGTHS])
    return [known.option(experiment, parameters) for experiment in drawn]


class Known:
    """Trainings of measured kinds, by the values that a search chooses."""

    def __init__(self, experiments: Sequence[Experiment], paths: Sequence[str]) -> None:
        self._paths = paths
        self._by_group = {group_of(experiment): experiment for experiment in experiments}
        self._values = {group: self._of(experiment) for group, experiment in self._by_group.items()}

    def option(self, experiment: Experiment, parameters: Parameters) -> Option:
        """Raises UsageError where nothing measured is like it."""
        group = group_of(experiment)
        if group in self._by_group:
            return Option(group, ((experiment, 1.0),), 0.0)
        values = self._of(experiment)
        for path, value in values.items():
            self._check(path, value, parameters)
        between = self._between(values)
        spread = SPREAD_BETWEEN if between else SPREAD_UNLIKE
        parts = between or [(min(self._values, key=lambda one: _apart(values, self._values[one])), 1.0)]
        lengths = {name: getattr(experiment, name) for name in LENGTHS}
        made = ((replace(self._by_group[one], **lengths), weight) for one, weight in parts)
        return Option(group, tuple(made), spread)

    def _of(self, experiment: Experiment) -> dict[str, Any]:
        plain = experiment.to_dict()
        return {path: value_at(plain, path) for path in self._paths}

    def _check(self, path: str, value: Any, parameters: Parameters) -> None:
        seen = [values[path] for values in self._values.values()]
        numbers = [one for one in seen if _is_number(one)]
        is_within = _is_number(value) and bool(numbers) and min(numbers) <= value <= max(numbers)
        if value not in seen and not (is_within and listed(parameters[path]) is None):
            measured = ", ".join(sorted({repr(one) for one in seen})) or "none"
            raise UsageError(
                f"{path}: the search may choose {value!r}, and the profile has trainings with {measured}: measure what "
                "it may choose with jobs/calibrate.py, or run some of it for an epoch"
            )

    def _between(self, values: Mapping[str, Any]) -> list[tuple[str, float]]:
        """The two of which one option alone is another number, lower and higher, with weights by how near they are."""
        for path, value in values.items():
            if not _is_number(value):
                continue
            others = {
                theirs[path]: group
                for group, theirs in self._values.items()
                if _is_number(theirs[path]) and {**theirs, path: value} == values
            }
            low, high = (
                max((n for n in others if n < value), default=None),
                min((n for n in others if n > value), default=None),
            )
            if low is not None and high is not None:
                share = (value - low) / (high - low)
                return [(others[low], 1 - share), (others[high], share)]
        return []


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How many options differ, numbers of one sign by how many times they do."""
    found = 0.0
    for path, value in one.items():
        theirs = other[path]
        if _is_number(value) and _is_number(theirs) and value * theirs > 0:
            found += min(1.0, abs(math.log(value / theirs)))
        else:
            found += value != theirs
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
