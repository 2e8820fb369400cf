"""The rounds of a study: a population is trained a few epochs at a time, any other study to its end at once.

Between two rounds nothing runs. What then happens is decided, written down, carried out and noted, in this order; after
a kill the next start does again what was not noted, from the same files, as who gives a network takes none.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.configuration import from_dict, to_dict
from app.data import files
from app.execution.ledger import Ledger
from app.execution.study_state import StudyState
from app.planning.population import Standing, decide
from app.records import Takeover
from app.search_space import value_at

POPULATION_FILE = "population.json"
PAUSED_FILE = "paused.json"
"""In a member's folder: that its checkpoint is at the end of a round, and how good it was there."""


@dataclass(frozen=True)
class Decision:
    """What follows the round that ends at `epoch`."""

    epoch: int
    takeovers: tuple[Takeover, ...]
    applied: bool = False


@dataclass(frozen=True)
class Decisions:
    decisions: tuple[Decision, ...] = ()


class Rounds:
    def __init__(self, state: StudyState, ledger: Ledger) -> None:
        self._state, self._ledger = state, ledger
        self._population = state.study.population
        self._experiments = {experiment.name: experiment for experiment in state.study.experiments}
        self._path = files.join(ledger.folder, POPULATION_FILE)
        found = files.read_json(self._path) if self._population is not None and files.exists(self._path) else {}
        self._decisions = from_dict(Decisions, found).decisions
        self._tell()

    @property
    def ends(self) -> tuple[int | None, ...]:
        """The epoch at which each round ends; None: whenever the trial does."""
        if self._population is None:
            return (None,)
        interval = self._population.interval_epochs
        return tuple(range(interval, self._state.study.experiments[0].epochs + 1, interval))

    def values(self, name: str) -> dict[str, Any]:
        """Options of a member that are no longer its experiment's."""
        took = [t for decision in self._decisions for t in decision.takeovers if t.member == name]
        return dict(took[-1].values) if took else {}

    def is_through(self, name: str, end: int | None) -> bool:
        """Whether a trial has come to the end of a round before."""
        paused = self._paused(name) if end is not None else None
        return end is not None and paused is not None and bool(paused["epoch"] >= end)

    def close(self, end: int | None) -> tuple[Takeover, ...]:
        """After a round, with nothing under way: members take over the networks of others. What now happened."""
        if end is None or end == self.ends[-1] or any(d.epoch == end and d.applied for d in self._decisions):
            return ()
        decision = next((d for d in self._decisions if d.epoch == end), None) or self._decide(end)
        for takeover in decision.takeovers:
            self._apply(takeover)
        self._write(dataclasses.replace(decision, applied=True))
        return decision.takeovers

    def _decide(self, end: int) -> Decision:
        assert self._population is not None
        members = {}
        for name in self._experiments:  # those that failed neither give nor take
            paused = self._paused(name)
            if self._state.trials[name].status == "waiting" and paused is not None and paused["epoch"] == end:
                members[name] = Standing(paused["score"], paused["best_score"], self._options(name))
        decision = Decision(end, decide(self._population, self._state.study.seed, end, members))
        self._write(decision)
        return decision

    def _options(self, name: str) -> Mapping[str, Any]:
        assert self._population is not None
        plain = self._experiments[name].with_values(self.values(name)).to_dict()
        return {path: value_at(plain, path) for path in self._population.mutations}

    def _apply(self, takeover: Takeover) -> None:
        source, target = (
            files.join(self._ledger.trial_folder(name), "checkpoint") for name in (takeover.origin, takeover.member)
        )
        for name in ("best.pt", "last.pt") if takeover.takes_best else ("last.pt",):
            files.write_bytes_atomic(files.join(target, name), files.read_bytes(files.join(source, name)))

    def _write(self, decision: Decision) -> None:
        others = tuple(d for d in self._decisions if d.epoch != decision.epoch)
        self._decisions = (*others, decision)
        content = json.dumps(to_dict(Decisions(self._decisions)), indent=1)
        files.write_bytes_atomic(self._path, content.encode())
        self._tell()

    def _tell(self) -> None:
        self._state.lineage = tuple(t for decision in self._decisions for t in decision.takeovers)

    def _paused(self, name: str) -> dict[str, Any] | None:
        path = files.join(self._ledger.trial_folder(name), PAUSED_FILE)
        found: dict[str, Any] | None = files.read_json(path) if files.exists(path) else None
        return found


def note_pause(folder: str, end: int, score: str, best: Mapping[str, Any]) -> None:
    """On a member's first worker, when its checkpoint of the round's end is written."""
    lines = [json.loads(line) for line in files.read_bytes(files.join(folder, "metrics.jsonl")).decode().splitlines()]
    value = next((line.get(score) for line in lines if line["epoch"] == end), None)
    content = {"epoch": end, "score": value, "best_score": best.get(score)}
    files.write_json(files.join(folder, PAUSED_FILE), content)
