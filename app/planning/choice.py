"""Candidates for a plan, what each takes, the bound below which none can be, and the best."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.planning.plan import DATA_PARALLEL, EXPERIMENT_PARALLEL, HYBRID, Stage

NUM_TRIALS_IN_FULL = 64
"""Up to so many, every split of the trials into two stages is tried; above, those at the ends of the last waves."""
NUM_LAST_WAVES = 1
NUM_NARROW = 3
"""Above, only so many widths, the best ones alone, go first in a mixture."""
NUM_MIXED = 5
"""Mixtures that are kept, the fastest."""

Seconds = Callable[[str, int, int], tuple[float, float] | None]
"""What a trial takes, from its name, its workers and how many trials run side by side: start-up once a lane, and run.
None: impossible."""


@dataclass(frozen=True)
class Candidate:
    strategy: str
    stages: tuple[Stage, ...]
    makespan_s: float


def makespan_s(stages: Sequence[Stage], seconds: Seconds) -> float | None:
    """As studies run: each trial begins on the first free lane; lanes of another width wait for all before. None where
    a trial cannot run so."""
    total_s, lanes, width = 0.0, [0.0], (0, 0)
    started: set[int] = set()
    for stage in stages:
        k, c = stage.workers_per_trial, stage.concurrent_trials
        if (k, c) != width:
            total_s, width = total_s + max(lanes), (k, c)
            lanes, started = [0.0] * c, set()
        heap = [(end_s, lane) for lane, end_s in enumerate(lanes)]
        heapq.heapify(heap)
        for name in stage.trials:
            found = seconds(name, k, c)
            if found is None:
                return None
            end_s, lane = heap[0]
            start_s = 0.0 if lane in started else found[0]
            started.add(lane)
            heapq.heapreplace(heap, (end_s + start_s + found[1], lane))
            lanes[lane] = end_s + start_s + found[1]
    return total_s + max(lanes)


def lower_bound_s(trials: Sequence[str], num_workers: int, widths: Sequence[int], seconds: Seconds) -> float:
    """No plan is faster: max of the longest trial at its best k, and of the least work over the workers. Start-up is
    left out, and neighbours are taken to slow a trial down or leave it alone, never to speed it up."""
    longest_s, work_s = 0.0, 0.0
    for name in trials:
        options = [(k, found[1]) for k in widths if (found := _fastest(name, k, num_workers // k, seconds))]
        longest_s = max(longest_s, min(run_s for _, run_s in options))
        work_s += min(k * run_s for k, run_s in options)
    return max(longest_s, work_s / num_workers)


def _fastest(name: str, k: int, most: int, seconds: Seconds) -> tuple[float, float] | None:
    found = [one for c in {1, max(1, most)} if (one := seconds(name, k, c)) is not None]
    return min(found, key=lambda one: one[1]) if found else None


def candidates(
    generations: Sequence[Sequence[str]], num_workers: int, widths: Sequence[int], seconds: Seconds
) -> list[Candidate]:
    """Every width alone, and of every two widths the best split, the fastest first. Trials go longest first.

    Args:
        generations: names; those of one start from those before.
        widths: workers a trial that may be.

    Raises:
        ValueError: no width fits all trials.
    """
    uniform = [_made(_strategy(k, num_workers), _uniform(generations, k), num_workers, seconds) for k in widths]
    found = [one for one in uniform if one is not None]
    if len(generations) == 1:
        alone = sorted(found, key=lambda one: one.makespan_s)
        limit = None if len(generations[0]) <= NUM_TRIALS_IN_FULL else NUM_NARROW
        narrow = [one.stages[0].workers_per_trial for one in alone[:limit]] if limit else widths
        found += _mixed(generations[0], num_workers, narrow, widths, seconds)
    if not found:
        raise ValueError(f"no number of workers a trial among {[*widths]} fits every trial: their batches differ")
    return sorted(found, key=lambda one: (one.makespan_s, len(one.stages)))


def _mixed(
    trials: Sequence[str], num_workers: int, narrow: Sequence[int], widths: Sequence[int], seconds: Seconds
) -> list[Candidate]:
    best = []
    for first, then in ((a, b) for a in narrow for b in widths if a < b):
        splits = _splits(trials, first, then, num_workers, seconds)
        made = [one for parts in splits if (one := _made(f"mixed:{first}+{then}", parts, num_workers, seconds))]
        best += [min(made, key=lambda one: one.makespan_s)] if made else []
    return sorted(best, key=lambda one: one.makespan_s)[:NUM_MIXED]


Parts = Sequence[tuple[int, Sequence[str]]]


def _uniform(generations: Sequence[Sequence[str]], k: int) -> Parts:
    return [(k, names) for names in generations]


def _splits(
    trials: Sequence[str], narrow: int, wide: int, num_workers: int, seconds: Seconds
) -> Iterator[list[tuple[int, list[str]]]]:
    lanes = num_workers // narrow
    ordered = _longest_first(trials, narrow, lanes, seconds)
    if len(ordered) <= NUM_TRIALS_IN_FULL:
        sizes = list(range(1, len(ordered)))
    else:
        waves = len(ordered) // lanes
        sizes = [wave * lanes for wave in range(waves - NUM_LAST_WAVES, waves + 1)]
    for size in sizes:
        if 0 < size < len(ordered):
            yield [(narrow, ordered[:size]), (wide, ordered[size:])]
            yield [(narrow, ordered[-size:]), (wide, ordered[:-size])]


def _longest_first(names: Sequence[str], k: int, c: int, seconds: Seconds) -> list[str]:
    found = {name: seconds(name, k, c) for name in names}
    return sorted(names, key=lambda name: -sum(found[name] or (0.0,)))


def _made(strategy: str, parts: Parts, num_workers: int, seconds: Seconds) -> Candidate | None:
    stages = []
    for k, names in parts:
        c = min(num_workers // k, len(names))
        stages.append(Stage(k, c, tuple(_longest_first(names, k, c, seconds))))
    found = makespan_s(stages, seconds)
    return None if found is None else Candidate(strategy, tuple(stages), found)


def _strategy(k: int, num_workers: int) -> str:
    return EXPERIMENT_PARALLEL if k == 1 else DATA_PARALLEL if k == num_workers else f"{HYBRID}:{k}"
