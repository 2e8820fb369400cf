"""When a study under way will end: what its plan expects of each trial held against what those so far have taken."""

import heapq
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from app.execution.studies.state import StudyState


def study_eta_s(
    state: StudyState,
    running: Mapping[str, float],
    statuses: Mapping[str, Mapping[str, Any]],
    num_at_once: int,
    now_s: float,
) -> float | None:
    """Seconds to the end of the study; None before anything is known. A plan that nothing was expected of takes every
    trial to come for the mean of those so far.

    Args:
        running: trials under way and since when.
        num_at_once: how many run at a time in the stage under way.
    """
    told_s = {name: status["eta_s"] for name, status in statuses.items() if status and status["eta_s"] is not None}
    known_s = {name: now_s - running[name] + left_s for name, left_s in told_s.items()}
    known_s |= {
        trial.name: trial.end_s - trial.start_s
        for trial in state.trials.values()
        if trial.status == "finished" and trial.end_s is not None and trial.start_s is not None
    }
    expected_s = {} if state.plan.expected is None else state.plan.expected.trial_s
    compared = [name for name in known_s if expected_s.get(name)]
    if not known_s and not expected_s:
        return None
    ratio = sum(known_s[n] for n in compared) / sum(expected_s[n] for n in compared) if compared else 1.0
    mean_s = sum(known_s.values()) / len(known_s) if known_s else 0.0
    whole_s = {name: expected_s[name] * ratio if name in expected_s else mean_s for name in state.trials}
    left_s = [told_s.get(name, max(0.0, whole_s[name] - (now_s - since))) for name, since in running.items()]
    return _played_s(state, {*running}, whole_s, left_s, num_at_once)


def _played_s(
    state: StudyState, running: set[str], whole_s: Mapping[str, float], left_s: list[float], num_at_once: int
) -> float:
    """Lanes of those under way take the trials to come in the plan's order; those of another width wait for all."""
    to_come = [t for t in state.trials.values() if t.status == "waiting" and t.name not in running]
    free, end_s, widths = sorted(left_s), max(left_s, default=0.0), {state.trials[n].workers_per_trial for n in running}
    for k, same in groupby(to_come, key=lambda trial: trial.workers_per_trial):
        trials = list(same)
        is_under_way = k in widths
        places = num_at_once if is_under_way else state.plan.stages[trials[0].stage].concurrent_trials
        free = [*([0.0] * (places - len(free))), *free] if is_under_way else [end_s] * places
        heapq.heapify(free)
        for trial in trials:
            ended_s = free[0] + whole_s[trial.name]
            heapq.heapreplace(free, ended_s)
            end_s = max(end_s, ended_s)
        widths = set()
    return end_s
