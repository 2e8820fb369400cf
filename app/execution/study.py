"""Runs a study by its plan: stage after stage, each trial in a lane of k workers; goes on where it was stopped."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

import ray

from app.console import say
from app.data import files
from app.errors import DataError, ResourceError
from app.execution import cluster
from app.execution.attempts import write_failure
from app.execution.early_stopping import stop_reason
from app.execution.lane import START_TIMEOUT_S, Lane, LaneShape
from app.execution.lane_worker import Order, Outcome
from app.execution.ledger import Ledger
from app.execution.rounds import Rounds
from app.execution.stores import stores_of
from app.execution.study_display import StudyDisplay, listed, scores
from app.execution.study_state import StudyState
from app.execution.tuning import Tuner, tuned
from app.experiment import Experiment, Study
from app.planning.plan import Plan, Stage, check
from app.records import StudyRecord, TrialRecord

POLL_S = 1.0
NOTE_EVERY_S = 15.0
"""Assumed: what a study that is killed may lose of its own length; trials lose nothing by it."""
NOTE_SHARE = 0.05
"""Of the time, at most, goes into noting events: a record of many short trials is long."""


@dataclass(frozen=True)
class StudySetting:
    """Where and how a study runs."""

    folder: str
    stores: Mapping[str, str]
    """Prepared stores by name; the empty name is that of the one without."""
    feeding: cluster.Feeding | None = None
    """None: as cluster.default_feeding has it."""


def run_study(study: Study, plan: Plan, setting: StudySetting, start_s: float | None = None) -> StudyRecord:
    """Run every trial that is not finished; what fails is recorded with its reason, and the others go on.

    Raises:
        ValueError: the plan does not fit the study.
        UsageError: the folder holds another study, or another process runs it.
        DataError: a store is not there.
        ResourceError: the cluster lacks what the plan needs.
    """
    start_s = start_s if start_s is not None else time.time()
    check(plan, study)
    stores = stores_of(study, setting.stores)
    for store in sorted(set(stores.values())):
        if not files.exists(store):
            raise DataError(f"{store} is not there: make the store first with jobs/prepare.py")
    ledger = Ledger(setting.folder)
    with ledger.held():
        ledger.claim(study, plan)
        finished = {e.name: record for e in study.experiments if (record := ledger.finished(e.name)) is not None}
        before = ledger.read_record()
        if before is not None and before.status == "finished" and _is_all(before, finished):
            say(f"{study.name}: finished before, not run again ({setting.folder})")
            return before
        slots = cluster.connect(plan.num_workers)
        kind = cluster.worker_kind(slots)
        state = StudyState(study, plan, finished, before, start_s, kind)
        return _StudyRun(state, ledger, stores, setting, kind == "GPU", start_s).run()


def _is_all(before: StudyRecord, finished: Mapping[str, TrialRecord]) -> bool:
    """Whether what a record says is finished is still there."""
    return all(trial.status == "stopped" or trial.name in finished for trial in before.trials)


class _StudyRun:
    """One start of a study's command."""

    def __init__(
        self,
        state: StudyState,
        ledger: Ledger,
        stores: Mapping[str, str],
        setting: StudySetting,
        use_gpu: bool,
        start_s: float,
    ) -> None:
        self._state, self._ledger, self._stores = state, ledger, stores
        self._experiments = {experiment.name: experiment for experiment in state.study.experiments}
        self._tuner, self._rounds = Tuner(state, ledger), Rounds(state, ledger)
        self._until_epoch: int | None = None
        self._per_worker = {"CPU": 1.0, **({"GPU": 1.0} if use_gpu else {})}
        self._feeding = setting.feeding or cluster.default_feeding(use_gpu)
        self._start_s = start_s
        self._lanes: list[Lane] = []
        self._waiting: deque[str] = deque()
        self._display = StudyDisplay(state, ledger.status)
        self._noted_s, self._noting_s = 0.0, 0.0
        self._changed = False
        self._is_first = True

    def run(self) -> StudyRecord:
        self._complete_notes()
        stages = list(enumerate(self._state.plan.stages))
        cluster.check_room(self._state.plan, self._per_worker, self._feeding == "ray")
        try:
            with self._display:
                for end in self._rounds.ends:
                    self._until_epoch = end
                    for number, stage in stages:
                        self._run_stage(number, stage)
                    self._end_round()
            return self._note(ended=True)
        except BaseException:
            self._note()
            raise
        finally:
            self._close_lanes()

    def _run_stage(self, number: int, stage: Stage) -> None:
        failed = {trial.name for trial in self._state.failed()}
        to_run = self._state.to_run(number)
        for trial in self._state.failed():
            if trial.name not in failed:
                self._note_failure(trial.name)  # what it starts from has failed
        self._waiting.extend(name for name in to_run if not self._rounds.is_through(name, self._until_epoch))
        if not self._waiting:
            return
        self._open_lanes(stage, min(stage.concurrent_trials, len(self._waiting)))
        while self._waiting or any(lane.order for lane in self._lanes):
            self._give_orders(number)
            since_s = time.monotonic() - self._noted_s
            if since_s > NOTE_EVERY_S or (self._changed and since_s * NOTE_SHARE > self._noting_s):
                self._note()
            self._wait()
            for lane in list(self._lanes):
                self._poll(lane)
            running = {lane.order.experiment.name: lane.order.start_s for lane in self._lanes if lane.order}
            self._display.update(running, len(self._lanes))
        self._note()

    def _end_round(self) -> None:
        for takeover in self._rounds.close(self._until_epoch):
            what = f"takes over the network of {takeover.origin} after epoch {takeover.epoch}"
            self._display.event(f"{takeover.member}: {what}{listed(takeover.values)}")

    def _open_lanes(self, stage: Stage, num_lanes: int) -> None:
        """Lanes of the same width are kept from stage to stage, with their workers."""
        k = stage.workers_per_trial
        if self._lanes and self._lanes[0].shape.num_workers != k:
            self._close_lanes()
        shape = LaneShape(
            k, self._per_worker, cluster.all_fit_on_single_nodes(k, stage.concurrent_trials, self._per_worker)
        )
        for lane in self._lanes[num_lanes:]:
            lane.close()
        self._lanes = self._lanes[:num_lanes]
        free = (index for index in range(stage.concurrent_trials) if index not in {ln.index for ln in self._lanes})
        self._lanes += [Lane(index, shape) for index in islice(free, num_lanes - len(self._lanes))]
        self._workers_on_node = -(-k * num_lanes // cluster.num_nodes())

    def _give_orders(self, stage: int) -> None:
        """To every free lane the next trial."""
        for lane in self._lanes:
            if lane.order is not None or not self._waiting:
                continue
            self._give(lane, self._waiting.popleft(), stage)
        self._is_first = False

    def _give(self, lane: Lane, name: str, stage: int) -> None:
        values = {**self._tuner.values(name), **self._rounds.values(name)}
        experiment = tuned(self._experiments[name], values)
        if experiment.starts_from is not None:
            weights = self._ledger.trial_folder(experiment.starts_from)
            experiment = replace(experiment, task={**experiment.task, "weights": weights})
        # The workers that the command starts with have waited since it began.
        start_s = self._start_s if self._is_first else time.time()
        lane.give(
            Order(
                experiment=experiment,
                store=self._stores[name],
                folder=self._ledger.trial_folder(name),
                start_s=start_s,
                workers_on_node=self._workers_on_node,
                feeding=self._feeding,
                early_stopping=self._state.study.early_stopping,
                until_epoch=self._until_epoch,
                others=self._others(experiment),
            )
        )
        self._state.begin(name, lane.index, start_s)
        self._changed = True
        workers = f"{lane.shape.num_workers} worker{'s' if lane.shape.num_workers > 1 else ''}"
        self._display.event(f"{name}: begins on {workers} (stage {stage + 1}, lane {lane.index + 1}){listed(values)}")

    def _wait(self) -> None:
        pending = [ref for lane in self._lanes for ref in lane.pending]
        timeout_s = 0.1 if any(lane.is_failing for lane in self._lanes) else POLL_S
        if pending:
            ray.wait(pending, num_returns=1, timeout=timeout_s)

    def _poll(self, lane: Lane) -> None:
        if lane.order is None:
            return
        name = lane.order.experiment.name
        if lane.is_overdue():
            self._give_up_lane(lane, name)
            return
        outcome = lane.poll()
        if outcome is not None:
            self._take(name, outcome)

    def _take(self, name: str, outcome: Outcome) -> None:
        spans = self._ledger.spans(name)
        self._changed = True
        if outcome.record is not None:
            self._state.finish(name, outcome.record, spans, time.time())
            done = f"{self._state.num_of('finished')}/{len(self._state.trials)}"
            self._display.event(f"{name}: finished, {scores(outcome.record.metrics)} ({done})")
            return
        if outcome.paused:
            self._state.pause(name, spans, time.time())
            return
        if outcome.stopped:
            reason = stop_reason(self._ledger.trial_folder(name)) or "behind the others"
            self._state.stop(name, reason, spans, time.time())
            self._display.event(f"{name}: stopped early, {reason}")
            return
        failure = outcome.failure
        assert failure is not None
        if self._state.fail(name, failure, spans, time.time()):
            self._display.event(f"{name}: {failure.reason}; it goes on from its last checkpoint")
            self._waiting.appendleft(name)
        else:
            self._note_failure(name)

    def _give_up_lane(self, lane: Lane, name: str) -> None:
        """The workers of a lane never came; the others take its trials.

        Raises:
            ResourceError: there are no others.
        """
        lane.close()
        self._lanes.remove(lane)
        self._waiting.appendleft(name)
        self._state.give_back(name)
        needed = f"{lane.shape.num_workers} workers of {lane.shape.per_worker}"
        if not self._lanes:
            raise ResourceError(
                f"{needed} did not start within {START_TIMEOUT_S:.0f} s: the cluster has lost a node, or other jobs "
                "hold it. What is finished is kept: the same command goes on from there"
            )
        self._display.event(f"lane {lane.index + 1} is given up: {needed} did not start; {name} waits for another")

    def _note_failure(self, name: str) -> None:
        reason = str(self._state.trials[name].failure)
        write_failure(self._ledger.trial_folder(name), name, reason)
        self._display.event(f"{name}: failed: {reason}")

    def _note(self, ended: bool = False) -> StudyRecord:
        """Write down where the study stands."""
        began_s = time.monotonic()
        record = self._state.record(time.time(), ended)
        self._ledger.write_record(record)
        self._noted_s = time.monotonic()
        self._noting_s = self._noted_s - began_s
        self._changed = False
        return record

    def _others(self, experiment: Experiment) -> tuple[str, ...]:
        """Folders of the trials that early stopping compares this one with."""
        if self._state.study.early_stopping is None:
            return ()
        alike = [e.name for e in self._experiments.values() if e.validated_on == experiment.validated_on]
        return tuple(self._ledger.trial_folder(name) for name in alike if name != experiment.name)

    def _complete_notes(self) -> None:
        """Trials that ended when the driver no longer lived to note it; what was finished before is said once."""
        for name, trial in self._state.trials.items():
            reason = stop_reason(self._ledger.trial_folder(name)) if trial.status == "waiting" else None
            if reason is not None:
                spans = self._ledger.spans(name)
                self._state.stop(name, reason, spans, spans[-1].end_s if spans else time.time())
        finished = [trial for trial in self._state.trials.values() if trial.record is not None]
        for trial in finished:
            if trial.end_s is None and trial.record is not None:
                spans = self._ledger.spans(trial.name)
                self._state.finish(trial.name, trial.record, spans, spans[-1].end_s if spans else time.time())
        if finished:
            self._display.event(f"{len(finished)} trials were finished before and are not run again")

    def _close_lanes(self) -> None:
        for lane in self._lanes:
            lane.close()
        self._lanes = []
