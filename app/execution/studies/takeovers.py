"""Between two rounds of a population: who goes on from whose network, written down before it happens.

Between two rounds nothing trains. What then happens is decided, written down, carried out and noted, in this order;
after a kill the next start does again what was not noted, from the same files, as who gives a network takes none.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from app.data import files
from app.execution.studies.ledger import Ledger
from app.execution.studies.state import StudyState
from app.planning.population import Decision
from app.records import Takeover
from app.run_folder.contents import Decisions
from app.run_folder.run import BEST, CHECKPOINTS, LAST
from app.run_folder.study import POPULATION
from app.search_space import value_at


class Takeovers:
    def __init__(self, state: StudyState, ledger: Ledger) -> None:
        self._state, self._ledger = state, ledger
        self.decisions = (POPULATION.find(ledger.folder) or Decisions()).decisions
        self._tell()

    def values(self, name: str) -> dict[str, Any]:
        """Options of a member that are no longer its experiment's."""
        took = [t for decision in self.decisions for t in decision.takeovers if t.member == name]
        return dict(took[-1].values) if took else {}

    def options(self, name: str) -> dict[str, Any]:
        """Every option that may change in a member of a population, with its value now; empty without a population."""
        scheduler = self._state.study.scheduler
        population = None if scheduler is None else scheduler.population()
        if population is None:
            return {}
        given = next(e for e in self._state.study.experiments if e.name == name).to_dict()
        return {path: value_at(given, path) for path in population.hyperparam_mutations} | self.values(name)

    def carry_out(self, epoch: int, takeovers: Sequence[Takeover]) -> None:
        """After a round, with nothing under way: members take over the networks of others."""
        decision = Decision(epoch, tuple(takeovers))
        self._write(decision)
        for takeover in takeovers:
            self._apply(takeover)
        self._write(dataclasses.replace(decision, applied=True))

    def _apply(self, takeover: Takeover) -> None:
        source, target = (
            files.join(self._ledger.trial_folder(name), CHECKPOINTS) for name in (takeover.origin, takeover.member)
        )
        for name in (BEST, LAST) if takeover.takes_best else (LAST,):
            files.write_bytes_atomic(files.join(target, name), files.read_bytes(files.join(source, name)))

    def _write(self, decision: Decision) -> None:
        others = tuple(d for d in self.decisions if d.epoch != decision.epoch)
        self.decisions = (*others, decision)
        POPULATION.write(self._ledger.folder, Decisions(self.decisions))
        self._tell()

    def _tell(self) -> None:
        self._state.lineage = tuple(t for decision in self.decisions for t in decision.takeovers)
