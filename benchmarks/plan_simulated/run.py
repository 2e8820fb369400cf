"""How good the chosen plans are, where every plan can be tried: on imagined clusters (simulator.py).

Each study is measured as jobs/calibrate.py does, a few noisy steps of each kind on some numbers of workers alone and
side by side; the planner chooses from that; the imagined cluster runs its plan and all others.
"""

import heapq
import math
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from statistics import fmean, stdev
from typing import Any

from app.experiment import Experiment
from app.planning.choice import Candidate, candidates, lower_bound_s
from app.planning.cost import CostModel
from app.planning.plan import Stage
from app.planning.profile import Profile, Sample, Setting, Start, group_of
from benchmarks.common import ROOT, Report, compare, say
from benchmarks.common import Setting as Run
from benchmarks.plan.figures import regrets
from benchmarks.plan_simulated.simulator import RANGES, Stages, Trial, World, drawn_step, world
from benchmarks.plan_simulated.simulator import run as simulated

NEAR = 0.05
SHARE_NEAR = 0.95
WIDTHS = (1, 2, 4, 8, 16, 32, 64)
BATCH = 64
NUM_RANDOM = 1_000
"""Plans drawn at random against which a choice for a large study is held."""
NUM_LUCKS, NUM_AGAIN = 5, 30
"""Runs of a plan, each with other noise and failures; and plans that are run so often."""
MEASURED_STEPS = 27
STARTS: tuple[Start, ...] = ("lane", "kept")


def run(setting: Run) -> Report:
    report = Report("plan_simulated", facts={"ranges": dict(RANGES)})
    small = [_small(seed) for seed in range(setting.choose(1000, 40))]
    large = [_large(seed) for seed in range(setting.choose(100, 3))]
    report.facts["small"], report.facts["large"] = _told(small), _told(large)
    report.facts["small"]["studies"] = "1 to 6 trials on 2 to 8 workers, every way to give each trial a width"
    report.facts["large"]["studies"] = f"7 to 200 trials on 8 to 64 workers, {NUM_RANDOM} random plans"
    for name, found in (("small", small), ("large", large)):
        near = fmean(one <= NEAR for one in found)
        label = f"plans of {name} studies within 5 % of the best known"
        report.ratios.append(compare(label, "share", [near], [1.0], SHARE_NEAR, "at least"))
    if not setting.quick:
        regrets(small, large, ROOT / "docs" / "plan-regret.svg")
    return report


def _told(found: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(found)
    places = {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 90, 95, 99)}
    return {"num_studies": len(found), "within 5 %": fmean(one <= NEAR for one in found), **places, "max": ordered[-1]}


def _small(seed: int) -> float:
    """Regret: by what share the chosen plan takes longer than the best of all."""
    chance = random.Random(f"small {seed}")
    of = world(seed, chance.randint(1, 6), chance.choice((2, 4, 8)))
    widths = [k for k in WIDTHS if k <= of.num_workers]
    return _regret(of, _candidates(of, widths)[:1], _all(of, widths))


def _large(seed: int) -> float:
    """Against the best of all candidates and of plans drawn at random."""
    began = time.perf_counter()
    chance = random.Random(f"large {seed}")
    of = world(1_000_000 + seed, round(math.exp(chance.uniform(math.log(7), math.log(200)))), chance.choice(WIDTHS[3:]))
    widths = [k for k in WIDTHS if k <= of.num_workers]
    regret = _regret(of, _candidates(of, widths), (_random(of, widths, chance) for _ in range(NUM_RANDOM)))
    say(f"study {seed}: {len(of.trials)} trials on {of.num_workers}, {regret:.1%}, {time.perf_counter() - began:.1f} s")
    return regret


def _regret(of: World, found: Sequence[Candidate], others: Iterable[Stages]) -> float:
    """Regret of the first candidate against the best of all, by their mean times: a plan that was lucky once is not
    better. Of the others only those that are fast without noise and failures are run again and again."""
    plans = [_plain(one.stages) for one in found]
    plans += heapq.nsmallest(NUM_AGAIN, others, key=lambda stages: simulated(stages, of, None))
    means = [fmean(simulated(stages, of, luck) for luck in range(NUM_LUCKS)) for stages in plans]
    return means[0] / min(means) - 1


