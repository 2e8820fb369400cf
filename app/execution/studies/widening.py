"""Trials under way that resume on more workers once none is left to begin (app.planning.widening says which)."""

from collections.abc import Collection

from app.execution.studies.ledger import Ledger
from app.execution.studies.state import StudyState
from app.experiment import Experiment
from app.planning.cost import CostModel
from app.planning.widening import Lane, Wider, assumed, free_lane, measured, wider, widths


class Widening:
    def __init__(self, state: StudyState, ledger: Ledger) -> None:
        self._state, self._ledger = state, ledger
        self.is_on = state.study.scheduler is not None and state.study.scheduler.widen
        self._decided: dict[str, Wider] = {}
        self.model: CostModel | None = None
        """What was measured; where nothing was, it is assumed what workers gain."""
        self.lacking: Collection[int] = ()
        """Numbers of workers that memory has no room for, or on which such trainings failed."""

    def decide(self, name: str, experiment: Experiment, live: Collection[str], num_workers: int) -> bool:
        """Whether a trial that has just been evaluated is to resume on more workers.

        Args:
            experiment: the trial's, with what was chosen for it.
            live: trials under way, this one among them.
            num_workers: that the study may use now.
        """
        under_way = {*live, *self._decided}
        trials = self._state.trials
        if not self.is_on or name in self._decided:
            return False
        if any(trial.status == "waiting" and trial.name not in under_way for trial in trials.values()):
            return False
        left_s = self._ledger.status(name).get("eta_s")
        if left_s is None:
            return False
        k, lanes = trials[name].workers_per_trial, self.lanes(under_way)
        num_free = num_workers - sum(width for _, width in lanes.values())
        others = [lane for other, lane in lanes.items() if other != name]
        fitting = {
            width: lane
            for width in widths(k, experiment.global_batch_size(k), num_free, num_workers, len(under_way))
            if width not in self.lacking and ((lane := free_lane(others, width)) + 1) * width <= num_workers
        }
        again = assumed(k, self._longest_start_s())
        if self.model is not None and self.model.knows(experiment):
            again = measured(self.model, experiment, k, num_workers, len(under_way))
        found = wider(k, fitting, float(left_s), again)
        if found is None:
            return False
        self._decided[name] = Wider(found[0], fitting[found[0]], found[1])
        return True

    def lanes(self, names: Collection[str]) -> dict[str, Lane]:
        """Where trials are, or will be once they have resumed."""
        found = {name: (self._state.trials[name].lane, self._state.trials[name].workers_per_trial) for name in names}
        return found | {name: (one.lane, one.num_workers) for name, one in self._decided.items()}

    def forget(self, name: str) -> None:
        """It failed, or ended, before it could be moved."""
        self._decided.pop(name, None)

    def carry_out(self, name: str) -> Wider:
        """The trial resumes there from now on."""
        found = self._decided.pop(name)
        self._state.move(name, found.lane, found.num_workers)
        return found

    def _longest_start_s(self) -> float:
        """Longest start-up of the study's trials so far."""
        spans = (span for trial in self._state.trials.values() for span in trial.spans if span.phase == "startup")
        return max((span.end_s - span.start_s for span in spans), default=0.0)
