"""Population based training as Tune does it (Jaderberg et al. 2017), with the same lineage whatever happens."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler
from ray.tune.schedulers.pbt import _PBTTrialState

from app.planning.population import Decision, Standing, decide
from app.records import Takeover
from app.scheduling import Population
from app.search_space import Range

BEST = "best_score"
"""What a result may say beside its score: the best that the member's folder keeps."""


class PopulationTraining(PopulationBasedTraining):
    """Tune's, synchronous, in Tune's interface: members report, are paused at the end of a round, and go on after it.

    A trial's `config` has its `name` and, by path, `values` that hold every option of the population; only these
    change. A member that begins again at the end of a round reports that evaluation once more, before it trains.

    What is mended, each with a test beside Tune's own:
    - Tune draws from the process's generator, which its own actors' manager draws from too: two runs with one seed
      differ. Here a draw follows from the study's seed, the member and the epoch (app.planning.population).
    - Tune holds a round over the trials that have begun; with fewer places than members those that wait would never
      be compared. Here a round waits for all members but those that ended.
    - In Tune a member that fails last leaves the others paused forever. Here the round is closed without it.
    - Tune copies the whole configuration of the better trial, its name too, lets numbers leave their range, takes a
      tie as a reason, and refuses any search beside it, which is what gives out a plan's trials.
    - Tune keeps its decisions in memory. Here all of a round are handed to `on_takeovers` before the first takes
      effect, to be written down and carried out, and `forced` makes those that were written down again.
    """

    on_takeovers: Callable[[int, list[Takeover]], None]
    """Called after each round with the epoch and what happens, in the order of rank; empty where nothing does."""
    choose: Callable[[Sequence[str]], str | None]
    """Which of the members that a round waits for goes on now; None: no place is free."""

    def __init__(
        self, population: Population, members: Sequence[str], seed: int, *, metric: str, time_attr: str
    ) -> None:
        mutations = population.hyperparam_mutations.items()
        super().__init__(
            time_attr=time_attr,
            metric=metric,
            mode="max",
            perturbation_interval=population.perturbation_interval,
            burn_in_period=population.burn_in_period,
            hyperparam_mutations={
                p: tune.uniform(c.low, c.high) if isinstance(c, Range) else [*c] for p, c in mutations
            },
            quantile_fraction=population.quantile_fraction,
            resample_probability=population.resample_probability,
            perturbation_factors=population.perturbation_factors,
            log_config=False,
            synch=True,
        )
        self._population, self._members, self._own_seed = population, tuple(members), seed
        self._written: dict[int, tuple[Takeover, ...]] = {}
        self._best: dict[str, float] = {}
        self.on_takeovers = lambda epoch, takeovers: None
        self.choose = lambda names: next(iter(names), None)

    def forced(self, decisions: Iterable[Decision]) -> None:
        """Those of earlier starts: what was applied is over, what was not is made again when its round ends."""
        for decision in decisions:
            if decision.applied:
                following = decision.epoch + self._perturbation_interval
                self._next_perturbation_sync = max(self._next_perturbation_sync, following)
            else:
                self._written[decision.epoch] = decision.takeovers

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        values = trial.config.get("values", {})  # a member that is over has none
        missing = [path for path in self._hyperparam_mutations if path not in values and not trial.is_finished()]
        assert not missing, f"{trial.config['name']}: its values lack {missing}"
        self._trial_state[trial] = _PBTTrialState(trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        name, score = trial.config["name"], result[self._metric or "score"]
        self._best[name] = result[BEST] if BEST in result else max(self._best.get(name, score), score)
        time = result[self._time_attr]
        if time < self._next_perturbation_sync:
            return TrialScheduler.CONTINUE
        self._save_trial_state(self._trial_state[trial], time, result, trial)
        self._close_if_complete()
        return TrialScheduler.PAUSE

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        self._close_if_complete()  # the last that was waited for may have failed: nothing else tells of it
        paused = {trial.config["name"]: trial for trial in self._trial_state if trial.status == Trial.PAUSED}
        order = {name: number for number, name in enumerate(self._members)}
        waited_for = (
            n for n, t in paused.items() if self._trial_state[t].last_train_time < self._next_perturbation_sync
        )
        behind = sorted(waited_for, key=lambda name: order.get(name, len(order)))
        chosen = self.choose(behind) if behind else None
        return None if chosen is None else paused[chosen]

    def _close_if_complete(self) -> None:
        trials = {trial.config["name"]: trial for trial in self._trial_state}
        live = {name: trial for name, trial in sorted(trials.items()) if not trial.is_finished()}
        epoch = int(self._next_perturbation_sync)
        if not live or not trials.keys() >= {*self._members}:
            return
        if any(self._trial_state[trial].last_train_time < epoch for trial in live.values()):
            return
        takeovers = self._written.get(epoch)
        if takeovers is None:
            standing = {name: self._standing(name, trial) for name, trial in live.items()}
            takeovers = decide(self._population, self._own_seed, epoch, standing)
        self.on_takeovers(epoch, list(takeovers))
        for takeover in takeovers:
            if takeover.takes_best:
                self._best[takeover.member] = self._best[takeover.origin]
            if takeover.member in live:
                trial = live[takeover.member]
                trial.set_config({**trial.config, "values": {**trial.config["values"], **takeover.values}})
                self._num_perturbations += 1
        self._next_perturbation_sync = epoch + self._perturbation_interval

    def _standing(self, name: str, trial: Any) -> Standing:
        values = {path: trial.config["values"][path] for path in self._hyperparam_mutations}
        return Standing(self._trial_state[trial].last_score, self._best[name], values)
