"""A profile: what trainings were measured to take, as raw samples, with the versions and hardware that they ran on."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.configuration import from_dict, to_dict
from app.errors import UsageError
from app.experiment import Experiment
from app.strict_json import parse_as

FORMAT = 2
NUM_GROUP_DIGITS = 12

Start = Literal["command", "lane", "changed", "kept"]
"""What a training's start-up holds: all from the command on, or its lane's processes, or neither, for they were there;
`changed`: they had trained what costs otherwise, and what this one uses was not loaded or chosen yet."""


@dataclass(frozen=True)
class Sample:
    """One training as it was measured; times are means over it."""

    groups: tuple[str, ...]
    """Digests of what changes the cost (see group_of): of the experiment as it was asked for and as it was run, with
    the store's facts and defaults filled in."""
    run: str
    """Which run of a command it was measured in: the same work takes longer in some than in others."""
    workers: int
    side_by_side: int
    """Trainings that ran at the same time, itself included: they share cores, memory and disk."""
    start: Start
    global_batch_size: int
    steps_per_epoch: float
    startup_s: float
    """To the first batch, its wait included; without what chose the numerics."""
    step_s: float
    """Seconds of a step after the warm-up, waiting for data included."""
    first_steps_s: float = 0.0
    """What the warm-up's steps took longer than as many later ones."""
    evaluation_s: float = 0.0
    """Seconds of one evaluation."""
    checkpoint_s: float = 0.0
    """Seconds of an epoch's checkpoints."""
    other_s: float = 0.0
    """Seconds of an epoch: logging and what no other phase names."""
    handover_s: float = 0.0
    """Seconds of its lane's time that belong to no training: until its end is known, and since the one before ended."""
    num_parameters: int = 0
    places: int | None = None
    """Trainings that its stage has room for: they share the cores of a node whether they run or not. None: as many as
    ran side by side."""
    choosing_s: float = 0.0
    """Seconds in which it chose the numerics of its study; of later trainings nearly none."""
    evaluated_share: float = 1.0
    """Share of the validation split that the evaluation saw; `evaluation_s` is that of all."""
    memory_bytes: int = 0
    """Most that a worker held: of its GPU, or of its host. 0: not known."""
    memory_limit_bytes: int = 0
    """Memory of the GPU, or of the host. 0: not known."""
    step_spread: float = 0.0
    """Standard deviation of its single steps as a share of their mean. 0: not known."""

    def __post_init__(self) -> None:
        counts = ("workers", "side_by_side", "global_batch_size", *(() if self.places is None else ("places",)))
        for name in counts:
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected 1 or more")
        for name in ("steps_per_epoch", "step_s", "evaluated_share"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected more than 0")
        parts = ("startup_s", "first_steps_s", "evaluation_s", "checkpoint_s", "other_s", "handover_s")
        others = ("choosing_s", "num_parameters", "memory_bytes", "memory_limit_bytes", "step_spread")
        for name in (*parts, *others):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected 0 or more")


@dataclass(frozen=True)
class Setting:
    """Where samples were measured; those of different settings do not mix."""

    device: str
    num_cores: int
    versions: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        versions = " ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        return f"{self.device}, {self.num_cores} cores, {versions or 'unknown versions'}"


@dataclass(frozen=True)
class Failed:
    """A kind of training that failed when it was measured: it is not planned on so many workers."""

    group: str
    workers: int
    reason: str


@dataclass(frozen=True)
class Profile:
    """All that planning knows of the cost of trainings."""

    setting: Setting
    samples: tuple[Sample, ...]
    closings_s: tuple[float, ...] = ()
    """Seconds of each study from the end of its last trial to that of the command."""
    readies_s: tuple[float, ...] = ()
    """Seconds of each study from its command to the first trial that it could begin."""
    workers_on_node: int | None = None
    """That a node has room for: neighbours are those on one's own. None: as many as it has cores."""
    busy_cores: float = 0.0
    """That other work kept busy on the machine of the command when measuring began."""
    failed: tuple[Failed, ...] = ()
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise UsageError(f"format: got {self.format}, expected {FORMAT}: make the profile again")
        if not self.samples:
            raise UsageError("samples: got none, expected at least one measured training")

    @staticmethod
    def parse(content: bytes, where: str) -> "Profile":
        """Raises DamagedFileError, with `where` and the key, when the content is not a profile."""
        return parse_as(Profile.from_dict, content, where)

    @staticmethod
    def from_dict(values: Any) -> "Profile":
        """Raises UsageError with the key."""
        if isinstance(values, Mapping) and values.get("format", FORMAT) != FORMAT:
            raise UsageError(f"format: got {values['format']!r}, expected {FORMAT}: make the profile again")
        return from_dict(Profile, values)

    def to_json(self) -> str:
        return json.dumps(to_dict(self), indent=1)


def group_of(experiment: Experiment) -> str:
    """Experiments of one group cost the same a step and an evaluation: rates, seeds, epochs and how often is evaluated
    are not part of it, the network is."""
    task = {key: value for key, value in experiment.task.items() if key != "weights"}
    said = [experiment.workload, task, experiment.batch_size, experiment.batch_rule, experiment.max_micro_batch_size]
    said += [experiment.precision, experiment.channels_last, experiment.compile, experiment.store]
    said += [experiment.optimizer.name, experiment.ema_decay is None]
    text = json.dumps(to_dict(said), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:NUM_GROUP_DIGITS]


def num_evaluations(experiment: Experiment) -> int:
    """Every few epochs, and after the last."""
    return math.ceil(experiment.epochs / experiment.evaluate_every_epochs)
