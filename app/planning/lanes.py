"""How long stages take: trials on lanes, as studies run them."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from app.planning.plan import Stage
from app.planning.widening import Again, wider, widths

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


def makespan_s(
    stages: Sequence[Stage], seconds: Seconds, origins: Origins = ALONE, widen_over: int = 0
) -> float | None:
    """As studies run: each trial begins on the first free lane, once what it starts from has ended; lanes of another
    width wait for all before. None where a trial cannot run so.

    Args:
        widen_over: workers in all, of which the last trials take over those that are free; 0: they do not.
    """
    total_s, groups = 0.0, [*same_width(stages)]
    for number, (k, places) in enumerate(groups):
        found = lanes_s([*places], k, places, seconds, origins, widen_over if number == len(groups) - 1 else 0)
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
    names: Sequence[str],
    k: int,
    c: int | Mapping[str, int],
    seconds: Seconds,
    origins: Origins = ALONE,
    widen_over: int = 0,
) -> float | None:
    """Time of trials on lanes of `k` workers, in the order given. Once none is left to begin, those that are under way
    have fewer and fewer neighbours.

    Args:
        c: how many run at a time; by name where stages differ.
    """
    placed = places(names, k, c, seconds, origins)
    if placed is None:
        return None
    last = {lane: (end_s, name, k) for name, lane, _, _, end_s in placed}
    if len(last) > NUM_DRAINED and not widen_over:
        return max(end_s for end_s, _, _ in last.values())
    since_s = max(start_s for *_, start_s, _ in placed)
    return _drained_s([*last.values()], since_s, c, widen_over, seconds)


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


Left = tuple[float, str, int]
"""A trial under way: when it ends, its name, and its workers."""


def _drained_s(
    lanes: Sequence[Left], since_s: float, c: int | Mapping[str, int], widen_over: int, seconds: Seconds
) -> float:
    """The end of the last, where each that ends leaves the others faster.

    Args:
        lanes: when each would end beside all others.
        since_s: when the last of them began.
        c: how many of their width run at a time.
        widen_over: as of makespan_s.
    """
    left, k = sorted(lanes), lanes[0][2]

    def room(name: str, width: int) -> int:
        return _of(c, name) if width == k else widen_over // width

    if widen_over:
        left = sorted(_widened(left, since_s, widen_over, room, seconds))
    now_s, beside = left[0][0], len(left)
    while len(left) > 1:
        left = left[1:]
        rates = [_rate(one, room(*one[1:]), beside, len(left), seconds) for one in left]
        left = [(now_s + (one[0] - now_s) * rate, *one[1:]) for one, rate in zip(left, rates, strict=True)]
        left = sorted(_widened(left, now_s, widen_over, room, seconds) if widen_over else left)
        now_s, beside = left[0][0], len(left)
    return now_s


def _rate(one: Left, room: int, before: int, after: int, seconds: Seconds) -> float:
    """How long it takes with fewer neighbours, as a share of how long with more."""
    _, name, k = one
    more, fewer = (seconds(name, k, room, min(room, num)) for num in (before, after))
    return min(1.0, fewer[1] / more[1]) if more is not None and fewer is not None and more[1] > 0 else 1.0


def _widened(
    left: Sequence[Left], now_s: float, num_workers: int, room: Callable[[str, int], int], seconds: Seconds
) -> list[Left]:
    """With what the last to end gain from workers that are free now (app.planning.widening)."""
    found = sorted(left, reverse=True)

    def again(name: str, k: int) -> Again:
        def times(width: int) -> tuple[float, float] | None:
            return seconds(name, width, room(name, width), min(room(name, width), len(found)))

        def compared(width: int) -> tuple[float, float]:
            now, then = times(k), times(width)
            return (math.inf, 1.0) if now is None or then is None or now[1] <= 0 else (then[0], then[1] / now[1])

        return compared

    for number, (end_s, name, k) in enumerate(found):
        free = num_workers - sum(width for _, _, width in found)
        those = widths(k, 0, free, num_workers, len(found))  # of what does not divide the batch `seconds` says so
        wide = wider(k, those, end_s - now_s, again(name, k))
        if wide is not None:
            found[number] = end_s - wide[1], name, wide[0]
    return found
