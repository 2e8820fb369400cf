"""How many epochs trials run where a scheduler ends some early: its rules played through with invented scores."""

import math
import random
from collections.abc import Mapping
from statistics import fmean, median
from typing import Protocol

from app.experiment import Experiment, Study
from app.scheduling import Scheduler

HALVING = ("asha", "async_hyperband", "asynchyperband")
MEDIAN = ("median_stopping_rule", "medianstopping")
GRACE, FACTOR, MEDIAN_MIN = 1, 4, 3
"""Tune's own defaults."""
MEDIAN_GRACE = 1
"""The studies' own: Tune's is 60, of seconds."""
NOISE = 0.3
"""Assumed: standard deviation of a score at one evaluation, of that between trials at their end."""


def stops_early(scheduler: Scheduler | None) -> bool:
    return scheduler is not None and scheduler.name in (*HALVING, *MEDIAN)


def drawn_epochs(study: Study, seed: int, experiments: Mapping[str, Experiment] | None = None) -> dict[str, int]:
    """Epochs of each trial, by name, in one play: trials come to a rung in the study's order, as they do where they
    are equally long and begin in this order. Those that are validated on the same compare, as when the study runs.

    Args:
        experiments: the study's, with values that a search has chosen; as listed if not given.
    """
    found = {experiment.name: experiment for experiment in study.experiments} if experiments is None else experiments
    full = {name: experiment.epochs for name, experiment in found.items()}
    scheduler = study.scheduler
    if scheduler is None or not stops_early(scheduler):
        return full
    chance = random.Random(f"stopping {seed}")
    skill = {name: chance.gauss(0, 1) for name in full}
    longest = max(experiment.epochs for experiment in study.experiments)
    rules: dict[object, Rule] = {}
    for name, experiment in found.items():
        key = repr(experiment.validated_on)
        if key not in rules:
            rules[key] = Halving(scheduler, longest) if scheduler.name in HALVING else MedianRule(scheduler)
        full[name] = _ended(rules[key], name, experiment, skill[name], chance)
    return full


def _ended(rule: "Rule", name: str, experiment: Experiment, skill: float, chance: random.Random) -> int:
    """The epoch after which it ends."""
    rule.add(name, chance)
    epochs, every = experiment.epochs, experiment.evaluate_every_epochs
    evaluated: list[int] = [*range(every, epochs, every), epochs]
    for epoch in evaluated:
        score = skill + chance.gauss(0, NOISE) + epoch / epochs
        if epoch == epochs or rule.stops(name, epoch, score):
            rule.over(name, epoch, score)
            return epoch
    raise AssertionError("the last epoch ends a trial")


class Rule(Protocol):
    """Hears of a trial's evaluations but its last and says whether it ends; and of its last, whichever that was."""

    def add(self, name: str, chance: random.Random) -> None: ...

    def stops(self, name: str, epoch: int, score: float) -> bool: ...

    def over(self, name: str, epoch: int, score: float) -> None: ...


class Halving:
    """ASHA as Tune has it: at a rung a trial ends that is below the quantile of those that were there before it; a
    trial of a bracket skips as many of the first rungs."""

    def __init__(self, scheduler: Scheduler, longest: int) -> None:
        options = scheduler.options
        grace, self._factor = _number(options, "grace_period", GRACE), _number(options, "reduction_factor", FACTOR)
        self._longest, self._ends_all = _number(options, "max_t", longest), options.get("stop_last_trials", True)
        most = math.log(self._longest / grace) / math.log(self._factor)
        counts = [int(most - bracket + 1) for bracket in range(int(_number(options, "brackets", 1)))]
        self._brackets: list[list[tuple[float, dict[str, float]]]] = [
            [(grace * self._factor ** (k + bracket), {}) for k in reversed(range(count))]
            for bracket, count in enumerate(counts)
        ]
        self._weights = [math.exp(max(0, count) - max(counts)) for count in counts]
        self._bracket_of: dict[str, int] = {}

    def add(self, name: str, chance: random.Random) -> None:
        (self._bracket_of[name],) = chance.choices(range(len(self._brackets)), self._weights)

    def stops(self, name: str, epoch: int, score: float) -> bool:
        return (epoch >= self._longest and self._ends_all) or self._is_behind(name, epoch, score)

    def over(self, name: str, epoch: int, score: float) -> None:
        self._is_behind(name, epoch, score)  # so Tune: with few evaluations it counts at the rung below too

    def _is_behind(self, name: str, epoch: int, score: float) -> bool:
        for milestone, seen in self._brackets[self._bracket_of[name]]:
            if epoch >= milestone and name in seen and not self._ends_all:
                return False
            if epoch >= milestone and name not in seen:
                is_behind = bool(seen) and score < _quantile(sorted(seen.values()), 1 - 1 / self._factor)
                seen[name] = score
                return is_behind
        return False


class MedianRule:
    """A trial whose best score so far is below the median of the others' means so far ends, where enough others have
    come as far (Golovin et al. 2017)."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._grace = _number(scheduler.options, "grace_period", MEDIAN_GRACE)
        self._least = _number(scheduler.options, "min_samples_required", MEDIAN_MIN)
        self._ends = bool(scheduler.options.get("hard_stop", True))
        """Else a trial is only paused, and goes on later."""
        self._curves: dict[str, list[tuple[int, float]]] = {}

    def add(self, name: str, chance: random.Random) -> None:
        self._curves[name] = []

    def over(self, name: str, epoch: int, score: float) -> None:
        self._curves[name].append((epoch, score))

    def stops(self, name: str, epoch: int, score: float) -> bool:
        self._curves[name].append((epoch, score))
        if epoch < self._grace:
            return False
        others = [curve for other, curve in self._curves.items() if other != name and curve and curve[-1][0] >= epoch]
        within = ([value for at, value in curve if self._grace <= at <= epoch] for curve in others)
        means = [fmean(values) for values in within if values]
        if len(means) < self._least:
            return False
        best = max(value for _, value in self._curves[name])
        return self._ends and best < median(means)


def _number(options: Mapping[str, object], name: str, otherwise: float) -> float:
    return float(str(options.get(name, otherwise)))


def _quantile(ordered: list[float], share: float) -> float:
    """With the values between two on their line."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
