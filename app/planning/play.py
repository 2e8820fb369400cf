"""One way in which a study may go: what its search chooses, which trials its scheduler ends, how long each takes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from app.experiment import Experiment, Study
from app.planning.chosen import Space
from app.planning.cost import ONCE, Cost, CostModel
from app.planning.lanes import Origins, Seconds, makespan_s
from app.planning.plan import Stage
from app.planning.profile import group_of
from app.planning.rounds import round_epochs, rounds_s
from app.planning.spread import Chance
from app.planning.stopping import drawn_epochs, stops_early


@dataclass(frozen=True)
class Work:
    """What one trial is to do: the trainings that it is like, with their weights, which add up to 1."""

    key: str
    """Works of one key, and of as many epochs, cost the same."""
    parts: tuple[tuple[Experiment, float], ...]
    spread: float = 0.0
    """How far off that may be."""
    epochs: int | None = None
    """Where a scheduler ends it, or a round does; else each part's own."""

    @property
    def experiment(self) -> Experiment:
        return max(self.parts, key=lambda part: part[1])[0]

    def cost(self, model: CostModel, k: int, places: int, busy: int) -> Cost:
        epochs = self.epochs
        made = [(one if epochs is None else replace(one, epochs=epochs), weight) for one, weight in self.parts]
        costs = [(model.cost(one, k, places, busy), weight) for one, weight in made]
        if len(costs) == 1:
            return costs[0][0]
        terms = costs[0][0].terms()
        mean = {f"{term}_s": sum(cost.terms()[term] * weight for cost, weight in costs) for term in terms}
        return Cost(**mean, measured=all(cost.measured for cost, _ in costs))


Costs = Callable[[str, int, int, int], Cost | None]
"""What a trial costs, by its name, its workers, how many such have room and how many of these run; None: so many cannot
share its batch."""
Works = Mapping[str, Work]
"""By the trial's name."""


class Plays:
    """Draws of how a study may go."""

    def __init__(self, study: Study, model: CostModel) -> None:
        """Raises UsageError where the search may choose what nothing measured is like."""
        self.study, self.model, self.space = study, model, Space(study, model.knows)
        self.rounds = round_epochs(study)
        self._keys: dict[str, str] = {}
        self._experiments = {experiment.name: experiment for experiment in study.experiments}

    @property
    def varies(self) -> bool:
        """Whether plays differ, so that times are means over them."""
        return stops_early(self.study.scheduler) or bool(self.space.paths) or bool(self.rounds)

    def typical(self) -> Works:
        """Every trial whole; those of a search as the mean of all that may be chosen."""
        pooled: dict[int, Work] = {}
        found = {}
        for name in self._experiments:
            options = self.space.options(name)
            if not options:
                found[name] = self._listed(name)
                continue
            if id(options) not in pooled:
                weights: dict[tuple[str, int, int], tuple[Experiment, float]] = {}
                for one, weight in ((one, w / len(options)) for option in options for one, w in option.parts):
                    kind = group_of(one), one.epochs, one.evaluate_every_epochs
                    weights[kind] = one, weight + weights.get(kind, (one, 0.0))[1]
                pooled[id(options)] = Work(f"chosen {len(pooled)}", tuple(weights.values()))
            found[name] = pooled[id(options)]
        return found

    def drawn(self, seed: int) -> Works:
        options = self.space.drawn(seed)
        found = {
            name: Work(options[name].key, options[name].parts, options[name].spread)
            if name in options
            else self._listed(name)
            for name in self._experiments
        }
        if not stops_early(self.study.scheduler):
            return found
        some = {name: replace(options[name].experiment, name=name) for name in options}
        epochs = drawn_epochs(self.study, seed, {**self._experiments, **some})
        return {name: replace(work, epochs=epochs[name]) for name, work in found.items()}

    def _listed(self, name: str) -> Work:
        if name not in self._keys:
            one = self._experiments[name]
            self._keys[name] = f"{group_of(one)} {one.epochs} {one.evaluate_every_epochs}"
        return Work(self._keys[name], ((self._experiments[name], 1.0),))


