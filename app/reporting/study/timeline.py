"""Which worker did what when in a study: the time of every worker from beginning to end, without gap or overlap.

Times are seconds of the study: the pauses between two runs of its command are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.errors import UsageError
from app.records import Session, Span, Stint, StudyRecord, StudyTrial, Timings

KINDS = ("startup", "waiting", "compute", "evaluation", "checkpoint", "other", "idle")
"""What a worker's time goes into; `idle`: it has no trial."""

KIND_OF_PHASE: Mapping[str, str] = {
    "startup": "startup",
    "first_batch": "waiting",
    "data_wait": "waiting",
    "warmup_steps": "compute",
    "step": "compute",
    "evaluation": "evaluation",
    "checkpoint": "checkpoint",
    "other": "other",
}
"""The kind of time that each phase of Timings and Span is."""


@dataclass(frozen=True)
class Segment:
    """A stretch of one worker's time."""

    start_s: float
    end_s: float
    kind: str
    trial: str | None = None
    """None where it is idle."""

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


Row = tuple[Segment, ...]
"""A worker's segments: the first starts at 0, each of the others where the one before it ends."""


class Clock:
    """Seconds of the study for times of day."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.runs: list[tuple[float, float, float]] = []
        """Start and end as times of day, and the start in the study's seconds."""
        self.total_s = 0.0
        before = float("-inf")
        for session in sorted(sessions, key=lambda s: s.start_s):
            start, end = max(session.start_s, before), max(session.end_s, before)
            if end > start:
                self.runs.append((start, end, self.total_s))
                self.total_s += end - start
                before = end

    def within(self, start: float, end: float) -> list[tuple[float, float]]:
        """The parts of a time of day that fall into the study's runs, as times of day."""
        cut = [(max(start, run_start), min(end, run_end)) for run_start, run_end, _ in self.runs]
        return [(a, b) for a, b in cut if b > a]

    def place(self, time: float) -> float:
        """The study's seconds at a time of day; in a pause those of its beginning."""
        reached = 0.0
        for start, end, offset in self.runs:
            if time >= start:
                reached = offset + min(time, end) - start
        return reached

    @property
    def restarts_s(self) -> list[float]:
        """When the command was started again, in the study's seconds."""
        return [offset for _, _, offset in self.runs[1:]]


def worker_rows(record: StudyRecord) -> tuple[Row, ...]:
    """Every worker's time, which adds up to the makespan.

    Raises:
        UsageError: a trial ran on a worker that the study does not have.
    """
    clock = Clock(record.sessions)
    found: list[list[Segment]] = [[] for _ in range(record.num_workers)]
    for trial in record.trials:
        for stint in stints(trial):
            segments = _stint_segments(trial, stint, clock)
            for worker in workers_of(stint) if segments else ():
                if not 0 <= worker < record.num_workers:
                    raise UsageError(
                        f"trial {trial.name} ran on worker {worker} (lane {stint.lane}, {stint.workers_per_trial} "
                        f"workers a trial), expected one of the study's {record.num_workers}"
                    )
                found[worker] += segments
    return tuple(tuple(_tiled(segments, clock.total_s)) for segments in found)


def workers_of(stint: Stint) -> range:
    first = stint.lane * stint.workers_per_trial
    return range(first, first + stint.workers_per_trial)


def stints(trial: StudyTrial) -> tuple[Stint, ...]:
    """Where and when the trial ran; empty for one that has not begun."""
    if trial.stints or trial.start_s is None:
        return trial.stints
    end = trial.end_s if trial.end_s is not None else float("inf")
    return (Stint(trial.lane, trial.workers_per_trial, trial.start_s, end),)


def trial_segments(trial: StudyTrial, clock: Clock) -> list[Segment]:
    """What each of the trial's workers did, by the spans of its worker 0; empty for a trial that has not begun."""
    return [segment for stint in stints(trial) for segment in _stint_segments(trial, stint, clock)]


