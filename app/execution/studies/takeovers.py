"""Between two rounds of a population: who goes on from whose network, written down before it happens.

Between two rounds nothing trains. What then happens is decided, written down, carried out and noted, in this order;
after a kill the next start does again what was not noted, from the same files, as who gives a network takes none.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from app.configuration import from_dict, to_dict
from app.data import files
from app.execution.studies.ledger import Ledger
from app.execution.studies.state import StudyState
from app.planning.population import Decision
from app.records import Takeover

POPULATION_FILE = "population.json"


@dataclasses.dataclass(frozen=True)
class Decisions:
    decisions: tuple[Decision, ...] = ()


class Takeovers:
    def __init__(self, state: StudyState, ledger: Ledger) -> None:
        self._state, self._ledger = state, ledger
        self._path = files.join(ledger.folder, POPULATION_FILE)
        found = files.read_json(self._path) if files.exists(self._path) else {}
        self.decisions = from_dict(Decisions, found).decisions
        self._tell()

    def values(self, name: str) -> dict[str, Any]:
        """Options of a member that are no longer its experiment's."""
        took = [t for decision in self.decisions for t in decision.takeovers if t.member == name]
        return dict(took[-1].values) if took else {}

    def carry_out(self, epoch: int, takeovers: Sequence[Takeover]) -> None:
        """After a round, with nothing under way: members take over the networks of others."""
        decision = Decision(epoch, tuple(takeovers))
        self._write(decision)
        for takeover in takeovers:
            self._apply(takeover)
        self._write(dataclasses.replace(decision, applied=True))

    def _apply(self, takeover: Takeover) -> None:
        source, target = (
            files.join(self._ledger.trial_folder(name), "checkpoint") for name in (takeover.origin, takeover.member)
        )
        for name in ("best.pt", "last.pt") if takeover.takes_best else ("last.pt",):
            files.write_bytes_atomic(files.join(target, name), files.read_bytes(files.join(source, name)))

    def _write(self, decision: Decision) -> None:
        others = tuple(d for d in self.decisions if d.epoch != decision.epoch)
        self.decisions = (*others, decision)
        content = json.dumps(to_dict(Decisions(self.decisions)), indent=1)
        files.write_bytes_atomic(self._path, content.encode())
        self._tell()

    def _tell(self) -> None:
        self._state.lineage = tuple(t for decision in self.decisions for t in decision.takeovers)
