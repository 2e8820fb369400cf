"""The trials of a running study: what each is given when it begins, and what is noted when it ends."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from app.data import files
from app.errors import ResourceError
from app.execution.cluster.host_watch import HostWatch
from app.execution.cluster.nodes import Nodes
from app.execution.studies import past_trials
from app.execution.studies.display import StudyDisplay, listed, scores
from app.execution.studies.ledger import Ledger
from app.execution.studies.orders import Orders, known_epochs
from app.execution.studies.results import EPOCH, FAILURE, PLACE, SCORE
from app.execution.studies.state import LeftOut, StudyState
from app.execution.studies.widening import Widening
from app.execution.trials import gauges
from app.execution.trials.attempts import nodes_of_starts, write_failure
from app.execution.trials.group import StartedGroups
from app.execution.trials.loggers import Loggers
from app.execution.trials.record import told_origin
from app.planning.plan import next_trial
from app.planning.widening import free_lane
from app.records import StudyRecord, Takeover

NOTE_EVERY_S = 15.0
"""Assumed: what a study that is killed may lose of its own length; trials lose nothing by it."""
NOTE_SHARE = 0.05
"""Largest share of the time that goes into noting events: the record of many short trials is long."""


class StudyTrials:
    """Knows of every trial what state, folder and place it has; Tune asks and tells (app.execution.studies.tuning)."""

    def __init__(
        self,
        state: StudyState,
        ledger: Ledger,
        orders: Orders,
        per_worker: Mapping[str, float],
        loggers: Loggers,
        start_s: float,
        watch: HostWatch | None = None,
    ) -> None:
        self.state, self.ledger, self.orders = state, ledger, orders
        self.name, self._loggers = files.name_of(ledger.folder), loggers
        self.per_worker, self._start_s = dict(per_worker), start_s
        self.experiments = {experiment.name: experiment for experiment in state.study.experiments}
        self.widening = Widening(state, ledger)
        self.display = StudyDisplay(state, ledger.status)
        self.past = {name: past_trials.past_results(state, ledger, name) for name in self.experiments}
        """What trials had reported, and was decided on, before this start of the command."""
        self.live: dict[str, float] = {}
        """Trials under way and since when."""
        look = () if watch is None else (watch.look,)
        self._nodes = Nodes(state.plan, lambda name: nodes_of_starts(ledger.trial_folder(name)), *look)
        self._placed, self._logged, self._paused = set[str](), set[str](), set[str]()
        self.groups, self._num_begun = StartedGroups(), 0
        self.left_out: LeftOut | None = None
        self._noted_s, self._noting_s, self._changed = time.monotonic(), 0.0, False

    def next_configuration(self) -> dict[str, Any] | None:
        """The configuration of the trial that begins now, for Tune, which asks at each of its turns."""
        if len(self.live) >= max(self._nodes.num_places(stage) for stage in self.state.plan.stages):
            return None
        self.state.readiness.trials_come()
        if self.left_out is not None:
            self.state.leave_out({*self.left_out(self.state.trials, time.time())} - self.live.keys())
        for failed in self.state.fail_without_origin():
            self._note_failure(failed)
        waiting = {trial.name for trial in self.state.trials.values() if trial.status == "waiting"} - set(self.live)
        waiting -= self._paused
        live = self.state.stages_of(self.live)
        name = next_trial(self.state.plan, waiting, live, self._nodes.num_places, self.state.is_ready)
        return None if name is None else self._configuration(name)

    def resume(self, paused: Sequence[str]) -> str | None:
        """Which member of a population goes on now."""
        live = self.state.stages_of(self.live)
        name = next_trial(self.state.plan, paused, live, self._nodes.num_places, lambda _: True)
        if name is not None:
            self._paused.discard(name)
            self.live[name] = time.time()
        return name

    def widen(self, name: str) -> bool:
        """Whether a trial that has just been evaluated is paused, to resume on more workers."""
        num_workers = min(self.state.plan.num_workers, self._nodes.num_slots)
        return self.widening.decide(name, self.orders.experiment(name), self.live, num_workers)

    def widened(self, config: Mapping[str, Any], epoch: int) -> dict[str, Any] | None:
        """The configuration with which it resumes after that epoch; None while it has not left its workers."""
        name, k = config["name"], self.state.trials[config["name"]].workers_per_trial
        if name not in self._paused:
            return None
        found = self.widening.carry_out(name)
        self._paused.discard(name)
        self._placed.add(name)
        self.live[name] = time.time()
        moved = f"on {found.num_workers} workers in place of {k}, to end {found.saved_s:.0f} s sooner"
        self.display.event(f"{name}: no trial is left to begin, so it resumes after epoch {epoch} {moved}")
        return self.orders.resume(config, found.num_workers, epoch, self.live[name])

    def pause(self, name: str) -> None:
        """A member waits for the others at the end of a round, or a trial for more workers."""
        self._leave(name)
        self._paused.add(name)
        self.state.pause(name, self.ledger.spans(name), time.time())

    def take_over(self, epoch: int, takeovers: Sequence[Takeover]) -> None:
        self.orders.takeovers.carry_out(epoch, takeovers)
        for takeover in takeovers:
            what = f"takes over the network of {takeover.origin} after epoch {takeover.epoch}"
            self.display.event(f"{takeover.member}: {what}{listed(takeover.values)}")

    def is_over(self) -> bool:
        return not any(trial.status == "waiting" for trial in self.state.trials.values())

    def start_groups(self) -> None:
        """Those of the first stage that has trials to run: they come up while Tune does."""
        stages = [t.stage for t in self.state.trials.values() if t.status == "waiting"]
        if not stages:
            return
        stage = self.state.plan.stages[min(stages)]
        k, c = stage.workers_per_trial, stage.concurrent_trials
        if k > 1:
            self.state.readiness.workers_come()
            folder = files.parent_of(self.ledger.trial_folder("any"))
            self.groups.start(min(c, stages.count(min(stages))), self.orders.shape(k, c), folder)

    def begin(self, name: str) -> None:
        """Its workers are there."""
        if name not in self.live:
            self.live[name] = time.time()
        lane = self.state.trials[name].lane
        if name not in self._placed:
            taken = self.widening.lanes([other for other in self.live if other in self._placed]).values()
            lane = free_lane(taken, self.state.trials[name].workers_per_trial)
        self._placed.add(name)
        self._nodes.begins(name)
        self.state.begin(name, lane, self.live[name])
        self._changed = True
        trial = self.state.trials[name]
        if name not in self._logged:
            self._logged.add(name)
            options = self.orders.experiment(name).with_values(self._chosen(name)).to_dict()
            self._loggers.begin(name, options, self.ledger.trial_folder(name))
        k, chosen = trial.workers_per_trial, listed(self._chosen(name))
        workers = f"{k} worker{'s' if k > 1 else ''}"
        self.display.event(f"{name}: begins on {workers} (stage {trial.stage + 1}, lane {lane + 1}){chosen}")

    def tell(self, name: str, metrics: Mapping[str, Any]) -> None:
        """An evaluation was reported."""
        self.display.once(name, lambda: told_origin(name, self.ledger.trial_folder(name)))
        self._loggers.line(name, metrics)

    def retry(self, name: str, reason: str) -> None:
        self.widening.forget(name)
        self.state.retry(name, time.time())
        self.look_around(now=True)
        if not self._nodes.explains(name):
            self.display.event(f"{name}: {reason}; it resumes from its last checkpoint")

    def end(self, name: str, result: Mapping[str, Any]) -> None:
        """A trial has returned its last result, or was stopped after it."""
        self.widening.forget(name)
        self._leave(name)
        spans, now_s = self.ledger.spans(name), time.time()
        record = self.ledger.finished(name) if FAILURE not in result else None
        if PLACE in result:
            self._give_back(name, result[PLACE])
        elif FAILURE in result:
            self.state.fail(name, result[FAILURE].reason, spans, now_s)
            self._note_failure(name)
        elif record is not None:
            self.state.finish(name, record, spans, now_s)
            done = f"{self.state.num_of('finished')}/{len(self.state.trials)}"
            self.display.event(f"{name}: finished, {scores(record.metrics)} ({done})")
        else:
            reason = self.ledger.stop_reason(name) or "by the scheduler"
            self.state.stop(name, reason, spans, now_s)
            self.display.event(f"{name}: stopped early, {reason}")
        self._close(name)

    def fail(self, name: str, reason: str) -> None:
        """A trial whose last attempt could not say so itself."""
        self.widening.forget(name)
        self._leave(name)
        self.state.fail(name, reason, self.ledger.spans(name), time.time())
        self._note_failure(name)
        self._close(name)

    def tick(self) -> None:
        """Called often: the display and the record are kept fresh."""
        since_s = time.monotonic() - self._noted_s
        if since_s > NOTE_EVERY_S or (self._changed and since_s * NOTE_SHARE > self._noting_s):
            self.note()
        self.display.update(self.live, max(1, len(self.live)))

    def note(self, ended: bool = False) -> StudyRecord:
        """Write down where the study stands."""
        began_s, record = time.monotonic(), self.state.record(time.time(), ended)
        self.ledger.write_record(record)
        self._noted_s = time.monotonic()
        self._noting_s, self._changed = self._noted_s - began_s, False
        return record

    def look_around(self, now: bool = False) -> None:
        """Called often: what has become of the cluster's hosts is told, and charts see how many trials stand where."""
        if not now and not self._nodes.is_due():
            return
        stage = self.state.stage()
        for line in self._nodes.changes(self.live, stage):
            self.display.event(line)
        self.display.silent = self._nodes.silent_hosts(self.live)
        self.state.use(stage.workers_per_trial * self._nodes.num_places(stage))
        for status, number in self.state.counts(len(self.live)).items():
            gauges.show("trials", number, {"study": self.name, "state": status})

    def complete_notes(self) -> None:
        """What was finished before is said once."""
        if num_finished := past_trials.complete(self.state, self.ledger):
            self.display.event(f"{num_finished} trials were already finished and are skipped")

    def note_stop(self, name: str, result: Mapping[str, Any]) -> None:
        """A scheduler ends a trial early: on disk before it happens."""
        reason = f"after {result[EPOCH]} epochs with {result[SCORE]:.4f}"
        self.ledger.write_stop(name, result[EPOCH], result[SCORE], reason)

    def _configuration(self, name: str) -> dict[str, Any] | None:
        if self.orders.suggestions.choose(name) is None:
            return None  # what chooses them waits for results
        stage = self.state.plan.stages[self.state.trials[name].stage]
        c = self._nodes.num_places(stage)
        # The workers that the command starts with have waited since it began.
        self._num_begun += 1
        self.live[name] = start_s = self._start_s if self._num_begun <= c else time.time()
        desk = self.groups.take() if stage.workers_per_trial > 1 else None
        return self.orders.begin(name, self.name, c, start_s, known_epochs(self.past[name]), desk)

    def _chosen(self, name: str) -> dict[str, Any]:
        """Options that are not its experiment's."""
        return {**self.orders.suggestions.of(name), **self.orders.takeovers.values(name)}

    def _close(self, name: str) -> None:
        """Whoever learns from a trial's end hears of it, unless it waits for other workers."""
        status = self.state.trials[name].status
        if status != "waiting":
            self.orders.suggestions.complete(name)
            self._loggers.end(name, status)

    def _leave(self, name: str) -> None:
        self.live.pop(name, None)
        self._placed.discard(name)
        self._changed = True

    def _give_back(self, name: str, reason: str) -> None:
        """The workers of a trial never came; it waits for those of the others.

        Raises:
            ResourceError: there are no others.
        """
        self.state.give_back(name)
        self._nodes.lose_place(self.state.stage(), len(self.live))
        if not self.live:
            raise ResourceError(f"{reason}. Finished trials are kept; run the same command to resume")
        self.display.event(f"{name}: {reason}; it waits for the workers of another trial")

    def _note_failure(self, name: str) -> None:
        write_failure(self.ledger.trial_folder(name), name, str(self.state.trials[name].failure))
        self.display.event(f"{name}: failed: {self.state.trials[name].failure}")
