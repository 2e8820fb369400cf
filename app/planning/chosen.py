"""What a search may choose for its trials, as far as it changes how long they take."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import UsageError
from app.experiment import Experiment, Study
from app.planning.profile import group_of
from app.search_space import Parameters, applicable, draw, extremes, listed, value_at

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
    """Names what was drawn."""
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
        for base, names in _bases(study):
            ends = _ends(base, study.search.parameters)
            if len({_cost(base), *map(_cost, ends)}) == 1:
                continue
            paths = _changing(ends, study.search.parameters)
            self.paths = tuple(dict.fromkeys((*self.paths, *paths)))
            options = _drawn(base, ends, study.search.parameters, paths, study.seed, knows)
            self._options |= dict.fromkeys(names, options)

    def options(self, name: str) -> Sequence[Option]:
        """None for a trial whose values are known, or change nothing."""
        return self._options.get(name, ())

    def drawn(self, seed: int) -> dict[str, Option]:
        """One draw for each trial whose values change its cost; over NUM_DRAWN seeds each of its draws has its turn
        (Latin hypercube, McKay et al. 1979)."""
        if not self._orders:
            for name in self._options:
                self._orders[name] = random.Random(f"chosen {name}").sample(range(NUM_DRAWN), NUM_DRAWN)
        return {name: options[self._orders[name][seed % NUM_DRAWN]] for name, options in self._options.items()}

    def line(self) -> str | None:
        """What the times take of it."""
        if not self.paths:
            return None
        kinds = {option.key: option for options in self._options.values() for option in options}.values()
        guessed = sum(option.spread > 0 for option in kinds)
        like = f"; {guessed} of {len(kinds)} kinds of training were not measured and count like those nearest to them"
        chosen = f"the search chooses {', '.join(self.paths)}: times are means over values drawn evenly"
        return f"{chosen}{like if guessed else ''}"


def that_may_come(study: Study) -> list[Experiment]:
    """The experiments, and in place of a search's those with each value, or the ends, of what it may choose; of trials
    that are alike but for their names once."""
    if study.search is None:
        return [*study.experiments]
    searched = {*study.search.trials}
    found = [one for one in study.experiments if one.name not in searched]
    for base, _ in _bases(study):
        found += _ends(base, study.search.parameters)
    return found


def _bases(study: Study) -> list[tuple[Experiment, list[str]]]:
    """The experiments that a search gives values, alike but for their names as one, and these names."""
    by_name = {experiment.name: experiment for experiment in study.experiments}
    found: list[tuple[Experiment, list[str]]] = []
    for name in study.search.trials if study.search is not None else ():
        if not found or found[-1][0] != replace(by_name[name], name=found[-1][0].name):
            found.append((by_name[name], []))
        found[-1][1].append(name)
    return found


def _ends(base: Experiment, parameters: Parameters) -> list[Experiment]:
    """With each value of lists and the ends of ranges, one after the other, beside the first of all others."""
    first: dict[str, Any] = {}
    every = [*extremes(parameters)]
    for path in parameters:
        first[path] = next(values[path] for values in every if path in values)
    return [base.with_values(applicable(parameters, {**first, **values})) for values in every]


def _cost(experiment: Experiment) -> tuple[str, int, int]:
    """Trials cost the same where it is equal."""
    return group_of(experiment), experiment.epochs, experiment.evaluate_every_epochs


def _changing(ends: Sequence[Experiment], parameters: Parameters) -> list[str]:
    """The parameters whose values make trials of other kinds or lengths."""
    first, costs = ends[0].to_dict(), {path: {_cost(ends[0])} for path in parameters}
    for one in ends:
        values = one.to_dict()
        for path in parameters:
            if value_at(values, path) != value_at(first, path):
                costs[path].add(_cost(one))
    return [path for path in parameters if len(costs[path]) > 1]


def _drawn(
    base: Experiment,
    ends: Sequence[Experiment],
    parameters: Parameters,
    paths: Sequence[str],
    seed: int,
    knows: Callable[[Experiment], bool],
) -> list[Option]:
    chance = random.Random(f"search {seed}")
    drawn = []
    for _ in range(NUM_DRAWN):
        values = {path: draw(choice, chance) for path, choice in parameters.items()}
        drawn.append(base.with_values(applicable(parameters, values)))
    known = Known([e for e in (*ends, *drawn) if knows(e)], [p for p in paths if p not in LENGTHS])
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
