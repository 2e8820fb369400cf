"""A cluster on which studies run by a plan, imagined: events, noise, stragglers, shared supply, failures.

It knows plans as lists of stages and nothing of how the project reckons; what a step takes is drawn from ranges that
RANGES lists.
"""

import heapq
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean

RANGES: Mapping[str, tuple[float, float]] = {
    "work_s": (0.02, 2.0),  # compute of a step on one worker, without its fixed part
    "fixed_share": (0.0, 0.3),  # of a step's time on one worker, that no worker more makes shorter
    "inside_s": (1e-4, 2e-2),  # exchange of gradients between two workers of a node
    "across_factor": (1.0, 6.0),  # how much longer between nodes
    "per_worker_s": (0.0, 2e-3),  # for each worker more than two
    "noise": (0.0, 0.05),  # standard deviation of a trial's speed, log
    "straggler": (0.0, 0.06),  # standard deviation between the workers of a trial, log: the slowest counts
    "step_noise": (0.0, 0.2),  # the same from step to step of each worker, log: in each step the slowest counts
    "supply": (0.0, 0.15),  # by how much each busy neighbour on the node slows a step down
    "evaluation_s": (0.0, 20.0),  # on one worker
    "start_s": (3.0, 30.0),
    "handover_s": (0.02, 0.5),
    "failures_per_worker_hour": (0.0, 0.02),
    "lost_s": (5.0, 60.0),  # a failure's: since the last checkpoint, and to begin again
}
"""Drawn evenly, times and factors over four in their logarithm."""
NUM_STEPS = (20, 400)
NUM_EPOCHS = (1, 8)
NUM_DRAWN_STEPS = 400
"""Of which the mean slowest is taken."""


@dataclass(frozen=True)
class Kind:
    """Trials of one network and batch."""

    work_s: float
    fixed_s: float
    inside_s: float
    across_s: float
    per_worker_s: float
    evaluation_s: float
    steps: int


@dataclass(frozen=True)
class Trial:
    name: str
    kind: int
    epochs: int


@dataclass(frozen=True)
class World:
    """A cluster and a study for it."""

    seed: int
    num_workers: int
    on_node: int
    kinds: tuple[Kind, ...]
    trials: Mapping[str, Trial]
    noise: float
    straggler: float
    step_noise: float
    supply: float
    start_s: float
    handover_s: float
    failure_rate: float
    lost_s: float

    def step_s(self, kind: int, k: int) -> float:
        """Alone; the mean over steps, in each of which all wait for the slowest."""
        return self.computing_s(kind, k) * _slowest(k, self.step_noise) + self.sync_s(kind, k)

    def computing_s(self, kind: int, k: int) -> float:
        one = self.kinds[kind]
        return one.fixed_s + one.work_s / k

    def sync_s(self, kind: int, k: int) -> float:
        one = self.kinds[kind]
        return (one.inside_s if k <= self.on_node else one.across_s) + one.per_worker_s * (k - 2) if k > 1 else 0.0

    def alone_s(self, trial: Trial, k: int, luck: int | None) -> float:
        """A whole trial without neighbours, start-up apart; with noise, stragglers and failures unless luck is None."""
        one = self.kinds[trial.kind]
        if luck is None:
            return trial.epochs * (one.steps * self.step_s(trial.kind, k) + one.evaluation_s / k)
        chance = random.Random(f"{self.seed} {luck} {trial.name} {k}")
        slowest = max(math.exp(chance.gauss(0, self.straggler)) for _ in range(k))
        speed = math.exp(chance.gauss(0, self.noise)) * slowest
        busy_s = trial.epochs * (one.steps * self.step_s(trial.kind, k) * speed + one.evaluation_s / k)
        num_failures = _poisson(busy_s * k * self.failure_rate / 3600, chance)
        return busy_s + num_failures * self.lost_s


