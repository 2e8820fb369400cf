"""The time of a training's earlier attempts: what their checkpoints kept, by its phase, and what was lost or waited."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from app.data import files
from app.execution.trials.attempts import read_attempts
from app.records import Span, Timings
from app.training.log import SPANS_FILE


def with_earlier(timings: Timings, folder: str) -> Timings:
    """The timings of the last attempt, and those of the attempts before it in the same folder."""
    sums: dict[str, float] = asdict(timings)
    spans = _read_spans(folder)
    for attempt, following in pairwise(read_attempts(folder)):
        start_s, next_s = _start_s(attempt), _start_s(following)
        own = [span for span in spans if start_s <= (span.start_s + span.end_s) / 2 < next_s]
        held_s = max(0.0, _last_sign_s(attempt, own, next_s) - start_s)
        kept_s = held_s
        if "trained_s" in following:
            kept_s = min(held_s, max(0.0, following["trained_s"] - attempt.get("trained_s", 0.0)))
        named_s = 0.0
        for span in own:
            seconds = max(0.0, min(span.end_s, start_s + kept_s) - span.start_s)
            sums[f"{span.phase}_s"] += seconds
            named_s += seconds
        sums["other_s"] += max(0.0, kept_s - named_s)
        sums["lost_s"] += held_s - kept_s
        sums["total_s"] += held_s
    return Timings(**sums)  # type: ignore[arg-type]


def waited_s(folder: str) -> float:
    """Seconds in which a training had no workers although its command ran: from the last sign of an attempt to the
    next, until it was noticed that a host is gone and others had a place."""
    attempts = read_attempts(folder)
    if len(attempts) < 2:
        return 0.0
    spans, waited = _read_spans(folder), 0.0
    for attempt, following in pairwise(attempts):
        if attempt["command_start_s"] == following["command_start_s"] and not attempt.get("paused"):
            start_s, next_s = _start_s(attempt), following["attempt_start_s"]
            own = [span for span in spans if start_s <= (span.start_s + span.end_s) / 2 < next_s]
            waited += next_s - max(start_s, _last_sign_s(attempt, own, next_s))
    return waited


def _start_s(attempt: dict[str, Any]) -> float:
    return float(attempt.get("counted_from_s", attempt["attempt_start_s"]))


def _last_sign_s(attempt: dict[str, Any], spans: Sequence[Span], next_s: float) -> float:
    """The end of what it did, as far as it is known: a worker that dies says nothing of its last steps but its status,
    once a second."""
    signs = [attempt.get("last_sign_s") or 0.0, *(span.end_s for span in spans)]
    return min(next_s, max(signs))


def _read_spans(folder: str) -> list[Span]:
    path = files.join(folder, SPANS_FILE)
    if not files.exists(path):
        return []
    whole_lines = files.read_bytes(path).decode().split("\n")[:-1]  # a crash may have cut the last
    return [Span(**json.loads(line)) for line in whole_lines]
