"""Candidates for a plan, what each takes, the bound below which none can be, and the best."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product

from app.errors import UsageError
from app.planning.lanes import ALONE, Origins, Seconds, lanes_s, makespan_s
from app.planning.plan import DATA_PARALLEL, EXPERIMENT_PARALLEL, HYBRID, Stage

NUM_EXACT = 6_000
"""Up to so many ways to give every trial a width are all tried."""
NUM_TRIALS_CUT = 32
"""Up to so many trials, longest first, are cut into stages at every place; of more, those that fill whole waves on one
width are left there and the rest is cut."""
NUM_WIDTHS_CUT = 4
"""Widths that stages are made of, where the trials are too many to try all: the best alone."""
NUM_MIXED = 5
"""Mixtures that are kept, the fastest, one of each order of widths."""


@dataclass(frozen=True)
class Candidate:
    strategy: str
    stages: tuple[Stage, ...]
    makespan_s: float


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
    found = [one for c in {1, max(1, most)} for b in {1, c} if (one := seconds(name, k, c, b)) is not None]
    return min(found, key=lambda one: one[1]) if found else None


def candidates(
    generations: Sequence[Sequence[str]],
    num_workers: int,
    widths: Sequence[int],
    seconds: Seconds,
    origins: Origins = ALONE,
    room: Mapping[int, int] | None = None,
) -> list[Candidate]:
    """Every width alone, and the best mixtures of them, the fastest first. Trials go longest first.

    Args:
        generations: names; those of one start from those before.
        origins: from which one each.
        widths: workers a trial that may be.
        room: by width, how many trials may run at a time where that is fewer than the workers allow.

    Raises:
        UsageError: no width fits all trials.
    """
    widths, pool = sorted(widths), Pool(num_workers, room or {})
    uniform = [_made([(k, names) for names in generations], pool, seconds, origins) for k in widths]
    found = [one for one in uniform if one is not None]
    if not found:
        raise UsageError(f"no number of workers a trial among {[*widths]} fits every trial: their batches differ")
    if len(generations) == 1 and len(widths) > 1:
        alone = [one.stages[0].workers_per_trial for one in sorted(found, key=lambda one: one.makespan_s)]
        best: dict[str, Candidate] = {}
        for parts in _mixtures(generations[0], pool, widths, alone, seconds):
            made = _made(parts, pool, seconds) if len({k for k, _ in parts}) > 1 else None
            if made is not None and (made.strategy not in best or made.makespan_s < best[made.strategy].makespan_s):
                best[made.strategy] = made
        found += sorted(best.values(), key=lambda one: one.makespan_s)[:NUM_MIXED]
    return sorted(found, key=lambda one: (one.makespan_s, len(one.stages)))


@dataclass(frozen=True)
class Pool:
    """The workers, and how many trials have room on them."""

    num_workers: int
    room: Mapping[int, int]

    def lanes(self, k: int) -> int:
        lanes = self.num_workers // k
        return min(lanes, self.room.get(k, lanes))


Parts = Sequence[tuple[int, Sequence[str]]]


def _mixtures(
    trials: Sequence[str], pool: Pool, widths: Sequence[int], alone: Sequence[int], seconds: Seconds
) -> Iterator[Parts]:
    """Ways to spread the trials over widths.

    Args:
        alone: the widths, the fastest by themselves first.
    """
    if len(widths) ** len(trials) <= NUM_EXACT:
        for chosen in product(widths, repeat=len(trials)):
            yield [(k, [n for n, w in zip(trials, chosen, strict=True) if w == k]) for k in sorted(set(chosen))]
        return
    some = sorted(alone[:NUM_WIDTHS_CUT]) if len(alone) > NUM_WIDTHS_CUT else widths
    if len(trials) <= NUM_TRIALS_CUT:
        ordered = longest_first(trials, some[0], pool.lanes(some[0]), seconds)
        yield from _cuts(ordered, pool, some, seconds)
        return
    for first in some:
        lanes = pool.lanes(first)
        ordered = longest_first(trials, first, lanes, seconds)
        waves = len(ordered) // lanes
        for num_full in {max(0, waves - 1) * lanes, waves * lanes}:
            tail = ordered[num_full:]
            if 0 < len(tail) < len(ordered):
                yield from _tails(first, ordered[:num_full], tail, pool, widths, seconds)


def _tails(
    first: int, full: Sequence[str], tail: Sequence[str], pool: Pool, widths: Sequence[int], seconds: Seconds
) -> Iterator[Parts]:
    """Whole waves on one width, and the last trials on others: on one, or cut."""
    wider = [k for k in widths if k != first]
    for k in wider:
        yield [(first, full), (k, tail)]
    if len(tail) <= NUM_TRIALS_CUT:
        near = sorted(wider, key=lambda k: abs(len(tail) * k - pool.num_workers))[:NUM_WIDTHS_CUT]
        for parts in _cuts(tail, pool, sorted(near), seconds):
            yield [(first, full), *parts]


def _cuts(ordered: Sequence[str], pool: Pool, widths: Sequence[int], seconds: Seconds) -> Iterator[Parts]:
    """The best ways to cut the trials, in this order, into stages of rising and of falling widths: exact among these
    by dynamic programming."""

    @cache
    def piece_s(begin: int, end: int, k: int) -> float:
        found = lanes_s(ordered[begin:end], k, pool.lanes(k), seconds)
        return math.inf if found is None else found

    orders = [list(widths), [*reversed(widths)], *map(list, pairwise(widths)), [widths[0], widths[-1]]]
    for order in orders:
        if cuts := _best_cuts(len(ordered), tuple(order), piece_s):
            yield [(k, ordered[begin:end]) for k, begin, end in cuts]


Cut = tuple[int, int, int]
"""Workers a trial, and the first trial and the one after the last."""


def _best_cuts(num: int, widths: tuple[int, ...], piece_s: Callable[[int, int, int], float]) -> tuple[Cut, ...]:
    @cache
    def best(begin: int, number: int) -> tuple[float, tuple[Cut, ...]]:
        """The best cuts of the trials from `begin` on, by the widths from that number on."""
        if begin == num:
            return 0.0, ()
        if number == len(widths):
            return math.inf, ()
        options = [best(begin, number + 1)]
        for end in range(begin + 1, num + 1):
            rest_s, cuts = best(end, number + 1)
            options.append((piece_s(begin, end, widths[number]) + rest_s, ((widths[number], begin, end), *cuts)))
        return min(options)

    return best(0, 0)[1]


def longest_first(names: Sequence[str], k: int, c: int, seconds: Seconds) -> list[str]:
    found = {name: seconds(name, k, c, c) for name in names}
    return sorted(names, key=lambda name: -sum(found[name] or (0.0,)))


def _made(parts: Parts, pool: Pool, seconds: Seconds, origins: Origins = ALONE) -> Candidate | None:
    stages = []
    for k, names in parts:
        if names:
            c = min(pool.lanes(k), len(names))
            stages.append(Stage(k, c, tuple(longest_first(names, k, c, seconds))))
    found = makespan_s(stages, seconds, origins)
    return None if found is None else Candidate(_strategy(stages, pool), tuple(stages), found)


def _strategy(stages: Sequence[Stage], pool: Pool) -> str:
    widths = list(dict.fromkeys(stage.workers_per_trial for stage in stages))
    if len(widths) > 1:
        return f"mixed:{'+'.join(map(str, widths))}"
    (k,) = widths
    return EXPERIMENT_PARALLEL if k == 1 else DATA_PARALLEL if k == pool.num_workers else f"{HYBRID}:{k}"
