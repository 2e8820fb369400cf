"""How long stages take: trials on lanes, as studies run them."""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from app.planning.plan import Stage

NUM_DRAINED = 64
"""With more lanes than these it is neglected that the last trials have fewer neighbours: they are on other hosts."""

Seconds = Callable[[str, int, int], tuple[float, float] | None]
"""What a trial takes, from its name, its workers and how many run side by side: start-up once a lane, and run.
None: impossible."""


Origins = Mapping[str, str]
"""By a trial's name the one that it starts from, where there is one."""
ALONE: Origins = {}

Placed = tuple[str, int, bool, float, float]
"""Name, lane, whether it is the lane's first, start and end."""


def makespan_s(stages: Sequence[Stage], seconds: Seconds, origins: Origins = ALONE) -> float | None:
    """As studies run: each trial begins on the first free lane, once what it starts from has ended; lanes of another
    width wait for all before. None where a trial cannot run so."""
    total_s = 0.0
    for (k, c), same in groupby(stages, key=lambda stage: (stage.workers_per_trial, stage.concurrent_trials)):
        found = lanes_s([name for stage in same for name in stage.trials], k, c, seconds, origins)
        if found is None:
            return None
        total_s += found
    return total_s


def lanes_s(names: Sequence[str], k: int, c: int, seconds: Seconds, origins: Origins = ALONE) -> float | None:
    """Time of trials on `c` lanes of `k` workers, in the order given. Once none is left to begin, those that are under
    way have fewer and fewer neighbours."""
    placed = places(names, k, c, seconds, origins)
    if placed is None:
        return None
    last = {lane: (end_s, name) for name, lane, _, _, end_s in placed}
    if len(last) > NUM_DRAINED:
        return max(end_s for end_s, _ in last.values())
    return _drained_s([*last.values()], k, min(c, len(names)), seconds)


def places(names: Sequence[str], k: int, c: int, seconds: Seconds, origins: Origins = ALONE) -> list[Placed] | None:
    """Where and when each trial runs, all with as many neighbours; None where one cannot run so. One whose origin has
    not ended lets those behind it go first; with none that may begin, a lane waits."""
    c, among = min(c, len(names)), {*names}
    free = [(0.0, lane) for lane in range(c)]
    begun: set[int] = set()
    ends: dict[str, float] = {}
    held: list[str] = []
    rest = iter(names)

    def is_ready(name: str, now_s: float) -> bool:
        origin = origins.get(name)
        return origin is None or origin not in among or ends.get(origin, math.inf) <= now_s

    def following(now_s: float) -> str | None:
        for number, name in enumerate(held):
            if is_ready(name, now_s):
                return held.pop(number)
        for name in rest:
            if is_ready(name, now_s):
                return name
            held.append(name)
        return None

    placed: list[Placed] = []
    while len(placed) < len(names):
        now_s, lane = free[0]
        name = following(now_s)
        if name is None:
            heapq.heapreplace(free, (min(end_s for end_s in ends.values() if end_s > now_s), lane))
            continue
        found = seconds(name, k, c)
        if found is None:
            return None
        ends[name] = now_s + found[1] + (0.0 if lane in begun else found[0])
        placed.append((name, lane, lane not in begun, now_s, ends[name]))
        begun.add(lane)
        heapq.heapreplace(free, (ends[name], lane))
    return placed


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
