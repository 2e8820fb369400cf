"""What plans foresee of schedulers that end trials early is what Tune's own do."""

import math
import random
from typing import Any

import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule

from app.planning.stopping import Halving, MedianRule, Rule
from app.scheduling import Scheduler

OURS: dict[str, Any] = {"metric": "score", "mode": "max", "time_attr": "epoch"}


class Trial:
    def __init__(self, name: str) -> None:
        self.trial_id, self.config = name, {"name": name}


def decisions(rule: Rule, theirs: Any, chance: random.Random) -> list[tuple[bool, bool]]:
    """Of random trials with random scores: whether each of both ends them, at every evaluation."""
    found, epochs, every = [], chance.randint(5, 30), chance.randint(1, 5)
    for number in range(chance.randint(2, 30)):
        trial: Any = Trial(f"t{number}")
        theirs.on_trial_add(None, trial)
        rule.add(trial.trial_id, chance)
        skill = chance.gauss(0, 1)
        for epoch in [*range(every, epochs, every), epochs]:
            score = skill + chance.gauss(0, 0.3) + epoch / epochs
            if epoch < epochs:
                said = theirs.on_trial_result(None, trial, {"epoch": epoch, "score": score})
                found.append((rule.stops(trial.trial_id, epoch, score), said == "STOP"))
            if epoch == epochs or found[-1][1]:
                theirs.on_trial_complete(None, trial, {"epoch": epoch, "score": score})
                rule.over(trial.trial_id, epoch, score)
                break
    return found


@pytest.mark.parametrize("seed", range(60))
def test_halving_ends_the_same_trials(seed: int) -> None:
    chance = random.Random(seed)
    options: dict[str, Any] = {"grace_period": chance.randint(1, 4), "reduction_factor": chance.choice([1.5, 2, 3, 4])}
    options |= {"max_t": chance.randint(4, 30), "stop_last_trials": chance.random() < 0.7}
    found = decisions(Halving(Scheduler("asha", options), 30), AsyncHyperBandScheduler(**OURS, **options), chance)
    assert [ours for ours, _ in found] == [theirs for _, theirs in found]


@pytest.mark.parametrize("seed", range(60))
def test_the_median_rule_ends_the_same_trials(seed: int) -> None:
    chance = random.Random(seed)
    options: dict[str, Any] = {"grace_period": chance.randint(1, 5), "min_samples_required": chance.randint(1, 4)}
    theirs = MedianStoppingRule(**OURS, **options, min_time_slice=math.inf)
    found = decisions(MedianRule(Scheduler("median_stopping_rule", options)), theirs, chance)
    assert [ours for ours, _ in found] == [theirs for _, theirs in found]


def test_brackets_have_their_trials_and_rungs() -> None:
    """Of 27 epochs in thirds: rungs 1, 3, 9, 27; 3, 9, 27; 9, 27. They are drawn by exp(4), exp(3) and exp(2)."""
    options: dict[str, Any] = {"grace_period": 1, "reduction_factor": 3, "brackets": 3, "max_t": 27}
    rule, theirs = Halving(Scheduler("asha", options), 27), AsyncHyperBandScheduler(**OURS, **options)
    assert [[rung for rung, _ in one] for one in rule._brackets] == [
        [rung for rung, _ in one._rungs] for one in theirs._brackets
    ]
    chance = random.Random(0)
    for number in range(4000):
        rule.add(str(number), chance)
    shares = [[*rule._bracket_of.values()].count(bracket) / 4000 for bracket in range(3)]
    whole = 1 + math.exp(-1) + math.exp(-2)
    assert shares == pytest.approx([1 / whole, math.exp(-1) / whole, math.exp(-2) / whole], abs=0.02)
