"""Workers that nothing is left to begin for go to trainings under way: these resume on more where that pays.

So do RASDA's survivors (Future Generation Computer Systems 175, 2026, arXiv 2412.02729); here the batches stay the
same, and so do the results.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.experiment import Experiment
from app.planning.cost import CostModel

GAIN = 1.6
"""Assumed where nothing was measured: of twice the workers, times the speed."""
START_S = 20.0
"""Assumed where nothing was measured: start-up of a worker group."""
WORTH = 0.9
"""A training is moved where its end comes in less than this share of the time that it would take else (assumed)."""

Lane = tuple[int, int]
"""Its number and its width: it has the workers from number x width on."""


@dataclass(frozen=True)
class Wider:
    """Where a training resumes."""

    num_workers: int
    lane: int
    saved_s: float
    """How much sooner it is expected to end."""


Again = Callable[[int], tuple[float, float]]
"""For a number of workers: seconds until a training has resumed on them, and the rest of its time as a share of what it
takes on those that it has."""


def wider(k: int, widths: Iterable[int], left_s: float, again: Again) -> tuple[int, float] | None:
    """The width on which a training ends first, and how many seconds sooner; None where none is worth the move.

    Args:
        k: workers that it has.
        widths: that it may have.
        left_s: until its end on those that it has.
    """
    ends = [(start_s + share * left_s, width) for width in widths for start_s, share in [again(width)] if width > k]
    if not ends:
        return None
    end_s, width = min(ends)
    return (width, left_s - end_s) if end_s < WORTH * left_s else None


def widths(k: int, batch_size: int, num_free: int, num_workers: int, num_live: int) -> list[int]:
    """Those that a training may be moved to: its own doubled, or doubled again as long as that is no more than its
    share of all workers; the batch divides by each.

    Args:
        num_free: workers that no training has.
        num_live: trainings under way, this one among them.
    """
    found, width = [], 2 * k
    while width - k <= num_free and (width == 2 * k or width <= num_workers // num_live):
        found.append(width)
        width *= 2
    return [width for width in found if batch_size % width == 0]


def free_lane(taken: Iterable[Lane], width: int) -> int:
    """Number of the first lane of a width whose workers are in none of those taken."""
    held = {worker for lane, k in taken for worker in range(lane * k, (lane + 1) * k)}
    lane = 0
    while not held.isdisjoint(range(lane * width, (lane + 1) * width)):
        lane += 1
    return lane


def measured(model: CostModel, experiment: Experiment, k: int, num_workers: int, num_live: int) -> Again:
    """By what was measured."""

    def times(width: int) -> tuple[float, float]:
        places = max(1, num_workers // width)
        cost = model.cost(experiment, width, places, min(places, num_live))
        return cost.lane_s + cost.again_s, cost.steps_s + cost.evaluation_s + cost.checkpoint_s + cost.other_s

    def again(width: int) -> tuple[float, float]:
        start_s, wide_s = times(width)
        return start_s, wide_s / times(k)[1]

    return again


def assumed(k: int, start_s: float) -> Again:
    """Where nothing was measured but how long start-up took."""

    def again(width: int) -> tuple[float, float]:
        share, now = 1.0, k
        while now < width:
            share, now = share / GAIN, 2 * now
        return max(start_s, START_S), share

    return again
