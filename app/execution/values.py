"""Values that a searcher chooses when a trial begins, on disk before they are used."""

from typing import Any

from app.data import files
from app.execution.ledger import Ledger
from app.execution.study_state import StudyState

SUGGESTED_FILE = "suggested.json"


class Values:
    def __init__(self, state: StudyState, ledger: Ledger) -> None:
        self._state, self._ledger = state, ledger

    def of(self, name: str) -> dict[str, Any]:
        return {}

    def choose(self, name: str) -> dict[str, Any] | None:
        return {}

    def complete(self, name: str) -> None:
        pass
