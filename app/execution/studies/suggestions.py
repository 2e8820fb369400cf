"""Values that the study's search chooses when a trial begins, on disk before they are used."""

import json
import math
from typing import Any

from app.configuration import to_dict
from app.data import files
from app.execution.studies.ledger import Ledger
from app.execution.studies.state import StudyState
from app.search_space import applicable

SUGGESTED_FILE = "suggested.json"
"""In a trial's folder: `values` by path, and the `suggestion` that they were read from."""


class Suggestions:
    """Gives each trial of the search its values, the same ones whenever it begins again. What a searcher must know
    after a restart it is told anew: every earlier suggestion, and how those trials ended."""

    def __init__(self, state: StudyState, ledger: Ledger) -> None:
        self._state, self._ledger = state, ledger
        self._search = state.study.search
        self._chosen: dict[str, dict[str, Any]] = {}
        self._searcher: Any = None
        self._scores: list[float] = []
        if self._search is None:
            return
        found = {name: files.read_json(p) for name in self._search.trials if files.exists(p := self._path(name))}
        if all(name in found for name in self._search.trials) and not state.num_of("waiting"):
            return
        from app.execution.studies.searchers import make_searcher, seed_of

        points = [suggested["suggestion"] for suggested in found.values()]
        self._searcher = make_searcher(self._search, seed_of(state.study.seed, len(found)), points)
        for name, suggested in found.items():
            self._searcher.suggest(name)
            self._chosen[name] = suggested["values"]
            if state.trials[name].status != "waiting":
                self.complete(name)

    def of(self, name: str) -> dict[str, Any]:
        """What was chosen; empty for a trial that the search has no part in."""
        return self._chosen.get(name, {})

    def choose(self, name: str) -> dict[str, Any] | None:
        """The values of a trial that is about to begin. None: the search waits for results of others."""
        if self._search is None or name not in self._search.trials or name in self._chosen:
            return self.of(name)
        from app.execution.studies.searchers import values_of

        suggestion = self._searcher.suggest(name)
        if suggestion is None or not isinstance(suggestion, dict):
            return None
        values = applicable(self._search.parameters, values_of(self._search, suggestion))
        content = {"values": values, "suggestion": {key: plain(value) for key, value in suggestion.items()}}
        # As it is, passwords in URLs included: the trial uses what is read back.
        files.write_bytes_atomic(self._path(name), json.dumps(to_dict(content), indent=1).encode())
        self._chosen[name] = values
        return values

    def complete(self, name: str) -> None:
        """A trial has ended. One without a score was worse than all: left out, its like would be chosen again."""
        if name not in self._chosen:
            return
        trial = self._state.trials[name]
        score = None if trial.status == "failed" else self._ledger.stopped_score(name)
        if trial.record is not None:
            score = trial.record.metrics.get(trial.record.score)
        if score is None or not math.isfinite(score):
            low, high = min(self._scores, default=0.0), max(self._scores, default=0.0)
            score = low - (high - low or 1.0)
        else:
            self._scores.append(score)
        self._searcher.on_trial_complete(name, {"score": score, "training_iteration": 1})

    def _path(self, name: str) -> str:
        return files.join(self._ledger.trial_folder(name), SUGGESTED_FILE)


def plain(value: Any) -> Any:
    """A number as JSON has it; some libraries suggest numpy's."""
    return value.item() if hasattr(value, "item") else value
