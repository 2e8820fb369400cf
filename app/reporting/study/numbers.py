"""What a study cost under a strategy, and against one worker: sums over its timeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.records import StudyRecord
from app.reporting.study.timeline import KINDS, Clock, Row, kind_shares, worker_rows

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Cost:
    """What one study cost under one strategy. What is not known is None."""

    num_workers: int
    worker_kind: str
    makespan_s: float
    worker_s: Mapping[str, float]
    """Worker-seconds by kind (study_timeline.KINDS); they add up to num_workers x makespan_s."""
    synchronising_s: float
    """The part of the training steps that went to exchange with a trial's other workers, waiting for them included."""
    worker_hours: float
    price: float | None
    one_worker_s: float | None
    """The makespan of the whole study on one worker without neighbours."""
    speed_up: float | None
    efficiency: float | None
    """Speed-up by workers."""

    @property
    def busy_share(self) -> float | None:
        """The share of the workers' time that they had a trial. No speed-up: workers that slow each other down are busy
        too."""
        total = sum(self.worker_s.values())
        return 1 - self.worker_s["idle"] / total if total > 0 else None


def cost_of(record: StudyRecord, one_worker_s: float | None, price_per_hour: float | None = None) -> Cost:
    """What the study cost.

    Args:
        one_worker_s: makespan on one worker of this kind, where it is known.
        price_per_hour: of one worker.

    Raises:
        UsageError: a trial ran on a worker that the study does not have.
    """
    makespan_s = Clock(record.sessions).total_s
    hours = record.num_workers * makespan_s / SECONDS_PER_HOUR
    rows = worker_rows(record)
    known = is_complete(record) and one_worker_s is not None and makespan_s > 0
    speed_up = one_worker_s / makespan_s if known and one_worker_s is not None else None
    return Cost(
        num_workers=record.num_workers,
        worker_kind=record.worker_kind,
        makespan_s=makespan_s,
        worker_s=worker_seconds(record, rows),
        synchronising_s=synchronising_s(record, rows),
        worker_hours=hours,
        price=None if price_per_hour is None else hours * price_per_hour,
        one_worker_s=one_worker_s if known else None,
        speed_up=speed_up,
        efficiency=None if speed_up is None else speed_up / record.num_workers,
    )


def worker_seconds(record: StudyRecord, rows: Sequence[Row]) -> dict[str, float]:
    """Sums over the workers by kind."""
    clock = Clock(record.sessions)
    shares = {trial.name: kind_shares(trial, clock) for trial in record.trials}
    sums = dict.fromkeys(KINDS, 0.0)
    for segment in (segment for row in rows for segment in row):
        if segment.trial is None:
            sums["idle"] += segment.length_s
        else:
            for kind, share in shares[segment.trial].items():
                sums[kind] += share * segment.length_s
    return sums


def synchronising_s(record: StudyRecord, rows: Sequence[Row]) -> float:
    """Worker-seconds of the training steps that went to other workers of the trial."""
    clock = Clock(record.sessions)
    share = {
        trial.name: kind_shares(trial, clock).get("compute", 0.0) * trial.record.timings.synchronising_share
        for trial in record.trials
        if trial.record is not None
    }
    segments = (segment for row in rows for segment in row if segment.trial is not None)
    return sum(segment.length_s * share.get(str(segment.trial), 0.0) for segment in segments)


def is_complete(record: StudyRecord) -> bool:
    """Whether every trial was trained to its end: only then is the makespan that of the whole study."""
    return record.status == "finished" and all(trial.status == "finished" for trial in record.trials)


def one_worker_s(records: Sequence[StudyRecord], worker_kind: str) -> float | None:
    """Makespan of the study on one worker of this kind: of a run that had no other, start-up and all. Trials that ran
    side by side are no such measure: each is slowed by the others. The shortest of several, so that a speed-up is
    rather too small than too large; None where there is no such run."""
    alone = [r for r in records if r.worker_kind == worker_kind and r.num_workers == 1 and is_complete(r)]
    return min((Clock(record.sessions).total_s for record in alone), default=None)


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by their whole paths: {"optimizer.learning_rate": 0.001, ...}."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found.update(flattened(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def varied_options(experiments: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Paths of the options, but the name, in which the study's experiments differ."""
    plain = [flattened(values) for values in experiments.values()]
    keys = list(dict.fromkeys(key for values in plain for key in values if key != "name"))
    return [key for key in keys if any(values.get(key) != plain[0].get(key) for values in plain)]
