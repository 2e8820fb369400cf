"""How many epochs trials run where a scheduler ends some early: its rules played through with invented scores."""

import math
import random
from collections.abc import Mapping
from statistics import fmean, median

from app.experiment import Study
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


def drawn_epochs(study: Study, seed: int) -> dict[str, int]:
    """Epochs of each trial, by name, in one play: trials come to a rung in the study's order, as they do where they
    are equally long and begin in this order."""
    full = {experiment.name: experiment.epochs for experiment in study.experiments}
    scheduler = study.scheduler
    if scheduler is None or not stops_early(scheduler):
        return full
    chance = random.Random(f"stopping {seed}")
    skill = {name: chance.gauss(0, 1) for name in full}
    every = {experiment.name: experiment.evaluate_every_epochs for experiment in study.experiments}
    if scheduler.name in HALVING:
        return _halved(full, every, scheduler.options, skill, chance)
    return _median_stopped(full, every, scheduler.options, skill, chance)


def _halved(
    full: Mapping[str, int],
    every: Mapping[str, int],
    options: Mapping[str, object],
    skill: Mapping[str, float],
    chance: random.Random,
) -> dict[str, int]:
    """ASHA as Tune has it: at a rung a trial ends that is below the quantile of those that were there before it."""
    grace, factor = int(str(options.get("grace_period", GRACE))), float(str(options.get("reduction_factor", FACTOR)))
    longest = int(str(options.get("max_t", max(full.values()))))
    rungs: list[int] = []
    while grace * factor ** len(rungs) < longest:
        rungs.append(math.ceil(grace * factor ** len(rungs)))
    seen: dict[int, list[float]] = {rung: [] for rung in rungs}
    found = {}
    for name, epochs in full.items():
        found[name] = min(epochs, longest)
        for rung in rungs:
            at = min(epochs, math.ceil(rung / every[name]) * every[name])  # it is asked at evaluations only
            if at >= epochs:
                break
            score = skill[name] + chance.gauss(0, NOISE)
            is_behind = bool(seen[rung]) and score < _quantile(sorted(seen[rung]), 1 - 1 / factor)
            seen[rung].append(score)
            if is_behind:
                found[name] = at
                break
    return found


def _quantile(ordered: list[float], share: float) -> float:
    """With the values between two on their line."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _median_stopped(
    full: Mapping[str, int],
    every: Mapping[str, int],
    options: Mapping[str, object],
    skill: Mapping[str, float],
    chance: random.Random,
) -> dict[str, int]:
    """A trial whose best score so far is below the median of the others' means ends (Golovin et al. 2017)."""
    grace, least = (
        int(str(options.get("grace_period", MEDIAN_GRACE))),
        int(str(options.get("min_samples_required", MEDIAN_MIN))),
    )
    found: dict[str, int] = {}
    curves: dict[str, list[tuple[int, float]]] = {}
    for name, epochs in full.items():
        curves[name], found[name] = [], epochs
        for epoch in range(every[name], epochs + 1, every[name]):
            curves[name].append((epoch, skill[name] + chance.gauss(0, NOISE) + epoch / epochs))
            others = [
                fmean(score for at, score in curve if at <= epoch)
                for other, curve in curves.items()
                if other != name and curve and curve[0][0] <= epoch
            ]
            best = max(score for _, score in curves[name])
            if epoch >= grace and epoch < epochs and len(others) >= least and best < median(others):
                found[name] = epoch
                break
    return found
