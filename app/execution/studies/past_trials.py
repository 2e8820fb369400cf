"""What earlier starts of a study's command have left of its trials."""

import time
from typing import Any

from app.execution.studies.ledger import Ledger
from app.execution.studies.results import as_result, evaluations
from app.execution.studies.state import StudyState


def past_results(state: StudyState, ledger: Ledger, name: str) -> list[dict[str, Any]]:
    """What a trial had reported, and was decided on. Of one that is not over the last result is left out: whether it
    was decided on, nobody knows."""
    if state.study.scheduler is None:
        return []
    lines = [as_result(line) for line in evaluations(ledger.trial_folder(name))]
    is_over = state.trials[name].status != "waiting" or ledger.stop_reason(name) is not None
    return lines if is_over else lines[:-1]


def complete(state: StudyState, ledger: Ledger) -> int:
    """Note trials that ended when the driver no longer lived to note it; how many are finished."""
    for name, trial in state.trials.items():
        reason = ledger.stop_reason(name) if trial.status == "waiting" else None
        if reason is not None:
            state.stop(name, reason, ledger.spans(name), _last_sign(ledger, name))
    finished = [trial for trial in state.trials.values() if trial.record is not None]
    for trial in finished:
        if trial.end_s is None and trial.record is not None:
            state.finish(trial.name, trial.record, ledger.spans(trial.name), _last_sign(ledger, trial.name))
    return len(finished)


def _last_sign(ledger: Ledger, name: str) -> float:
    spans = ledger.spans(name)
    return spans[-1].end_s if spans else time.time()