def _stint_segments(trial: StudyTrial, stint: Stint, clock: Clock) -> list[Segment]:
    segments = []
    for number, (start, stop) in enumerate(clock.within(stint.start_s, stint.end_s)):
        inside = _clipped(trial.spans, start, stop)
        if number and trial.spans:  # after a restart a trial that is under way waits for its turn
            if not inside:
                continue
            start = inside[0].start_s
        segments += [
            Segment(clock.place(s.start_s), clock.place(s.start_s) + s.end_s - s.start_s, s.phase, trial.name)
            for s in _filled(inside or _by_timings(trial, start, stop), start, stop)
        ]
    return segments


def occupied_s(trial: StudyTrial, clock: Clock) -> float:
    """How long the trial held its workers."""
    return sum(segment.length_s for segment in trial_segments(trial, clock))


def kind_shares(trial: StudyTrial, clock: Clock) -> dict[str, float]:
    """How the trial's time divides among the kinds but idle; adds up to 1, empty for a trial that has not begun.

    Timings are exact and spans leave out short waits, but only spans know of earlier attempts.
    """
    segments = trial_segments(trial, clock)
    length_s = sum(segment.length_s for segment in segments)
    if length_s <= 0:
        return {}
    amounts = dict.fromkeys(KINDS[:-1], 0.0)
    is_whole = trial.num_attempts <= 1 and not trial.stints  # else only spans know what was when
    if trial.record is not None and trial.record.timings.total_s > 0 and is_whole:
        for phase, seconds in _phases(trial.record.timings):
            amounts[KIND_OF_PHASE[phase]] += seconds
        amounts["other"] += max(0.0, length_s - sum(amounts.values()))
    else:
        for segment in segments:
            amounts[segment.kind] += segment.length_s
    total = sum(amounts.values())
    return {kind: amount / total for kind, amount in amounts.items()}


def _clipped(spans: Sequence[Span], start: float, end: float) -> list[Span]:
    """The parts of the spans within [start, end), as kinds, each beginning after the end of the one before it."""
    found: list[Span] = []
    reached = start
    for span in sorted(spans, key=lambda s: (s.start_s, s.end_s)):
        first, last = max(span.start_s, reached), min(span.end_s, end)
        if last > first:
            found.append(Span(KIND_OF_PHASE.get(span.phase, "other"), first, last))
            reached = last
    return found


def _by_timings(trial: StudyTrial, start: float, end: float) -> list[Span]:
    """For a trial without spans: its phases one after the other, each as long as it was in all."""
    if trial.record is None:
        return []
    phases = _phases(trial.record.timings)
    scale = min(1.0, (end - start) / max(sum(seconds for _, seconds in phases), 1e-9))
    spans, reached = [], start
    for phase, seconds in phases:
        spans.append(Span(phase, reached, reached + seconds * scale))
        reached += seconds * scale
    return _clipped(spans, start, end)


def _phases(timings: Timings) -> list[tuple[str, float]]:
    return [(phase, getattr(timings, f"{phase}_s")) for phase in KIND_OF_PHASE]


def _filled(spans: Sequence[Span], start: float, end: float) -> Iterator[Span]:
    """The spans with what is between them as `other`: of its workers a trial leaves nothing idle."""
    for span in [*spans, Span("other", end, end)]:
        if span.start_s > start:
            yield Span("other", start, span.start_s)
        if span.end_s > span.start_s:
            yield span
        start = span.end_s


def _tiled(segments: Sequence[Segment], total_s: float) -> Iterator[Segment]:
    """The segments in order, cut where they overlap, with idle time between them."""
    reached = 0.0
    for segment in sorted(segments, key=lambda s: (s.start_s, s.end_s)):
        start, end = max(segment.start_s, reached), min(segment.end_s, total_s)
        if end <= start:
            continue
        if start > reached:
            yield Segment(reached, start, "idle")
        yield Segment(start, end, segment.kind, segment.trial)
        reached = end
    if total_s > reached:
        yield Segment(reached, total_s, "idle")
