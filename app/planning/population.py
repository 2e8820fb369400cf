"""Population based training, decided: which members take over whose network after a round, with which options."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.records import Takeover
from app.scheduling import Population
from app.search_space import Range, draw


@dataclass(frozen=True)
class Standing:
    """A member at the end of a round."""

    score: float | None
    """Score of its network as it is; more is better."""
    best_score: float | None
    """The best that it had so far, which its folder keeps."""
    values: Mapping[str, Any]
    """Its options, by the population's paths."""


@dataclass(frozen=True)
class Decision:
    """What follows the round that ends at `epoch`; `applied`: the networks lie where they belong."""

    epoch: int
    takeovers: tuple[Takeover, ...]
    applied: bool = False


def decide(population: Population, seed: int, epoch: int, members: Mapping[str, Standing]) -> tuple[Takeover, ...]:
    """What happens after `epoch`. The same arguments give the same answer: the order in which members ended, the
    workers and restarts have no say. Nobody both gives and takes."""
    num = min(math.ceil(len(members) * population.quantile_fraction), len(members) // 2)  # as Tune counts them
    ranked = sorted(sorted(members), key=lambda name: _known(members[name].score), reverse=True)
    found = []
    for name in ranked[len(ranked) - num :]:
        chance = random.Random(f"{seed} {epoch} {name}")
        origin = chance.choice(ranked[:num])
        mine, theirs = members[name], members[origin]
        if _known(mine.score) >= _known(theirs.score):
            continue  # as good: nothing to take over
        values = {
            path: explored(population, path, theirs.values[path], chance) for path in population.hyperparam_mutations
        }
        takes_best = _known(theirs.best_score) > _known(mine.best_score)
        found.append(Takeover(epoch, name, origin, values, takes_best))
    return tuple(found)


def explored(population: Population, path: str, value: Any, chance: random.Random) -> Any:
    """Another value: now and then any, else one near this one, a factor away or the one before or after it in the
    list; never out of bounds."""
    choice = population.hyperparam_mutations[path]
    if chance.random() < population.resample_probability:
        return draw(choice, chance)
    if not isinstance(choice, Range):
        place = choice.index(value) + chance.choice((-1, 1))
        return choice[min(max(place, 0), len(choice) - 1)]
    factor = chance.choice(population.perturbation_factors)
    found = choice.nearest(value * factor)
    if found == value and choice.unit is not None:  # 1 x 1.2 is 1 again
        return choice.nearest(value + (choice.unit if factor > 1 else -choice.unit))
    return found


def _known(score: float | None) -> float:
    return -math.inf if score is None or math.isnan(score) else score
