"""What has to be measured of a study so that it can be planned, and the short study that measures it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.experiment import Experiment, Study
from app.planning.chosen import that_may_come
from app.planning.plan import Plan, Stage
from app.planning.profile import Failed, Profile, group_of
from app.records import StudyTrial

NUM_AGAIN = 2
"""Trainings one after the other on a lane: the second finds its processes there."""
LEAST_S, SHARE = 180.0, 0.1
"""How long measuring may take: so long, or this share of the study's shortest trial, whichever is more."""
NUM_EPOCHS = 30
"""That a training would have, were it not ended before: an epoch may have a single step."""
PREFIX = "measured"


@dataclass(frozen=True)
class Measurement:
    """A study of short trainings; `asked` are the experiments that they stand for, by name."""

    study: Study
    plan: Plan
    asked: Mapping[str, Experiment]


def kinds(study: Study) -> list[Experiment]:
    """One experiment of each group that costs the same (see group_of), with each value, or the ends, of what a search
    may choose."""
    found: dict[str, Experiment] = {}
    for experiment in that_may_come(study):
        found.setdefault(group_of(experiment), experiment)
    return list(found.values())


def widths_to_measure(experiment: Experiment, num_workers: int, on_node: int) -> list[int]:
    """1, 2, the workers of a node, those of two and all that there are, as far as they divide the batch."""
    wanted = {k for k in (1, 2, on_node, 2 * on_node, num_workers) if 1 <= k <= num_workers}
    return sorted(k for k in wanted if experiment.batch_rule == "fixed-per-worker" or experiment.batch_size % k == 0)


def missing(
    study: Study, num_workers: int, on_node: int, profile: Profile | None
) -> list[tuple[Experiment, list[int]]]:
    """Experiments, one of each kind, and the numbers of workers that the profile lacks."""
    known = {(group, s.workers) for s in (profile.samples if profile is not None else ()) for group in s.groups}
    known |= {(one.group, one.workers) for one in (profile.failed if profile is not None else ())}
    found = []
    for experiment in kinds(study):
        wanted = widths_to_measure(experiment, num_workers, on_node)
        lacking = [k for k in wanted if (group_of(experiment), k) not in known]
        found += [(experiment, lacking)] if lacking else []
    return found


def measurement(
    name: str, wanted: Sequence[tuple[Experiment, Sequence[int]]], num_workers: int, shares_cores: bool = True
) -> Measurement:
    """Each experiment on each of its numbers of workers with all workers busy, for neighbours share cores, memory and
    disk; of each width one more in the end, which has no neighbours. What says most comes first, for the end may be
    left out: the two plain strategies, one worker each before the widest. So the command begins as one of one worker
    each does; beside a group that comes up, both would take longer than either alone where cores are few.

    Args:
        shares_cores: what runs alone on one worker has the node's cores; GPUs' workers have not.
    """
    asked: dict[str, Experiment] = {}
    stages: list[Stage] = []
    widths = sorted({k for _, some in wanted for k in some})
    order = list(dict.fromkeys([widths[0], widths[-1], *widths])) if widths else []

    def add(k: int, places: int, what: str, numbers: Sequence[int]) -> None:
        names = [_named(asked, wanted[number][0], f"{number}-k{k}-{what}") for number in numbers]
        stages.append(Stage(k, places, tuple(names)))

    for k in order:
        places = num_workers // k
        some = [number for number, (_, mine) in enumerate(wanted) if k in mine]
        times = NUM_AGAIN * places if k in order[:2] else places
        add(k, places, "busy", [n for n in some for _ in range(times)] + (some[:1] if places > 1 else []))
        if k == 1 and places > 1 and shares_cores:
            add(1, 1, "alone", some)
    experiments = tuple(
        replace(e, name=name, epochs=NUM_EPOCHS, evaluate_every_epochs=NUM_EPOCHS) for name, e in asked.items()
    )
    return Measurement(Study(name, experiments), Plan(name, num_workers, PREFIX, tuple(stages)), asked)


def num_waves(plan: Plan) -> int:
    return sum(math.ceil(len(stage.trials) / stage.concurrent_trials) for stage in plan.stages)


def _named(asked: dict[str, Experiment], experiment: Experiment, what: str) -> str:
    name = f"{PREFIX}-{what}-{len(asked)}"
    asked[name] = replace(experiment, name=name, starts_from=None)
    return name


@dataclass(frozen=True)
class Limit:
    """How long measuring may take, start-up and evaluations included: LEAST_S, or a share of the shortest trial."""

    asked: Mapping[str, Experiment]
    """What the short trainings stand for, with all their epochs."""
    start_s: float

    def left_out(self, trials: Mapping[str, StudyTrial], now_s: float) -> list[str]:
        """The waiting trainings that are no longer begun: none of a kind of which nothing is known yet."""
        waiting = [name for name, trial in trials.items() if trial.status == "waiting"]
        if now_s - self.start_s < max(LEAST_S, SHARE * self._shortest_s(trials)):
            return []
        known = {group_of(self.asked[name]) for name, trial in trials.items() if trial.start_s is not None}
        kept: dict[str, str] = {}
        for name in waiting:
            kept.setdefault(group_of(self.asked[name]), name)
        needed = {name for group, name in kept.items() if group not in known}
        return [name for name in waiting if name not in needed and trials[name].start_s is None]

    def _shortest_s(self, trials: Mapping[str, StudyTrial]) -> float:
        """Shortest time that the steps of one of the study's trials take, as far as is known."""
        found: dict[str, float] = {}
        for name, trial in trials.items():
            if trial.record is not None and (timings := trial.record.timings).num_timed_steps:
                steps = trial.record.num_steps / NUM_EPOCHS * self.asked[name].epochs
                run_s = steps * (timings.step_s + timings.data_wait_s) / timings.num_timed_steps
                group = group_of(self.asked[name])
                found[group] = min(run_s, found.get(group, math.inf))
        return min(found.values(), default=0.0)


def failures(made: Measurement, trials: Sequence[StudyTrial]) -> tuple[Failed, ...]:
    """Kinds and numbers of workers on which every training failed."""
    found: dict[tuple[str, int], list[StudyTrial]] = {}
    for trial in trials:
        if trial.status in ("finished", "failed"):
            found.setdefault((group_of(made.asked[trial.name]), trial.workers_per_trial), []).append(trial)
    return tuple(
        Failed(group, k, str(some[0].failure))
        for (group, k), some in found.items()
        if all(trial.status == "failed" for trial in some)
    )


def merged(old: Profile | None, new: Profile) -> Profile:
    """Both, where they were measured in one setting; else the new one alone."""
    if old is None or old.setting != new.setting:
        return new
    return replace(
        new,
        samples=(*old.samples, *new.samples),
        closings_s=(*old.closings_s, *new.closings_s),
        readies_s=(*old.readies_s, *new.readies_s),
        busy_cores=max(old.busy_cores, new.busy_cores),
        failed=tuple(dict.fromkeys((*old.failed, *new.failed))),
    )
