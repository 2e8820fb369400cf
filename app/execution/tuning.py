"""Values for the trials of a tuned study, each chosen by Optuna's TPE when the trial begins.

A choice follows from the study's seed, the trial's number and how the other trials stand; a restart finds all of that
in the study's folder. So nothing is kept between two choices, and none has to be replayed.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.configuration import to_dict
from app.data import files
from app.execution.early_stopping import stopped_at
from app.execution.ledger import Ledger
from app.execution.study_state import StudyState
from app.experiment import Experiment
from app.search_space import Choice, Range, Tuning

SUGGESTED_FILE = "suggested.json"
"""In a trial's folder, before the trial begins: by path, what was chosen."""


@dataclass(frozen=True)
class Tried:
    """A trial that has its values, and what is known of them."""

    values: Mapping[str, Any]
    status: Literal["finished", "stopped", "failed", "waiting"]
    score: float | None = None
    """Of the finished and of those that were stopped; more is better."""
    epoch: int = 0
    """At which it was stopped."""


class Tuner:
    """Gives each trial its values, the same ones whenever it begins again."""

    def __init__(self, state: StudyState, ledger: Ledger) -> None:
        self._state, self._ledger = state, ledger
        self._tuning = state.study.tuning
        self._chosen: dict[str, dict[str, Any]] = {}
        for name in self._tuning.trials if self._tuning is not None else ():
            path = self._path(name)
            if files.exists(path):
                self._chosen[name] = files.read_json(path)

    def values(self, name: str) -> dict[str, Any]:
        """Of a trial that is about to begin; written down before they are used. Empty where nothing is tuned."""
        if self._tuning is None or name not in self._tuning.trials:
            return {}
        if name not in self._chosen:
            number = self._tuning.trials.index(name)
            tried = [self._tried(other) for other in self._tuning.trials if other in self._chosen]
            chosen = suggest(self._tuning, self._state.study.seed, number, tried)
            files.write_json(self._path(name), chosen)
            self._chosen[name] = chosen
        return self._chosen[name]

    def _tried(self, name: str) -> Tried:
        trial, values = self._state.trials[name], self._chosen[name]
        if trial.record is not None:
            return Tried(values, "finished", trial.record.metrics.get(trial.record.score))
        if trial.status == "stopped":
            epoch, score = stopped_at(self._ledger.trial_folder(name))
            return Tried(values, "stopped", score, epoch)
        return Tried(values, trial.status)

    def _path(self, name: str) -> str:
        return files.join(self._ledger.trial_folder(name), SUGGESTED_FILE)


def tuned(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    return experiment.with_values(values) if values else experiment


def suggest(tuning: Tuning, seed: int, number: int, tried: Sequence[Tried]) -> dict[str, Any]:
    """Values for trial `number`, by path; the same ones for the same arguments."""
    import optuna  # here: a second to import, which other studies do not pay

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A sampler of its own for each trial: one that goes on drawing would begin again with each restart, and choose
    # the first trial's values for the first one after it.
    own_seed = random.Random(f"{seed} {number}").getrandbits(32)
    sampler = optuna.samplers.TPESampler(n_startup_trials=tuning.num_random, seed=own_seed, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    space = {path: _distribution(choice) for path, choice in tuning.parameters.items()}
    for trial in tried:
        study.add_trial(_told(tuning, space, trial))
    chosen = study.ask(space).params
    return {path: _value(choice, chosen[path]) for path, choice in tuning.parameters.items()}


def _told(tuning: Tuning, space: Mapping[str, Any], trial: Tried) -> Any:
    """A trial as Optuna knows it."""
    from optuna.trial import TrialState, create_trial

    params = {path: _asked(choice, trial.values[path]) for path, choice in tuning.parameters.items()}
    known = trial.score is not None and math.isfinite(trial.score)
    if trial.status == "waiting":
        state = TrialState.RUNNING
    elif trial.status == "finished" and known:
        return create_trial(params=params, distributions=dict(space), value=trial.score)
    else:
        # The sampler leaves out what is told as failed, and would go on choosing the values that make a training
        # fail. Pruned trials rank behind all that finished; those without a score last.
        state = TrialState.PRUNED
    reached: dict[int, float] = {}
    if trial.status == "stopped" and trial.score is not None and known:
        reached[trial.epoch] = trial.score
    return create_trial(params=params, distributions=dict(space), state=state, intermediate_values=reached)


def _distribution(choice: Choice) -> Any:
    """Listed values go by their place in the list: Optuna takes plain ones alone."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(choice, Range):
        return FloatDistribution(choice.low, choice.high, log=choice.log)
    return CategoricalDistribution(tuple(range(len(choice))))


def _value(choice: Choice, asked: Any) -> Any:
    """What Optuna chose, as the experiment takes it."""
    return asked if isinstance(choice, Range) else to_dict(choice[asked])


def _asked(choice: Choice, value: Any) -> Any:
    """The other way round."""
    return value if isinstance(choice, Range) else to_dict(choice).index(value)
