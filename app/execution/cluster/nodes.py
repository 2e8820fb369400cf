"""The cluster's hosts under a running study: which trial is where, who is gone or has come, and how many trials at a
time follow from that."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from app.execution.cluster import connection
from app.execution.cluster.signs import Signs
from app.planning.plan import Plan, Stage, num_places

LOOK_EVERY_S = 5.0
"""Assumed: Ray takes longer to notice that a host is gone."""
NO_SIGN_S = 15.0
"""Assumed: three looks; a lost packet is sent again sooner."""


class Nodes:
    def __init__(
        self,
        plan: Plan,
        starts_of: Callable[[str], Sequence[Sequence[str]]],
        look: Callable[[], connection.Sight] = connection.look,
    ) -> None:
        """`starts_of`: of a trial, Ray's ids of the nodes of each attempt that has begun; `look`: how it is now."""
        self._plan, self._starts_of, self._look = plan, starts_of, look
        self._first: connection.Sight | None = None
        self._now: connection.Sight | None = None
        self._looked_s = 0.0
        self._num_starts: dict[str, int] = {}
        self._where: dict[str, tuple[str, ...]] = {}
        self._explained: set[str] = set()
        self._lost_places = 0
        self._signs = Signs()
        self._silent: set[str] = set()

    @property
    def num_slots(self) -> int:
        """Workers that there is room for; before the first look those of the plan."""
        return self._plan.num_workers if self._now is None else self._now.num_slots

    def num_places(self, stage: Stage) -> int:
        """Trials of a stage that may run at a time."""
        first = self.num_slots if self._first is None else self._first.num_slots
        return max(1, num_places(self._plan, stage, first, self.num_slots) - self._lost_places)

    def begins(self, name: str) -> None:
        """An attempt at a trial has a place; where it is, the trial notes itself."""
        self._where.pop(name, None)
        self._explained.discard(name)
        self._num_starts[name] = len(self._starts_of(name))

    def explains(self, name: str) -> bool:
        """Whether it was said that the attempt ended because its host is gone."""
        return name in self._explained

    def lose_place(self, stage: Stage, num_live: int) -> None:
        """Workers of a trial never came although the cluster has room for them beside `num_live` others."""
        if num_live < self.num_places(stage):
            self._lost_places += 1

    def silent_hosts(self, live: Collection[str]) -> dict[str, str]:
        """By trial under way, the first of its hosts that gives no sign; those whose hosts all do are left out."""
        if self._now is None:
            return {}
        silent = {name: [n for n in self._where.get(name, ()) if n in self._silent] for name in live}
        return {name: self._now.hosts[nodes[0]] for name, nodes in silent.items() if nodes}

    def is_due(self) -> bool:
        return time.monotonic() - self._looked_s >= LOOK_EVERY_S

    def changes(self, live: Collection[str], stage: Stage) -> list[str]:
        """Look, and what there is to tell, with the trials and the stage that are under way."""
        before, num_before = self._now, self.num_places(stage)
        self._now, self._looked_s = self._look(), time.monotonic()
        is_first = before is None
        if before is None:
            self._first, before = self._now, replace(self._now, refused={})
        if self._now.num_slots != before.num_slots:
            self._lost_places = 0  # what the cluster's size does not say is found out again
        lines = [*self._places(live), *self._lost(before, live), *self._signs_of(live)]
        come = [host for node, host in self._now.hosts.items() if node not in before.hosts]
        refused = [why for node, why in self._now.refused.items() if node not in before.refused]
        lines += [f"{why}. It has joined, but gets no trial" for why in refused]
        lines += [f"host {host} has joined" for host in come]
        num = self.num_places(stage)
        if num != num_before and not is_first:
            room = f"workers in all: {self._now.num_slots}; trials at a time: {num}, until now {num_before}"
            lines = [*lines[:-1], f"{lines[-1]}; {room}"] if lines else [room]
        return lines

    def _places(self, live: Collection[str]) -> list[str]:
        """Where trials run whose place was not known yet; nothing to tell where there is one host."""
        assert self._now is not None
        lines = []
        for name in live:
            starts = [] if name in self._where or name not in self._num_starts else self._starts_of(name)
            if len(starts) > self._num_starts.get(name, 0):
                self._where[name] = tuple(starts[-1])
                hosts = [self._now.hosts.get(node, "that has just joined or is gone") for node in starts[-1]]
                if len(self._now.hosts) > 1 and hosts:
                    lines.append(f"{name}: on host{'s' if len(hosts) > 1 else ''} {', '.join(hosts)}")
        return lines

    def _lost(self, before: connection.Sight, live: Collection[str]) -> list[str]:
        assert self._now is not None
        lines = []
        for node, host in before.hosts.items():
            if node in self._now.hosts:
                continue
            had = [name for name in live if node in self._where.get(name, ())]
            self._explained.update(had)
            what = "each resumes from its last checkpoint on another host" if had else "no trial ran there"
            lines.append(f"host {host} is gone{', and with it ' if had else ''}{', '.join(had)}: {what}")
        return lines

    def _signs_of(self, live: Collection[str]) -> list[str]:
        """Hosts that have fallen silent, and those that are back."""
        assert self._now is not None
        self._signs.look(self._now.addresses if len(self._now.hosts) > 1 else {})
        silent = {node for node in self._now.hosts if self._signs.silent_s(node) > NO_SIGN_S}
        lines = []
        for node in sorted(silent - self._silent):
            had = [name for name in live if node in self._where.get(name, ())]
            waits = f", which has {', '.join(had)}" if had else ""
            told = f"no sign of host {self._now.hosts[node]} for {self._signs.silent_s(node):.0f} s{waits}"
            lines.append(f"{told}: it may come back, or Ray takes it for lost in a minute or so")
        back = sorted((self._silent - silent) & set(self._now.hosts))
        lines += [f"host {self._now.hosts[node]} answers again" for node in back]
        self._silent = silent
        return lines
