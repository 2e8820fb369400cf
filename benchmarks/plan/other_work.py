"""How much of a machine's processors others use meanwhile: what was measured beside them is marked, and waited for."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, say

EVERY_S = 2.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
QUIET = 0.3
"""Busy cores below which a machine counts as quiet (assumed)."""
LONGEST_WAIT_S = 60.0


class OtherWork:
    """Context manager: counts, every two seconds, the processor time of processes whose folder is not the repository's;
    ours and Ray's run in it."""

    def __init__(self, processes: Path = Path("/proc"), ours: Path = ROOT) -> None:
        self._processes, self._ours = processes, ours
        self._ended = threading.Event()
        self._ticks = 0

    def __enter__(self) -> "OtherWork":
        self._began_s, self._before = time.monotonic(), self._sample()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()
        self._add()
        self.busy_cores = self._ticks / TICKS_PER_S / max(1e-9, time.monotonic() - self._began_s)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._add()

    def _add(self) -> None:
        now = self._sample()
        self._ticks += sum(max(0, ticks - self._before.get(pid, 0)) for pid, ticks in now.items())
        self._before = now

    def _sample(self) -> dict[str, int]:
        """Clock ticks of each process of others, of proc(5): utime and stime."""
        found = {}
        for stat in self._processes.glob("[0-9]*/stat"):
            try:
                where = Path(os.readlink(stat.with_name("cwd")))
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended, or is not ours to see
                continue
            if where != self._ours and self._ours not in where.parents:
                found[stat.parent.name] = int(fields[11]) + int(fields[12])
        return found


def wait_for_quiet() -> None:
    """Return once others leave the machine alone, or after a minute."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < LONGEST_WAIT_S:
        with OtherWork() as other:
            time.sleep(EVERY_S)
        if other.busy_cores < QUIET:
            return
        say(f"waiting: other work keeps {other.busy_cores:.1f} cores busy")
        time.sleep(5 * EVERY_S)