def _all(of: World, widths: Sequence[int]) -> Iterator[Stages]:
    """Every way to give each trial a width; of one width the longest first."""
    for chosen in product(widths, repeat=len(of.trials)):
        yield _staged(of, chosen)


def _random(of: World, widths: Sequence[int], chance: random.Random) -> Stages:
    some = chance.sample(widths, chance.randint(1, min(3, len(widths))))
    return _staged(of, [chance.choice(some) for _ in of.trials])


def _staged(of: World, chosen: Sequence[int]) -> Stages:
    stages = []
    for k in sorted(set(chosen)):
        names = [name for name, width in zip(of.trials, chosen, strict=True) if width == k]
        names.sort(key=lambda name: -_length(of, of.trials[name], k))
        stages.append((k, min(of.num_workers // k, len(names)), names))
    return stages


def _length(of: World, trial: Trial, k: int) -> float:
    kind = of.kinds[trial.kind]
    return trial.epochs * (kind.steps * of.step_s(trial.kind, k) + kind.evaluation_s / k)


def _plain(stages: Sequence[Stage]) -> Stages:
    return [(s.workers_per_trial, s.concurrent_trials, s.trials) for s in stages]


def _candidates(of: World, widths: Sequence[int]) -> list[Candidate]:
    experiments = {name: _experiment(trial) for name, trial in of.trials.items()}
    model = CostModel(measured(of, {trial.kind for trial in of.trials.values()}))
    known: dict[tuple[int, int, int, int, int], tuple[float, float]] = {}

    def seconds(name: str, k: int, c: int, busy: int) -> tuple[float, float]:
        trial = of.trials[name]
        key = trial.kind, trial.epochs, k, c, busy
        if key not in known:
            cost = model.cost(experiments[name], k, c, busy)
            known[key] = cost.lane_s, cost.run_s
        return known[key]

    found = candidates([[*of.trials]], of.num_workers, widths, seconds)
    assert found[0].makespan_s >= lower_bound_s([*of.trials], of.num_workers, widths, seconds) * (1 - 1e-9)
    return found


def _experiment(trial: Trial) -> Experiment:
    task = {"kind": trial.kind}
    return Experiment(name=trial.name, workload="imagined", task=task, epochs=trial.epochs, batch_size=BATCH)


def measured(of: World, kinds: set[int]) -> Profile:
    """What a calibration sees: 1, 2, a node's workers, those of two and all, alone and with all workers busy."""
    chance = random.Random(f"measured {of.seed}")
    wanted = {1, 2, of.on_node, 2 * of.on_node, of.num_workers}
    samples = []
    for kind in sorted(kinds):
        for k in sorted(k for k in wanted if k <= of.num_workers):
            beside = max(1, of.num_workers // k)
            samples += [_sample(of, kind, k, 1, start, chance) for start in STARTS]
            if beside > 1:
                samples += [_sample(of, kind, k, beside, "lane", chance) for _ in range(min(beside, 8))]
    return Profile(Setting("imagined", of.on_node), tuple(samples))


def _sample(of: World, kind: int, k: int, c: int, start: Start, chance: random.Random) -> Sample:
    one = of.kinds[kind]
    busy = min(of.on_node, k * c) if k * 2 <= of.on_node else k
    slow = 1 + of.supply * (busy - min(k, busy))
    speed = math.exp(chance.gauss(0, of.noise)) * max(math.exp(chance.gauss(0, of.straggler)) for _ in range(k))
    sync_s = of.sync_s(kind, k)
    steps = [of.computing_s(kind, k) * drawn_step(k, of.step_noise, chance) + sync_s for _ in range(MEASURED_STEPS)]
    return Sample(
        groups=(group_of(_experiment(Trial("any", kind, 1))),),
        run="calibration",
        workers=k,
        side_by_side=c,
        start=start,
        global_batch_size=BATCH,
        steps_per_epoch=one.steps,
        startup_s=of.start_s if start == "lane" else 0.0,
        step_s=fmean(steps) * slow * speed,
        evaluation_s=one.evaluation_s / k * slow * math.exp(chance.gauss(0, of.noise)),
        handover_s=of.handover_s,
        num_parameters=1_000_000,
        step_spread=stdev(steps) / fmean(steps),
    )
