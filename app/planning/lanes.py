"""How long stages take: trials on lanes, as studies run them."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from app.planning.plan import Stage

NUM_DRAINED = 64
"""With more lanes than these it is neglected that the last trials have fewer neighbours: they are on other hosts."""

Seconds = Callable[[str, int, int, int], tuple[float, float] | None]
"""What a trial takes, from its name, its workers, how many such have room and how many of these run: start-up once a
lane, and run. None: impossible."""


Origins = Mapping[str, str]
"""By a trial's name the one that it starts from, where there is one."""
ALONE: Origins = {}

Placed = tuple[str, int, bool, float, float]
"""Name, lane, whether it is the lane's first, start and end."""


def makespan_s(stages: Sequence[Stage], seconds: Seconds, origins: Origins = ALONE) -> float | None:
    """As studies run: each trial begins on the first free lane, once what it starts from has ended; lanes of another
    width wait for all before. None where a trial cannot run so."""
    total_s = 0.0
    for k, places in same_width(stages):
        found = lanes_s([*places], k, places, seconds, origins)
        if found is None:
            return None
        total_s += found
    return total_s


def same_width(stages: Sequence[Stage]) -> Iterator[tuple[int, dict[str, int]]]:
    """Stages of one width follow each other without a pause: their workers, and of each trial how many run at a time
    in its stage."""
    for k, same in groupby(stages, key=lambda stage: stage.workers_per_trial):
        yield k, {name: stage.concurrent_trials for stage in same for name in stage.trials}


def lanes_s(
    names: Sequence[str], k: int, c: int | Mapping[str, int], seconds: Seconds, origins: Origins = ALONE
) -> float | None:
    """Time of trials on lanes of `k` workers, in the order given. Once none is left to begin, those that are under way
    have fewer and fewer neighbours.

    Args:
        c: how many run at a time; by name where stages differ.
    """
    placed = places(names, k, c, seconds, origins)
    if placed is None:
        return None
    last = {lane: (end_s, name) for name, lane, _, _, end_s in placed}
    if len(last) > NUM_DRAINED:
        return max(end_s for end_s, _ in last.values())
    return _drained_s([*last.values()], k, c, seconds)


def places(
    names: Sequence[str], k: int, c: int | Mapping[str, int], seconds: Seconds, origins: Origins = ALONE
) -> list[Placed] | None:
    """Where and when each trial runs, all with as many neighbours; None where one cannot run so. One whose origin has
    not ended lets those behind it go first; with none that may begin, a lane waits."""
    num_lanes, among = min(_most(c, names), len(names)), {*names}
    is_even = isinstance(c, int) or len(set(c.values())) == 1
    free = [(0.0, lane) for lane in range(num_lanes)]
    begun: set[int] = set()
    ends: dict[str, float] = {}
    waiting = deque(names)

    def is_ready(name: str, now_s: float) -> bool:
        origin = origins.get(name)
        return origin is None or origin not in among or ends.get(origin, math.inf) <= now_s

    def following(now_s: float) -> str | None:
        num_running = 0 if is_even else sum(end_s > now_s for end_s in ends.values())
        for number, name in enumerate(waiting):
            if not is_even and num_running >= _of(c, name):
                return None
            if is_ready(name, now_s):
                del waiting[number]
                return name
        return None

    placed: list[Placed] = []
    while len(placed) < len(names):
        now_s, lane = free[0]
        name = following(now_s)
        if name is None:
            heapq.heapreplace(free, (min(end_s for end_s in ends.values() if end_s > now_s), lane))
            continue
        found = seconds(name, k, _of(c, name), _of(c, name))
        if found is None:
            return None
        ends[name] = now_s + found[1] + (0.0 if lane in begun else found[0])
        placed.append((name, lane, lane not in begun, now_s, ends[name]))
        begun.add(lane)
        heapq.heapreplace(free, (ends[name], lane))
    return placed


def _of(c: int | Mapping[str, int], name: str) -> int:
    return c if isinstance(c, int) else c[name]


def _most(c: int | Mapping[str, int], names: Sequence[str]) -> int:
    return c if isinstance(c, int) else max(c[name] for name in names)


def _drained_s(lanes: Sequence[tuple[float, str]], k: int, c: int | Mapping[str, int], seconds: Seconds) -> float:
    """The end of the last, where each that ends leaves the others faster.

    Args:
        lanes: when each would end beside all others, and its name.
    """
    left = sorted(lanes)
    now_s, beside = left[0][0], len(left)
    while len(left) > 1:
        left = left[1:]
        rates = _rates(left, k, c, beside, seconds)
        left = sorted((now_s + (end_s - now_s) * rate, name) for (end_s, name), rate in zip(left, rates, strict=True))
        now_s, beside = left[0][0], len(left)
    return now_s


def _rates(
    left: Sequence[tuple[float, str]], k: int, c: int | Mapping[str, int], before: int, seconds: Seconds
) -> Iterator[float]:
    for _, name in left:
        room = _of(c, name)
        more, fewer = (seconds(name, k, room, min(room, num)) for num in (before, len(left)))
        yield min(1.0, fewer[1] / more[1]) if more is not None and fewer is not None and more[1] > 0 else 1.0
