"""Tune's schedulers in a study: what they must know after a restart, and what they may not decide."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from app.execution.studies.results import EPOCH

IN_ORDER = FIFOScheduler.choose_trial_to_run
"""Looks through all trials at every turn, to find what Tune begins by itself."""


class StudyScheduler(TrialScheduler):
    """Asks the scheduler of the study's choice, one instance for each group of trials that compare.

    What trials had reported before the command was started again is told to it anew; what it answers then is not
    heard. Results that come twice, after a worker's death, are told once.
    """

    def __init__(
        self,
        make: Callable[[], TrialScheduler],
        group_of: Callable[[str], Any],
        past: Mapping[str, Sequence[Mapping[str, Any]]],
        ended: Sequence[str],
        on_stop: Callable[[str, Mapping[str, Any]], None],
        widen: Callable[[str], bool | None] = lambda name: False,
        resume_wider: Callable[[Trial, int], bool | None] = lambda trial, epoch: False,
    ) -> None:
        """`past`: results of trials by name, in the order of time; `ended`: those among them that are over;
        `on_stop`: hears of a trial that is ended early before it is; `widen`: whether one that goes on is to do so on
        more workers; `resume_wider`: gives them to it, as soon as it has left the others, and says whether it has."""
        self._make, self._group_of, self._on_stop = make, group_of, on_stop
        self._past, self._ended = dict(past), list(ended)
        self._inner: dict[Any, TrialScheduler] = {}
        self._told: dict[str, int] = {}
        self._widen, self._resume_wider = widen, resume_wider
        self._to_widen: dict[Trial, int] = {}

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        return True

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        inner = self._of(tune_controller, trial)
        inner.on_trial_add(tune_controller, trial)
        self._replay(tune_controller, inner, trial, name_of(trial))

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        name = name_of(trial)
        if result[EPOCH] <= self._told.get(name, 0):
            return str(TrialScheduler.CONTINUE)
        self._told[name] = result[EPOCH]
        decision = str(self._of(tune_controller, trial).on_trial_result(tune_controller, trial, result))
        if decision == TrialScheduler.STOP:
            self._on_stop(name, result)
        if decision == TrialScheduler.CONTINUE and not result.get("done") and self._widen(name):
            self._to_widen[trial] = result[EPOCH]
            return str(TrialScheduler.PAUSE)
        return decision

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Trials begin in the order in which they were given out, unless a scheduler pauses and resumes them."""
        for trial, epoch in self._to_widen.items():
            if trial.status == Trial.PAUSED and self._resume_wider(trial, epoch):
                del self._to_widen[trial]
                return trial
        ours = [inner for inner in self._inner.values() if type(inner).choose_trial_to_run is not IN_ORDER]
        chosen = (inner.choose_trial_to_run(tune_controller) for inner in ours)
        return next((trial for trial in chosen if trial is not None), None)

    def debug_string(self) -> str:
        return ", ".join(str(inner.debug_string()) for inner in self._inner.values())

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        self._of(tune_controller, trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self._of(tune_controller, trial).on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        self._of(tune_controller, trial).on_trial_remove(tune_controller, trial)

    def _of(self, tune_controller: Any, trial: Trial) -> TrialScheduler:
        """The scheduler of a trial's group, which knows of the group's trials that are over."""
        group = self._group_of(name_of(trial))
        if group not in self._inner:
            self._inner[group] = inner = self._make()
            for name in self._ended:
                if self._group_of(name) == group:
                    over: Any = PastTrial(name)
                    inner.on_trial_add(tune_controller, over)
                    self._replay(tune_controller, inner, over, name)
        return self._inner[group]

    def _replay(self, tune_controller: Any, inner: TrialScheduler, trial: Any, name: str) -> None:
        for result in self._past.pop(name, ()):
            inner.on_trial_result(tune_controller, trial, dict(result))
            self._told[name] = int(result[EPOCH])


class PastTrial:
    """What schedulers look at in a trial that is over."""

    status, experiment_tag = Trial.TERMINATED, ""

    def __init__(self, name: str) -> None:
        self.trial_id, self.config = f"past-{name}", {"name": name}

    def is_finished(self) -> bool:
        return True

    def __str__(self) -> str:
        return str(self.config["name"])


def name_of(trial: Any) -> str:
    return str(trial.config["name"])
