"""What has to be measured of a study so that it can be planned, and the short study that measures it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.experiment import Experiment, Study
from app.planning.plan import Plan, Stage
from app.planning.profile import Profile, group_of

NUM_AGAIN = 2
"""Trainings one after the other on a lane: the second finds its processes there."""
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
    """One experiment of each group that costs the same (see group_of)."""
    found: dict[str, Experiment] = {}
    for experiment in study.experiments:
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
    found = []
    for experiment in kinds(study):
        wanted = widths_to_measure(experiment, num_workers, on_node)
        lacking = [k for k in wanted if (group_of(experiment), k) not in known]
        found += [(experiment, lacking)] if lacking else []
    return found


def measurement(name: str, wanted: Sequence[tuple[Experiment, Sequence[int]]], num_workers: int) -> Measurement:
    """Each experiment on each of its numbers of workers, alone, then with all workers busy: neighbours share cores,
    memory and disk. Trainings of one width follow each other, so that their processes start once."""
    asked: dict[str, Experiment] = {}
    stages = []
    for k in sorted({k for _, widths in wanted for k in widths}):
        some = [(number, e) for number, (e, widths) in enumerate(wanted) if k in widths]
        alone = [_named(asked, e, f"{number}-k{k}-alone") for number, e in some for _ in range(_times(some))]
        stages.append(Stage(k, 1, tuple(alone)))
    for k in sorted({k for _, widths in wanted for k in widths}, reverse=True):
        places = num_workers // k
        some = [(number, e) for number, (e, widths) in enumerate(wanted) if k in widths]
        if places > 1:
            busy = [_named(asked, e, f"{number}-k{k}-busy") for number, e in some for _ in range(places)]
            stages.append(Stage(k, places, tuple(busy)))
    experiments = tuple(
        replace(e, name=name, epochs=NUM_EPOCHS, evaluate_every_epochs=NUM_EPOCHS) for name, e in asked.items()
    )
    study = Study(name, experiments)
    return Measurement(study, Plan(name, num_workers, PREFIX, tuple(stages)), asked)


def _times(some: Sequence[tuple[int, Experiment]]) -> int:
    return math.ceil(NUM_AGAIN / len(some))


def _named(asked: dict[str, Experiment], experiment: Experiment, what: str) -> str:
    name = f"{PREFIX}-{what}-{len(asked)}"
    asked[name] = replace(experiment, name=name, starts_from=None)
    return name


def merged(old: Profile | None, new: Profile) -> Profile:
    """Both, where they were measured in one setting; else the new one alone."""
    if old is None or old.setting != new.setting:
        return new
    return replace(new, samples=(*old.samples, *new.samples), closings_s=(*old.closings_s, *new.closings_s))
