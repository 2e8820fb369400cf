"""How long stages take: trials on lanes, as studies run them."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from app.planning.plan import Stage

NUM_DRAINED = 64
"""With more lanes than these it is neglected that the last trials have fewer neighbours: they are on other hosts."""

Seconds = Callable[[str, int, int], tuple[float, float] | None]
"""What a trial takes, from its name, its workers and how many run side by side: start-up once a lane, and run.
None: impossible."""


def makespan_s(stages: Sequence[Stage], seconds: Seconds) -> float | None:
    """As studies run: each trial begins on the first free lane; lanes of another width wait for all before. None where
    a trial cannot run so."""
    total_s = 0.0
    for (k, c), same in groupby(stages, key=lambda stage: (stage.workers_per_trial, stage.concurrent_trials)):
        found = lanes_s([name for stage in same for name in stage.trials], k, c, seconds)
        if found is None:
            return None
        total_s += found
    return total_s


def lanes_s(names: Sequence[str], k: int, c: int, seconds: Seconds) -> float | None:
    """Time of trials on `c` lanes of `k` workers, in the order given. Once none is left to begin, those that are under
    way have fewer and fewer neighbours."""
    c = min(c, len(names))
    lanes: list[tuple[float, str]] = []
    for position, name in enumerate(names):
        found = seconds(name, k, c)
        if found is None:
            return None
        if position < c:
            heapq.heappush(lanes, (found[0] + found[1], name))
        else:
            heapq.heapreplace(lanes, (lanes[0][0] + found[1], name))
    if c > NUM_DRAINED:
        return max(end_s for end_s, _ in lanes)
    return _drained_s(lanes, k, c, seconds)


def _drained_s(lanes: Sequence[tuple[float, str]], k: int, c: int, seconds: Seconds) -> float:
    """The end of the last, where each that ends leaves the others faster.

    Args:
        lanes: when each would end beside all others, and its name.
    """
    left = sorted(lanes)
    now_s, beside = left[0][0], c
    while len(left) > 1:
        left = left[1:]
        rates = _rates(left, k, beside, len(left), seconds)
        left = sorted((now_s + (end_s - now_s) * rate, name) for (end_s, name), rate in zip(left, rates, strict=True))
        now_s, beside = left[0][0], len(left)
    return now_s


def _rates(left: Sequence[tuple[float, str]], k: int, before: int, now: int, seconds: Seconds) -> Iterator[float]:
    for _, name in left:
        more, fewer = seconds(name, k, before), seconds(name, k, now)
        yield min(1.0, fewer[1] / more[1]) if more is not None and fewer is not None and more[1] > 0 else 1.0