class Going:
    """How long it takes then, by one draw of what was measured."""

    def __init__(
        self,
        plays: Plays,
        model: CostModel,
        works: Works,
        lacking: Collection[int] = (),
        widen_over: int = 0,
        unevenness: float = 0.0,
        seed: int | None = None,
    ) -> None:
        """
        Args:
            lacking: numbers of workers a trial that memory has no room for.
            widen_over: as of app.planning.lanes.makespan_s.
            unevenness: relative standard deviation between the members of a population, in each round.
            seed: of what members and trainings that were not measured differ by; without one they do not.
        """
        self._model, self._works, self._lacking, self._widen_over = model, works, lacking, widen_over
        self._origins: Origins = {e.name: e.starts_from for e in plays.study.experiments if e.starts_from is not None}
        self._chance = Chance(seed)
        self._known: dict[tuple[str, int | None, int, int, int], tuple[float, float]] = {}
        self._costs: dict[tuple[str, int | None, int, int], Cost] = {}
        self._divides: dict[tuple[str, int], bool] = {}
        self._round_epochs = plays.rounds
        self._rounds = [self._round(number, epochs, unevenness) for number, epochs in enumerate(plays.rounds)]

    def seconds(self, name: str, k: int, places: int, busy: int) -> tuple[float, float] | None:
        """Time of a whole trial; None for numbers of workers that memory has no room for, or that share no batch."""
        if self._rounds:
            found = [one(name, k, places, busy) for one in self._rounds]
            known = [one for one in found if one is not None]
            return (known[0][0], sum(run_s for _, run_s in known)) if known else None
        return self._seconds(self._works[name], k, places, busy)

    def costs(self, name: str, k: int, places: int, busy: int) -> Cost | None:
        """Cost of a whole trial of no population, by term; None as of `seconds`."""
        return self._costs_of(self._works[name], k, places, busy)

    def costs_of_rounds(self) -> list[Costs]:
        """The same of each round of a population."""

        def of_round(epochs: int) -> Costs:
            def costs(name: str, k: int, places: int, busy: int) -> Cost | None:
                return self._costs_of(replace(self._works[name], epochs=epochs), k, places, busy)

            return costs

        return [of_round(epochs) for epochs in self._round_epochs]

    def makespan_s(self, stages: Sequence[Stage]) -> float | None:
        if self._rounds:
            return rounds_s(stages, self._rounds)
        return makespan_s(stages, self.seconds, self._origins, self._widen_over)

    def kinds(self) -> list[Experiment]:
        """One of each kind that is trained."""
        return list({work.key: work.experiment for work in self._works.values()}.values())

    def cost(self, name: str, k: int, c: int) -> Cost:
        """Cost of a whole trial; one of a population has as many starts on its lane as rounds."""
        work = self._works[name]
        key = work.key, work.epochs, k, c
        if key not in self._costs:
            self._costs[key] = self._cost(work, k, c)
        return self._costs[key]

    def _cost(self, work: Work, k: int, c: int) -> Cost:
        if not self._round_epochs:
            return work.cost(self._model, k, c, c)
        rounds = [replace(work, epochs=epochs).cost(self._model, k, c, c) for epochs in self._round_epochs]
        terms = [one.terms() for one in rounds]
        whole = {f"{term}_s": sum(one[term] for one in (terms[:1] if term in ONCE else terms)) for term in terms[0]}
        return Cost(**whole, measured=rounds[0].measured)

    def terms(self, stages: Sequence[Stage]) -> dict[str, float]:
        """Worker-seconds by term."""
        found: dict[str, float] = {}
        for stage in stages:
            k, c = stage.workers_per_trial, stage.concurrent_trials
            for position, name in enumerate(stage.trials):
                for term, term_s in self.cost(name, k, c).terms().items():
                    if term not in ONCE or position < c:
                        found[term] = found.get(term, 0.0) + k * term_s
        return found

    def _costs_of(self, work: Work, k: int, places: int, busy: int) -> Cost | None:
        return None if self._seconds(work, k, places, busy) is None else work.cost(self._model, k, places, busy)

    def _seconds(self, work: Work, k: int, places: int, busy: int) -> tuple[float, float] | None:
        if (work.key, k) not in self._divides:
            self._divides[work.key, k] = all(divides(one, k) for one, _ in work.parts)
        if k in self._lacking or not self._divides[work.key, k]:
            return None
        key = work.key, work.epochs, k, places, busy
        if key not in self._known:
            cost = work.cost(self._model, k, places, busy)
            off = self._chance.factor(work.key, work.spread)
            self._known[key] = cost.lane_s, cost.run_s * off
        return self._known[key]

    def _round(self, number: int, epochs: int, unevenness: float) -> Seconds:
        factors: dict[str, float] = {}

        def seconds(name: str, k: int, places: int, busy: int) -> tuple[float, float] | None:
            found = self._seconds(replace(self._works[name], epochs=epochs), k, places, busy)
            if found is None:
                return None
            if name not in factors:
                factors[name] = self._chance.factor(f"round {number} {name}", unevenness)
            return found[0], found[1] * factors[name]

        return seconds


def divides(experiment: Experiment, k: int) -> bool:
    """Whether so many workers can share its batch."""
    return experiment.batch_rule == "fixed-per-worker" or experiment.batch_size % k == 0
