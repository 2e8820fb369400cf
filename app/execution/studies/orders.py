"""What a trial of a study is given when it begins, and when it resumes on more workers: its configuration for Tune."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.execution.cluster import connection
from app.execution.studies.ledger import Ledger
from app.execution.studies.results import DESK, EPOCH, ORDER, SHAPE, VALUES
from app.execution.studies.state import StudyState
from app.execution.studies.suggestions import Suggestions
from app.execution.studies.takeovers import Takeovers
from app.execution.trials.group import GroupShape
from app.experiment import Experiment
from app.training.order import Feeding, Measure, Order


class Orders:
    def __init__(
        self,
        state: StudyState,
        ledger: Ledger,
        stores: Mapping[str, str],
        per_worker: Mapping[str, float],
        feeding: Callable[[int], Feeding],
        asked: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        """`per_worker`: Ray's resources of a worker; `feeding`: who reads for so many of them; `asked`: hosts that may
        have trials now."""
        self._state, self._ledger, self._stores = state, ledger, stores
        self._per_worker, self._feeding, self._asked = dict(per_worker), feeding, asked
        self._experiments = {experiment.name: experiment for experiment in state.study.experiments}
        self.suggestions, self.takeovers = Suggestions(state, ledger), Takeovers(state, ledger)
        scheduler = state.study.scheduler
        self._is_scheduled = scheduler is not None
        self._changing = () if scheduler is None or scheduler.population() is None else ("optimizer",)
        self.measure: Measure | None = None

    def begin(self, name: str, study: str, c: int, start_s: float, known_epochs: int, desk: Any) -> dict[str, Any]:
        """What a trial that begins is told; `c` run at a time.

        Args:
            study: name of the run.
            known_epochs: those that a scheduler was told of before.
            desk: of a group that is there for it, or None.
        """
        trial = self._state.trials[name]
        k = self._state.plan.stages[trial.stage].workers_per_trial
        order = Order(
            experiment=self.experiment(name),
            store=self._stores[name],
            folder=self._ledger.trial_folder(name),
            start_s=start_s,
            study=study,
            stage=trial.stage,
            num_workers=k,
            workers_on_node=_on_node(k, c),
            feeding=self._feeding(k),
            numerics_folder=self._ledger.folder,
            changing=self._changing,
            known_epochs=known_epochs if self._is_scheduled else None,
            asked=self._asked(),
            measure=self.measure,
        )
        values = self.takeovers.options(name)
        return {"name": name, ORDER: order, SHAPE: self.shape(k, c), VALUES: values, DESK: desk}

    def resume(self, config: Mapping[str, Any], k: int, epoch: int, start_s: float) -> dict[str, Any]:
        """What a trial is told that goes on after an epoch on `k` workers."""
        c = self._state.plan.num_workers // k
        order = replace(
            config[ORDER],
            start_s=start_s,
            num_workers=k,
            workers_on_node=_on_node(k, c),
            feeding=self._feeding(k),
            known_epochs=epoch,
        )
        return {**config, ORDER: order, SHAPE: self.shape(k, c), DESK: None}

    def shape(self, k: int, c: int) -> GroupShape:
        return GroupShape(k, self._per_worker, connection.all_fit_on_single_nodes(k, c, self._per_worker))

    def experiment(self, name: str) -> Experiment:
        """With what was chosen for it, and the network that it starts from."""
        values = self.suggestions.of(name)
        experiment = self._experiments[name].with_values(values) if values else self._experiments[name]
        if experiment.starts_from is not None:
            weights = self._ledger.trial_folder(experiment.starts_from)
            experiment = replace(experiment, task={**experiment.task, "weights": weights})
        return experiment


def known_epochs(past: Sequence[Mapping[str, Any]]) -> int:
    """How many epochs a trial's results so far cover."""
    return int(past[-1][EPOCH]) if past else 0


def _on_node(k: int, c: int) -> int:
    return -(-k * c // connection.num_nodes())
