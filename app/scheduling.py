"""Which trials go on while a study runs, and with what: the rules of a study file's `scheduler`. Plain data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.configuration import from_dict, to_dict
from app.errors import UsageError, require
from app.search_space import Range, check_choices, condition, value_at, with_value

WHOLE = {"grace_period": 10**6, "max_t": 10**6, "min_samples_required": 10**6, "brackets": 100}
"""Options of Tune's schedulers that are whole numbers, and the most of each (assumed: no study is longer)."""
FACTOR, MIN_FACTOR = "reduction_factor", 1.1
"""One in so many trials at a rung goes on; the least is assumed: with less the rungs are hardly apart."""


@dataclass(frozen=True)
class Scheduler:
    """Who goes on, and with what: trials that fall behind end early, or take over from others."""

    name: str
    """A name of app.execution.studies.schedulers."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its own, as Tune names them; times are epochs."""
    widen: bool = False
    """Once no trial is left to begin, workers that come free go to those under way, where that pays
    (app.planning.widening)."""

    def __post_init__(self) -> None:
        if self.widen and self.name == "pbt":
            raise UsageError("widen: got true with pbt, expected false: members of a population keep step")
        object.__setattr__(self, "options", to_dict(self.options))
        for ours in ("metric", "mode", "time_attr"):
            if ours in self.options:
                raise UsageError(f"{ours}: the study sets it: its validation score, more is better, by epochs")
        if self.name != "pbt":  # whose options have types of their own
            self._check_numbers()

    def _check_numbers(self) -> None:
        """Tune takes what it is given, and finds out in the midst of a study, or makes a rung for each of millions."""
        for name in set(WHOLE) & set(self.options):
            value, most = self.options[name], WHOLE[name]
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            require(is_whole and 1 <= value <= most, name, value, f"a whole number from 1 to {most:,}")
        if FACTOR in self.options:
            value = self.options[FACTOR]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            require(is_number and MIN_FACTOR <= value < math.inf, FACTOR, value, f"a number from {MIN_FACTOR} on")

    def check_batches(self, rules: Mapping[str, str]) -> None:
        """Raises UsageError where an experiment would change with its workers; `rules`: the batch rule of each."""
        growing = [name for name, rule in rules.items() if rule == "fixed-per-worker"]
        if self.widen and growing:
            raise UsageError(
                f"widen: got true, and {growing[0]} has batch_rule fixed-per-worker, so that its batch would grow with "
                "its workers; expected batch_rule fixed-global in all experiments"
            )

    def population(self) -> "Population | None":
        return from_dict(Population, self.options, "scheduler") if self.name == "pbt" else None


OF_STATE = ("optimizer.name", "optimizer.amsgrad")
"""Options that decide what an optimizer remembers: it cannot go on with another's."""


@dataclass(frozen=True)
class Population:
    """Options of the scheduler `pbt`, as Tune names them. All trials of the study are trained side by side, in rounds.
    After each the worst take over the networks of the best, with options that differ a little: population based
    training (Jaderberg et al. 2017; app.planning.population)."""

    perturbation_interval: int
    """Epochs of a round."""
    hyperparam_mutations: Mapping[str, tuple[Any, ...] | Range]
    """Options of the optimizer that change, by path: within a range, or among values listed in their order."""
    quantile_fraction: float = 0.25
    """Share of the members that are replaced, and of those that they are replaced by."""
    resample_probability: float = 0.25
    """With which an option is drawn again, in place of one near the origin's."""
    perturbation_factors: tuple[float, float] = (1.2, 0.8)
    """One of them is applied to a number of a range; among listed values it is a step down or up. As in the paper."""
    burn_in_period: int = 0
    """Epochs before the end of the first round."""

    def __post_init__(self) -> None:
        check_choices(self.hyperparam_mutations, "hyperparam_mutations")
        for path, choice in self.hyperparam_mutations.items():
            if not path.startswith("optimizer.") or path in OF_STATE or condition(choice):
                raise UsageError(
                    f"hyperparam_mutations: got {path!r}, expected options of the optimizer, without a condition, none "
                    f"of {', '.join(OF_STATE)}"
                )
        if self.perturbation_interval < 1:
            raise UsageError(f"perturbation_interval: got {self.perturbation_interval}, expected 1 or more")
        if not 0 < self.quantile_fraction <= 0.5:
            raise UsageError(f"quantile_fraction: got {self.quantile_fraction}, expected more than 0 and at most 0.5")
        if not 0 <= self.resample_probability <= 1:
            raise UsageError(f"resample_probability: got {self.resample_probability}, expected between 0 and 1")
        if min(self.perturbation_factors) <= 0:
            raise UsageError(f"perturbation_factors: got {self.perturbation_factors}, expected two above 0")
        if self.burn_in_period < 0 or self.burn_in_period % self.perturbation_interval:
            raise UsageError(f"burn_in_period: got {self.burn_in_period}, expected a multiple of perturbation_interval")

    def check(self, members: Sequence[Mapping[str, Any]]) -> None:
        """Raises UsageError unless these experiments, as plain values, can take over each other's networks."""
        first = members[0]
        if len(members) < 2:
            raise UsageError(f"pbt: got {len(members)} experiment, expected 2 or more")
        interval, every = self.perturbation_interval, first["evaluate_every_epochs"]
        if first["epochs"] % interval:
            raise UsageError(f"perturbation_interval: got {interval}, expected a divisor of {first['epochs']} epochs")
        if interval % every:
            raise UsageError(
                f"perturbation_interval: got {interval}, expected a multiple of evaluate_every_epochs, {every}: "
                "members are compared by an evaluation at the end of each round"
            )
        for member in members:
            for path, choice in self.hyperparam_mutations.items():
                value = value_at(member, path)
                if not (choice.holds(value) if isinstance(choice, Range) else value in choice):
                    raise UsageError(
                        f"{member['name']}: {path}: got {value!r}, expected it within {choice}, its mutations"
                    )
            if self._shared(member) != self._shared(first):
                raise UsageError(
                    f"{member['name']} differs from {first['name']} in more than name, seed and mutations: members of "
                    "a population take over each other's networks; give them the same options"
                )

    def _shared(self, member: Mapping[str, Any]) -> dict[str, Any]:
        shared = {**member, "name": None, "seed": None}
        for path in self.hyperparam_mutations:
            shared = with_value(shared, path, None)
        return shared