def world(seed: int, num_trials: int, num_workers: int) -> World:
    chance = random.Random(seed)

    def draw(name: str) -> float:
        low, high = RANGES[name]
        return (
            math.exp(chance.uniform(math.log(low), math.log(high)))
            if low and high / low > 4
            else chance.uniform(low, high)
        )

    kinds = []
    for _ in range(chance.randint(1, 3)):
        work_s, share = draw("work_s"), draw("fixed_share")
        inside_s = draw("inside_s")
        fixed_s = work_s * share / (1 - share)
        across_s, per_worker_s = inside_s * draw("across_factor"), draw("per_worker_s")
        kinds.append(
            Kind(work_s, fixed_s, inside_s, across_s, per_worker_s, draw("evaluation_s"), chance.randint(*NUM_STEPS))
        )
    equal = chance.random() < 0.5
    epochs = chance.randint(*NUM_EPOCHS)
    trials = {}
    for number in range(num_trials):
        kind = 0 if equal else chance.randrange(len(kinds))
        name = f"t{number:05d}"
        trials[name] = Trial(name, kind, epochs if equal else chance.randint(*NUM_EPOCHS))
    on_node = min(num_workers, chance.choice((2, 4, 8)))
    return World(
        seed=seed,
        num_workers=num_workers,
        on_node=on_node,
        kinds=tuple(kinds),
        trials=trials,
        noise=draw("noise"),
        straggler=draw("straggler"),
        step_noise=draw("step_noise"),
        supply=draw("supply"),
        start_s=draw("start_s"),
        handover_s=draw("handover_s"),
        failure_rate=draw("failures_per_worker_hour"),
        lost_s=draw("lost_s"),
    )


def drawn_step(k: int, noise: float, chance: random.Random) -> float:
    """How long one step computes on k workers, as a share of what it does without noise."""
    return max(math.exp(chance.gauss(0, noise)) for _ in range(k))


@cache
def _slowest(k: int, noise: float) -> float:
    chance = random.Random(f"steps {k}")
    return fmean(drawn_step(k, noise, chance) for _ in range(NUM_DRAWN_STEPS))


Stages = Sequence[tuple[int, int, Sequence[str]]]
"""Workers a trial, trials at a time, and their names in order."""


def run(stages: Stages, of: World, luck: int | None) -> float:
    """The time of the whole study. The same trial on as many workers has the same luck in every plan; of luck None
    nothing is noisy, and nothing fails."""
    now_s, width = 0.0, (0, 0)
    merged: list[tuple[int, int, list[str]]] = []
    for k, c, names in stages:
        if (k, c) == width:
            merged[-1][2].extend(names)
        else:
            merged.append((k, c, [*names]))
            width = (k, c)
    for k, c, names in merged:
        now_s += _stage_s(k, c, names, of, luck)
    return now_s


def _stage_s(k: int, c: int, names: Sequence[str], of: World, luck: int | None) -> float:
    """Trials make progress at a speed that changes whenever a neighbour begins or ends."""
    waiting = [*reversed(names)]
    left: dict[int, float] = {}  # by lane: seconds to go if alone

    def begin(lane: int, extra_s: float) -> None:
        trial = of.trials[waiting.pop()]
        left[lane] = extra_s + of.alone_s(trial, k, luck)

    for lane in range(min(c, len(names))):
        begin(lane, of.start_s)
    if of.supply == 0 or k * 2 > of.on_node:  # no two share a node
        return _without_neighbours(left, waiting, k, of, luck)
    now_s = 0.0
    while left:
        busy: dict[int, int] = {}
        for lane in left:
            node = lane * k // of.on_node
            busy[node] = busy.get(node, 0) + k
        slow = {lane: 1 + of.supply * (busy[lane * k // of.on_node] - k) for lane in left}
        passed_s, first = min((seconds * slow[lane], lane) for lane, seconds in left.items())
        now_s += passed_s
        for lane in left:
            left[lane] -= passed_s / slow[lane]
        del left[first]
        if waiting:
            begin(first, of.handover_s)
    return now_s


def _without_neighbours(left: Mapping[int, float], waiting: list[str], k: int, of: World, luck: int | None) -> float:
    ends = [*left.values()]
    heapq.heapify(ends)
    while waiting:
        trial = of.trials[waiting.pop()]
        took_s = of.alone_s(trial, k, luck)
        heapq.heapreplace(ends, ends[0] + of.handover_s + took_s)
    return max(ends)


def _poisson(mean: float, chance: random.Random) -> int:
    """By counting until the product of uniform numbers falls below exp(-mean) (Knuth)."""
    number, product = 0, chance.random()
    while product > math.exp(-mean):
        number, product = number + 1, product * chance.random()
    return number
