"""The time of a training's earlier attempts: what their checkpoints kept, by its phase, and what was lost or waited."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise

from app.records import Span, Timings
from app.run_folder.contents import Attempt
from app.run_folder.run import ATTEMPTS, SPANS


def with_earlier(timings: Timings, folder: str) -> Timings:
    """The timings of the last attempt, and those of the attempts before it in the same folder."""
    sums: dict[str, float] = asdict(timings)
    spans = SPANS.read(folder)
    for attempt, following in pairwise(ATTEMPTS.read(folder)):
        start_s, next_s = attempt.start_s, following.start_s
        own = [span for span in spans if start_s <= (span.start_s + span.end_s) / 2 < next_s]
        held_s = max(0.0, _last_sign_s(attempt, own, next_s) - start_s)
        kept_s = held_s
        # A pause loses nothing, also where a member of a population then goes on from another's checkpoint.
        if following.trained_s is not None and not attempt.paused:
            kept_s = min(held_s, max(0.0, following.trained_s - (attempt.trained_s or 0.0)))
        named_s = 0.0
        for span in own:
            seconds = max(0.0, min(span.end_s, start_s + kept_s) - span.start_s)
            sums[f"{span.phase}_s" if f"{span.phase}_s" in sums else "other_s"] += seconds
            named_s += seconds
        sums["other_s"] += max(0.0, kept_s - named_s)
        sums["lost_s"] += held_s - kept_s
        sums["total_s"] += held_s
    return Timings(**sums)  # type: ignore[arg-type]


def waited_s(folder: str) -> float:
    """Seconds in which a training had no workers although its command ran: from the last sign of an attempt to the
    next, until it was noticed that a host is gone and others had a place."""
    attempts = ATTEMPTS.read(folder)
    if len(attempts) < 2:
        return 0.0
    spans, waited = SPANS.read(folder), 0.0
    for attempt, following in pairwise(attempts):
        if attempt.command_start_s == following.command_start_s and not attempt.paused:
            start_s, next_s = attempt.start_s, following.attempt_start_s
            own = [span for span in spans if start_s <= (span.start_s + span.end_s) / 2 < next_s]
            waited += next_s - max(start_s, _last_sign_s(attempt, own, next_s))
    return waited


def _last_sign_s(attempt: Attempt, spans: Sequence[Span], next_s: float) -> float:
    """The end of what it did, as far as it is known: a worker that dies says nothing of its last steps but its status,
    once a second."""
    signs = [attempt.last_sign_s or 0.0, *(span.end_s for span in spans)]
    return min(next_s, max(signs))
