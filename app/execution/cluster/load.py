"""How busy this machine is with other work: times that are measured beside it hold only while it lasts."""

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
LOOK_S = 1.0
LOUD = 0.3
"""Busy cores from which on other work is worth a word (assumed): a system's own services take a tenth."""


def busy_cores(seconds: float = LOOK_S) -> float:
    """Mean number of cores of this machine that were busy for so long; 0 where the system does not say."""
    if not STAT.exists():
        return 0.0
    before = times(STAT.read_text())
    time.sleep(seconds)
    return busy_between(before, times(STAT.read_text())) * (os.cpu_count() or 1)


def times(stat: str) -> tuple[int, int]:
    """Idle and all of the clock ticks of all cores, from the text of /proc/stat (proc(5)): user, nice, system, idle,
    iowait, irq, softirq, steal; what guests take is in user."""
    ticks = [int(number) for number in stat.splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def busy_between(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Share of the time that was not idle."""
    passed = after[1] - before[1]
    return 1 - (after[0] - before[0]) / passed if passed > 0 else 0.0
