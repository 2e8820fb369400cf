"""Where a study stands: which trials are to run, run, finished or failed. Pure bookkeeping, without Ray or files."""

import dataclasses
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from app import records
from app.configuration import to_dict
from app.experiment import Study
from app.planning.plan import Plan, Stage
from app.records import Session, Span, Stint, StudyRecord, StudyTrial, Takeover, TrialRecord, WorkerKind

LeftOut = Callable[[Mapping[str, StudyTrial], float], Collection[str]]
"""Trials that are no longer begun, from what has become of all and the time."""


class Readiness:
    """How long a command took until trials could begin, told by the thread that brings Tune up. While workers come up
    beside it, only what the thread computed counts: so it is what a command without them takes."""

    def __init__(self, start_s: float) -> None:
        self.ready_s: float | None = None
        self._start_s, self._before_s, self._computed_s = start_s, 0.0, 0.0

    def workers_come(self) -> None:
        self._before_s, self._computed_s = time.time() - self._start_s, time.thread_time()

    def trials_come(self) -> None:
        if self.ready_s is None and self._before_s:
            self.ready_s = self._before_s + time.thread_time() - self._computed_s
        elif self.ready_s is None:
            self.ready_s = time.time() - self._start_s


class StudyState:
    """Changes as trials begin and end; `record` says it all as plain data."""

    def __init__(
        self,
        study: Study,
        plan: Plan,
        finished: Mapping[str, TrialRecord],
        before: StudyRecord | None,
        start_s: float,
        worker_kind: WorkerKind,
    ) -> None:
        """`finished`: records of the trials that are not run again; `before`: what the last start wrote."""
        self.study, self.plan = study, plan
        self._experiments = {experiment.name: experiment for experiment in study.experiments}
        self._sessions = before.sessions if before else ()
        begun = before is not None and any(trial.start_s is not None for trial in before.trials)
        self._num_workers = max(plan.num_workers, before.num_workers if before is not None and begun else 0)
        """Over all starts: what ran under a wider plan ran on workers that this one may not have."""
        self._start_s, self.worker_kind = start_s, worker_kind
        self.readiness = Readiness(start_s)
        known = {trial.name: trial for trial in before.trials} if before else {}
        self.trials: dict[str, StudyTrial] = {}
        self.lineage: tuple[Takeover, ...] = ()
        self._begun_s: dict[str, float] = {}
        scheduler = study.scheduler
        self._pauses = scheduler is not None and (scheduler.widen or scheduler.population() is not None)
        for number, stage in enumerate(plan.stages):
            for name in stage.trials:
                new = StudyTrial(name, "waiting", number, 0, stage.workers_per_trial)
                self.trials[name] = _carried_on(new, known.get(name), finished.get(name))

    def stage(self) -> Stage:
        """The first of the plan that has trials to run, else the last."""
        left = [trial.stage for trial in self.trials.values() if trial.status == "waiting"]
        return self.plan.stages[min(left, default=-1)]

    def use(self, num_workers: int) -> None:
        """The cluster has grown: so many workers have room at a time."""
        self._num_workers = max(self._num_workers, num_workers)

    def counts(self, num_running: int) -> dict[str, int]:
        """Trials by state."""
        states = ("waiting", "finished", "stopped", "failed")
        found = {"running": num_running, **{status: self.num_of(status) for status in states}}
        return {**found, "waiting": found["waiting"] - num_running}

    def fail_without_origin(self) -> list[str]:
        """Trials that start from one that failed fail too; their names, in the plan's order. What one that was stopped
        early had learned can be started from."""
        failed = []
        for name, trial in self.trials.items():
            origin = self._experiments[name].starts_from
            if trial.status == "waiting" and origin is not None and self.trials[origin].status == "failed":
                reason = f"it starts from {origin}, which failed: {self.trials[origin].failure}"
                self._change(name, status="failed", failure=reason)
                failed.append(name)
        return failed

    def begin(self, name: str, lane: int, start_s: float) -> None:
        """An attempt at a trial."""
        trial = self.trials[name]
        first_s = trial.start_s if trial.start_s is not None else start_s
        self._begun_s[name] = start_s
        self._change(name, lane=lane, start_s=first_s, num_attempts=trial.num_attempts + 1)

    def pause(self, name: str, spans: tuple[Span, ...], end_s: float) -> None:
        """A round of a population is over for it, or it gets more workers; what follows is no attempt of its own."""
        self._leave(name, end_s)
        self._change(name, spans=spans, num_attempts=self.trials[name].num_attempts - 1)

    def move(self, name: str, lane: int, num_workers: int) -> None:
        """A paused trial goes on elsewhere, on another number of workers."""
        self._change(name, lane=lane, workers_per_trial=num_workers)

    def finish(self, name: str, record: TrialRecord, spans: tuple[Span, ...], end_s: float) -> None:
        self._leave(name, end_s)
        self._change(name, status="finished", record=record, spans=spans, end_s=end_s, failure=None)

    def stop(self, name: str, reason: str, spans: tuple[Span, ...], end_s: float) -> None:
        """A trial was ended early by the study's rule."""
        self._leave(name, end_s)
        self._change(name, status="stopped", spans=spans, end_s=end_s, failure=reason)

    def leave_out(self, names: Collection[str]) -> None:
        """Trials that are not begun any more."""
        for name in names:
            self._change(name, status="stopped", failure="left out for want of time")

    def stages_of(self, names: Iterable[str]) -> dict[str, int]:
        return {name: self.trials[name].stage for name in names}

    def is_ready(self, name: str) -> bool:
        """Whether what it starts from is there."""
        origin = self._experiments[name].starts_from
        return origin is None or self.trials[origin].status in ("finished", "stopped")

    def retry(self, name: str, end_s: float) -> None:
        """An attempt failed, and the trial is tried again."""
        self._leave(name, end_s)

    def fail(self, name: str, reason: str, spans: tuple[Span, ...], end_s: float) -> None:
        """The last attempt failed."""
        self._leave(name, end_s)
        self._change(name, status="failed", failure=reason, spans=spans, end_s=end_s)

    def give_back(self, name: str) -> None:
        """Its workers never came up: that was no attempt. It waits for as many as the plan has for it."""
        trial = self.trials[name]
        self._begun_s.pop(name, None)
        planned = self.plan.stages[trial.stage].workers_per_trial
        self._change(name, num_attempts=trial.num_attempts - 1, workers_per_trial=planned)

    def num_of(self, status: str) -> int:
        return sum(trial.status == status for trial in self.trials.values())

    def failed(self) -> list[StudyTrial]:
        return [trial for trial in self.trials.values() if trial.status == "failed"]

    def record(self, now_s: float, ended: bool = False) -> StudyRecord:
        best = self.best()
        scores = {trial.record.score for trial in self.trials.values() if trial.record is not None}
        finished_well = not self.failed()
        session = Session(self._start_s, now_s, self.readiness.ready_s)
        return StudyRecord(
            name=self.study.name,
            status="running" if not ended else "finished" if finished_well else "failed",
            strategy=self.plan.strategy,
            plan=to_dict(self.plan),
            num_workers=self._num_workers,
            worker_kind=self.worker_kind,
            sessions=(*self._sessions, session),
            trials=tuple(self._so_far(trial, now_s) for trial in self.trials.values()),
            best_trial=best,
            score=scores.pop() if len(scores) == 1 else "score",
            lineage=self.lineage,
            versions=records.versions(),
            host=records.host(),
        )

    def best(self) -> str | None:
        """The finished trial with the best validation score, of equals the first. None where nothing is finished, or
        where trials do not compare: Dice and accuracy, or scores on different pages."""
        done = [trial.record for trial in self.trials.values() if trial.record is not None]
        if len({record.score for record in done}) != 1:
            return None
        if len({self._experiments[record.name].validated_on for record in done}) != 1:
            return None
        scored = [(record.metrics[record.score], record) for record in done if record.score in record.metrics]
        if not scored:
            return None
        return max(scored, key=lambda pair: (pair[0] == pair[0], pair[0]))[1].name

    def _leave(self, name: str, end_s: float) -> None:
        """A trial that can be paused leaves its lane: another may take it before it resumes."""
        trial = self.trials[name]
        begun_s = self._begun_s.pop(name, None)
        if begun_s is not None and self._pauses:
            stint = Stint(trial.lane, trial.workers_per_trial, begun_s, end_s)
            self._change(name, stints=(*trial.stints, stint))

    def _so_far(self, trial: StudyTrial, now_s: float) -> StudyTrial:
        """With the stretch that is under way, where trials have several: else a kill would lose it."""
        begun_s = self._begun_s.get(trial.name) if self._pauses else None
        if begun_s is None:
            return trial
        stint = Stint(trial.lane, trial.workers_per_trial, begun_s, now_s)
        return dataclasses.replace(trial, stints=(*trial.stints, stint))

    def _change(self, name: str, **changes: object) -> None:
        self.trials[name] = dataclasses.replace(self.trials[name], **changes)  # type: ignore[arg-type]


def is_left_out(trial: StudyTrial) -> bool:
    """Whether it was not begun for want of time; a start with more takes it up."""
    return trial.status == "stopped" and trial.start_s is None


def _carried_on(new: StudyTrial, known: StudyTrial | None, record: TrialRecord | None) -> StudyTrial:
    """A trial at the start of a session. What is finished stays as it ran; all else is to run as the plan says."""
    is_over = known is not None and known.status == "stopped" and not is_left_out(known)
    if known is not None and (is_over or (known.status == "finished" and record is not None)):
        return known
    if known is not None:
        new = dataclasses.replace(
            new, start_s=known.start_s, num_attempts=known.num_attempts, stints=known.stints, spans=known.spans
        )
    if record is None:
        return new
    # The driver was killed between the trial's end and its own note of it.
    return dataclasses.replace(
        new, status="finished", record=record, workers_per_trial=record.num_workers, lane=known.lane if known else 0
    )
