"""Work for CPUs that training leaves free, such as OCR: how long it takes, and which trainings wait for it."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from app.errors import UsageError
from app.experiment import Study
from app.planning.choice import Candidate
from app.planning.plan import Plan
from app.planning.profile import Profile

FORM = "NAME=AMOUNT@RATE:TRIALS, as ocr=40000@1.9:text-*"


@dataclass(frozen=True)
class Beside:
    """So much of a work (pages, cases), of which a core does so much a second; trials that begin after it."""

    name: str
    amount: float
    per_core_s: float
    patterns: tuple[str, ...]
    """Patterns of trials' names, with * and ? as of files."""

    @staticmethod
    def parse(text: str) -> "Beside":
        """Raises UsageError unless it has the form."""
        name, _, rest = text.partition("=")
        amounts, _, patterns = rest.partition(":")
        amount, _, rate = amounts.partition("@")
        try:
            numbers = float(amount), float(rate)
        except ValueError:
            numbers = math.nan, math.nan
        if not name or not patterns or not all(0 < number < math.inf for number in numbers):
            raise UsageError(f"--beside: got {text!r}, expected {FORM}: two numbers above 0 and names of trials")
        return Beside(name, *numbers, tuple(patterns.split(",")))

    def waiting(self, study: Study) -> set[str]:
        """Trials that begin after it, those with it that start from one of them.

        Raises:
            UsageError: no trial has such a name.
        """
        names = [experiment.name for experiment in study.experiments]
        for pattern in self.patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise UsageError(f"--beside {self.name}: no trial is named {pattern!r}; the study has {sorted(names)}")
        found: set[str] = set()
        origins = {experiment.name: experiment.starts_from for experiment in study.experiments}
        for name in (name for names in study.generations() for name in names):
            if origins[name] in found or any(fnmatchcase(name, pattern) for pattern in self.patterns):
                found.add(name)
        return found


@dataclass(frozen=True)
class HeadStart:
    """How a plan and one work beside it go together."""

    name: str
    takes_s: float
    """From the start of the first work to the end of this one."""
    needed_s: float
    """From the plan's start until the first training that waits for it begins, at the earliest."""

    @property
    def before_s(self) -> float:
        """How long before the plan the works have to start."""
        return max(0.0, self.takes_s - self.needed_s)


def free_cores(profile: Profile, num_workers: int) -> int:
    """Cores that no worker takes: on GPUs each takes one, on CPUs as many as it is of the workers that have room.

    Raises:
        UsageError: there are none.
    """
    cores, on_node = profile.setting.num_cores, profile.workers_on_node or profile.setting.num_cores
    num_nodes = math.ceil(num_workers / on_node)
    free = num_nodes * cores - num_workers
    if profile.setting.device == "cpu" or free < 1:
        raise UsageError(
            f"--beside: got work for CPUs that training leaves free, and {num_workers} workers on {profile.setting} "
            f"leave none of {num_nodes * cores}: do it before the study, or say --beside-cores"
        )
    return free


def waiting_last(one: Candidate, waiting: Set[str], study: Study) -> Candidate:
    """With what waits last in each stage, and stages in which nothing waits first; where trials start from others,
    stages keep their order."""
    made = [replace(stage, trials=tuple(sorted(stage.trials, key=lambda n: n in waiting))) for stage in one.stages]
    if len(study.generations()) == 1:
        made.sort(key=lambda stage: not waiting.isdisjoint(stage.trials))
    return replace(one, stages=tuple(made))


def head_starts(
    works: Sequence[Beside], study: Study, plan: Plan, starts_s: Mapping[str, float], cores: int
) -> list[HeadStart]:
    """The works one after the other, on so many cores.

    Args:
        starts_s: when each trial of the plan begins, from the plan's start on.
    """
    found, takes_s = [], 0.0
    early = 1.0 if plan.expected is None else plan.expected.low_s / plan.expected.makespan_s
    for work in works:
        takes_s += work.amount / work.per_core_s / cores
        first_s = min(starts_s[name] for name in work.waiting(study))
        found.append(HeadStart(work.name, takes_s, first_s * early))
    return found
