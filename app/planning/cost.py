"""What a trial will take on k workers, from a profile; docs/planning.md has the formulas and their sources."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import fmean
from typing import get_args

from app.errors import UsageError
from app.experiment import Experiment
from app.planning.profile import Profile, Sample, Start, group_of, num_evaluations
from app.planning.spread import SPREAD_LOADED, SPREAD_START, Chance, between_runs
from app.planning.step_time import StepTimes, nearest_width

BESIDE_TUNE = 0.5
"""Share of the time until Tune gives out trials that a group's start saves by running beside it. Assumed: on two cores
six studies saved 0.2 to 0.9 of it."""
ONCE = ("start", "new_steps", "new_evaluation", "new_handover")
"""Terms of a cost that only the first training on a lane has."""


@dataclass(frozen=True)
class Cost:
    """What one trial takes on k workers, in seconds."""

    start_s: float
    """Once a lane: its processes."""
    again_s: float
    """Start-up on a lane that is there."""
    steps_s: float
    """With what the first take longer than later ones, and waiting for data."""
    evaluation_s: float
    checkpoint_s: float
    other_s: float
    handover_s: float
    """From its end to the beginning of the next on its lane."""
    measured: bool
    """Whether trainings on so many workers were measured; else the times are inferred from others."""
    new_steps_s: float = 0.0
    """Once a lane: what the first steps in new processes take longer than those of a later training ..."""
    new_evaluation_s: float = 0.0
    """... and the first evaluation ..."""
    new_handover_s: float = 0.0
    """... and the first hand-over."""

    @property
    def lane_s(self) -> float:
        """All that is paid once a lane."""
        return sum(term_s for term, term_s in self.terms().items() if term in ONCE)

    @property
    def run_s(self) -> float:
        return sum(term_s for term, term_s in self.terms().items() if term not in ONCE)

    def terms(self) -> dict[str, float]:
        """By the names that the report has: `start`, `again`, `steps`, ..."""
        return {f.name.removesuffix("_s"): getattr(self, f.name) for f in fields(self) if f.name.endswith("_s")}


class CostModel:
    """Costs from a profile: `resampled` gives another that the same measurements could have led to."""

    def __init__(self, profile: Profile, seed: int | None = None) -> None:
        self._profile = profile
        self._groups: dict[str, list[Sample]] = {}
        for sample in profile.samples:
            for group in sample.groups:
                self._groups.setdefault(group, []).append(sample)
        self._chance = Chance(seed)
        loaded = SPREAD_LOADED * min(1.0, profile.busy_cores / profile.setting.num_cores)
        self._today = self._chance.factor("run", math.hypot(between_runs(profile.samples), loaded))
        self._start = self._chance.factor("start", SPREAD_START)
        self._times = StepTimes(profile, self._chance)
        self._costs: dict[tuple[str, int, int, int, int, int], Cost] = {}

    def resampled(self, seed: int) -> "CostModel":
        return CostModel(self._profile, seed)

    def knows(self, experiment: Experiment) -> bool:
        return group_of(experiment) in self._groups

    def launch_s(self, k: int) -> float:
        """What the first lanes of a command, of k workers each, take longer to start than later ones: Python, Ray and
        Tune come up. A group's workers come up beside Tune; where no command that began with them was measured, a part
        of Tune's time is taken off for that: both compute, and where cores are few one waits for the other."""
        found = {w: more_s for w in {s.workers for s in self._profile.samples} if (more_s := self._launch_of(w))}
        groups = [w for w in found if w > 1]
        tune_s = fmean(self._profile.readies_s) if self._profile.readies_s else found.get(1, 0.0)
        if groups and (k > 1 or not tune_s):
            return found[min(groups, key=lambda w: abs(math.log(w / k)))] * self._start
        return tune_s * self._start * (1.0 if k == 1 else 1 - BESIDE_TUNE)

    def _launch_of(self, k: int) -> float | None:
        """By the mean over kinds of work that were started both ways on so many workers; None: there is none."""
        by_group: dict[str, dict[str, list[float]]] = {}
        for s in self._profile.samples:
            if s.workers == k:
                by_group.setdefault(s.groups[0], {}).setdefault(s.start, []).append(s.startup_s)
        both = [found for found in by_group.values() if "command" in found and "lane" in found]
        differences = [max(0.0, fmean(found["command"]) - fmean(found["lane"])) for found in both]
        return fmean(differences) if differences else None

    def choosing_s(self, experiments: Iterable[Experiment], num_lanes: int) -> float:
        """For measuring the numerics of each kind, in a study that has not chosen them: its first trials do, at a time
        on as many lanes as there are."""
        groups = {group_of(e) for e in experiments} & self._groups.keys()
        seconds = sorted((max(s.choosing_s for s in self._groups[group]) for group in groups), reverse=True)
        return sum(seconds) / num_lanes if len(seconds) > num_lanes else max(seconds, default=0.0)

    @property
    def closing_s(self) -> float:
        return fmean(self._profile.closings_s) * self._start if self._profile.closings_s else 0.0

    def cost(self, experiment: Experiment, k: int, side_by_side: int, busy: int | None = None) -> Cost:
        """What a trial takes on k workers where `side_by_side` have room, of which `busy` run; all if not given.

        Raises:
            UsageError: k does not divide the batch, or nothing of the experiment's kind was measured.
        """
        group = group_of(experiment)
        busy = side_by_side if busy is None else busy
        key = (group, k, side_by_side, busy, experiment.epochs, num_evaluations(experiment))
        if key not in self._costs:
            if group not in self._groups:
                raise UsageError(
                    f"{experiment.name}: the profile has no training of its network, data and batch "
                    f"({len(self._groups)} kinds in it): measure it with jobs/calibrate.py, or run one like it for an "
                    "epoch"
                )
            self._costs[key] = self._of(group, experiment, k, side_by_side, busy)
        return self._costs[key]

    def _of(self, group: str, experiment: Experiment, k: int, places: int, busy: int) -> Cost:
        samples, batch = self._groups[group], experiment.global_batch_size(k)
        step_s, measured = self._times.of(group, samples, k, batch, places, busy)
        near = nearest_width(samples, k)
        room, run = (places, busy) if near == k else (max(1, num * k // near) for num in (places, busy))
        _, same = self._times.alike(samples, near, room)
        means = Means(group, [s for s in same if s.side_by_side == run] or same, self._chance)
        steps = fmean(s.steps_per_epoch * s.global_batch_size for s in same) / batch
        slower = self._times.of(group, samples, near, batch, room, run)[0] / means.step_s
        again_s, new_s = self._startups(f"{group} {near}", [s for s in samples if s.workers == near])
        spread, epochs, today = near / k * slower, experiment.epochs, self._today
        return Cost(
            start_s=max(0.0, new_s - again_s) * self._start,
            again_s=again_s * today,
            steps_s=(epochs * steps * step_s + means.later("first_steps_s")) * today,
            evaluation_s=num_evaluations(experiment) * means.later("evaluation_s") * spread * today,
            checkpoint_s=epochs * means.all("checkpoint_s") * today,
            other_s=epochs * means.all("other_s") * today,
            handover_s=means.later("handover_s") * today,
            measured=measured,
            new_steps_s=means.more("first_steps_s") * today,
            new_evaluation_s=means.more("evaluation_s") * spread * today,
            new_handover_s=means.more("handover_s") * today,
        )

    def _startups(self, key: str, same: Sequence[Sample]) -> tuple[float, float]:
        """On a lane that is there, and on a new one. Where none of this kind was the first of its lane, it takes longer
        there by as much as other kinds."""
        by_start = {start: [s.startup_s for s in same if s.start == start] for start in get_args(Start)}
        kept = by_start["kept"] or by_start["changed"]
        again_s = self._chance.mean(f"{key} kept", kept) if kept else 0.0
        if by_start["lane"]:
            return again_s, self._chance.mean(f"{key} new", by_start["lane"])
        if not by_start["command"]:
            kinds = {*same[0].groups}
            others = [s for s in self._profile.samples if s.workers == same[0].workers and kinds.isdisjoint(s.groups)]
            if all(s.start in ("kept", "changed") for s in others):
                return again_s, again_s
            their_again_s, their_new_s = self._startups(f"all {same[0].workers}", others)
            return again_s, again_s + their_new_s - their_again_s
        command_s = self._chance.mean(f"{key} new", by_start["command"])
        readies_s = self._profile.readies_s
        return again_s, max(again_s, command_s - fmean(readies_s)) if readies_s else command_s


class Means:
    """Mean times of trainings that ran alike; the first in new processes take longer for some."""

    def __init__(self, group: str, samples: Sequence[Sample], chance: Chance) -> None:
        self._key, self._samples, self._chance = f"{group} {samples[0].workers}", samples, chance
        self._kept = [s for s in samples if s.start == "kept"]
        self._new = [s for s in samples if s.start != "kept"]

    @property
    def step_s(self) -> float:
        return fmean(s.step_s for s in self._samples)

    def all(self, name: str) -> float:
        return self._mean(name, self._samples)

    def later(self, name: str) -> float:
        return self._mean(name, self._kept or self._samples)

    def more(self, name: str) -> float:
        """What the first take longer; none where only they were measured."""
        if not self._kept or not self._new:
            return 0.0
        share = fmean(s.evaluated_share for s in self._new) if name == "evaluation_s" else 1.0
        return max(0.0, self._mean(name, self._new) - self._mean(name, self._kept)) * share

    def _mean(self, name: str, some: Sequence[Sample]) -> float:
        return self._chance.mean(f"{self._key} {name} {some[0].start}", [getattr(s, name) for s in some])
