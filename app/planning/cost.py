"""What a trial will take on k workers, from a profile; docs/planning.md has the formulas and their sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean

from app.errors import UsageError
from app.experiment import Experiment
from app.planning.profile import Profile, Sample, group_of, num_evaluations
from app.planning.spread import SPREAD_START, Chance, between_runs
from app.planning.step_time import StepTimes, nearest_width


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

    @property
    def run_s(self) -> float:
        return sum(self.terms().values()) - self.start_s

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
        self._today = self._chance.factor("run", between_runs(profile.samples))
        self._start = self._chance.factor("start", SPREAD_START)
        self._times = StepTimes(profile, self._chance)
        self._costs: dict[tuple[str, int, int, int, int], Cost] = {}

    def resampled(self, seed: int) -> "CostModel":
        return CostModel(self._profile, seed)

    def knows(self, experiment: Experiment) -> bool:
        return group_of(experiment) in self._groups

    @property
    def launch_s(self) -> float:
        """What the first lanes of a command take longer to start than later ones: Python, Ray and Tune come up."""
        differences = []
        for k in {s.workers for s in self._profile.samples}:
            same = [s for s in self._profile.samples if s.workers == k]
            command, lane = ([s.startup_s for s in same if s.start == start] for start in ("command", "lane"))
            if command and lane:
                differences.append(max(0.0, fmean(command) - fmean(lane)))
        return fmean(differences) * self._start if differences else 0.0

    @property
    def closing_s(self) -> float:
        return fmean(self._profile.closings_s) * self._start if self._profile.closings_s else 0.0

    def cost(self, experiment: Experiment, k: int, side_by_side: int) -> Cost:
        """What a trial takes on k workers beside others, `side_by_side` in all.

        Raises:
            UsageError: k does not divide the batch, or nothing of the experiment's kind was measured.
        """
        group = group_of(experiment)
        key = (group, k, side_by_side, experiment.epochs, num_evaluations(experiment))
        if key not in self._costs:
            if group not in self._groups:
                raise UsageError(
                    f"{experiment.name}: the profile has no training of its network, data and batch "
                    f"({len(self._groups)} kinds in it): measure it with jobs/calibrate.py, or run one like it for an "
                    "epoch"
                )
            self._costs[key] = self._of(group, experiment, k, side_by_side)
        return self._costs[key]

    def _of(self, group: str, experiment: Experiment, k: int, side_by_side: int) -> Cost:
        samples, batch = self._groups[group], experiment.global_batch_size(k)
        step_s, factor, measured = self._times.of(group, samples, k, batch, side_by_side)
        same = [s for s in samples if s.workers == nearest_width(samples, k)]
        steps = fmean(s.steps_per_epoch * s.global_batch_size for s in same) / batch
        mean = self._means(f"{group} {k}", same)
        kept = [s.startup_s for s in same if s.start == "kept"]
        new = [s.startup_s for s in same if s.start == "lane"] or [s.startup_s for s in same if s.start == "command"]
        again_s = self._chance.mean(f"{group} {k} kept", kept) if kept else 0.0
        new_s = self._chance.mean(f"{group} {k} new", new) if new else again_s
        epochs, today = experiment.epochs, self._today
        return Cost(
            start_s=max(0.0, new_s - again_s) * self._start,
            again_s=again_s * today,
            steps_s=(epochs * steps * step_s + mean["first_steps_s"]) * today,
            evaluation_s=num_evaluations(experiment) * mean["evaluation_s"] * same[0].workers / k * factor * today,
            checkpoint_s=epochs * mean["checkpoint_s"] * today,
            other_s=epochs * mean["other_s"] * today,
            handover_s=mean["handover_s"] * today,
            measured=measured,
        )

    def _means(self, key: str, same: Sequence[Sample]) -> Mapping[str, float]:
        names = ("first_steps_s", "evaluation_s", "checkpoint_s", "other_s", "handover_s")
        return {name: self._chance.mean(f"{key} {name}", [getattr(s, name) for s in same]) for name in names}
