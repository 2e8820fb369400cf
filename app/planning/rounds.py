"""Rounds of a population: after each its members wait for the slowest."""

from collections.abc import Sequence
from itertools import pairwise

from app.experiment import Study
from app.planning.lanes import ALONE, Seconds, makespan_s
from app.planning.plan import Stage


def round_epochs(study: Study) -> list[int]:
    """Epochs of each round; none where the study is no population."""
    population = None if study.scheduler is None else study.scheduler.population()
    if population is None:
        return []
    epochs = study.experiments[0].epochs
    first = max(population.perturbation_interval, population.burn_in_period)
    ends = [*range(first, epochs, population.perturbation_interval), epochs]
    return [end - begin for begin, end in pairwise([0, *ends])]


def rounds_s(stages: Sequence[Stage], rounds: Sequence[Seconds]) -> float | None:
    """One round after the other. A member that goes on resumes in processes that are there; where stages of several
    widths take turns, these are new in every round."""
    several, total_s = len({stage.workers_per_trial for stage in stages}) > 1, 0.0
    for number, seconds in enumerate(rounds):
        found = makespan_s(stages, seconds if several or number == 0 else on_lanes(seconds), ALONE)
        if found is None:
            return None
        total_s += found
    return total_s


def on_lanes(seconds: Seconds) -> Seconds:
    """Where all lanes are there."""

    def later(name: str, k: int, places: int, busy: int) -> tuple[float, float] | None:
        found = seconds(name, k, places, busy)
        return None if found is None else (0.0, found[1])

    return later
