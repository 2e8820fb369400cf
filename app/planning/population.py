"""Population based training, decided: which members take over whose network after a round, with which options."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.records import Takeover
from app.search_space import Choice, Population, Range


@dataclass(frozen=True)
class Standing:
    """A member at the end of a round."""

    score: float | None
    """Of its network as it is; more is better."""
    best_score: float | None
    """The best that it had so far, which its folder keeps."""
    values: Mapping[str, Any]
    """Its options, by the population's paths."""


def decide(population: Population, seed: int, epoch: int, members: Mapping[str, Standing]) -> tuple[Takeover, ...]:
    """What happens after `epoch`. The same arguments give the same answer: the order in which members ended, the
    workers and restarts have no say. Nobody both gives and takes."""
    num = min(max(1, int(len(members) * population.quantile)), len(members) // 2)
    ranked = sorted(members, key=lambda name: _known(members[name].score), reverse=True)
    found = []
    for name in ranked[len(ranked) - num :]:
        chance = random.Random(f"{seed} {epoch} {name}")
        origin = chance.choice(ranked[:num])
        mine, theirs = members[name], members[origin]
        if _known(mine.score) >= _known(theirs.score):
            continue  # as good: nothing to take over
        values = {
            path: perturbed(choice, theirs.values[path], population.factors, chance)
            for path, choice in population.mutations.items()
        }
        takes_best = _known(theirs.best_score) > _known(mine.best_score)
        found.append(Takeover(epoch, name, origin, values, takes_best))
    return tuple(found)


def perturbed(choice: Choice, value: Any, factors: tuple[float, float], chance: random.Random) -> Any:
    """Another value near this one: a factor away, or the one before or after it in the list; never out of bounds."""
    if isinstance(choice, Range):
        return min(max(value * chance.choice(factors), choice.low), choice.high)
    place = choice.index(value) + chance.choice((-1, 1))
    return choice[min(max(place, 0), len(choice) - 1)]


def _known(score: float | None) -> float:
    return -math.inf if score is None or math.isnan(score) else score
