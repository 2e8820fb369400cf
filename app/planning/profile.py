"""A profile: what trainings were measured to take, as raw samples, with the versions and hardware that they ran on."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from app.configuration import from_dict, to_dict
from app.experiment import Experiment
from app.records import StudyRecord, StudyTrial, TrialRecord
from app.strict_json import parse_as

FORMAT = 1
NUM_GROUP_DIGITS = 12


@dataclass(frozen=True)
class Sample:
    """One training as it was measured."""

    group: str
    """Digest of what changes the cost (see group_of)."""
    workers: int
    side_by_side: int
    """Trainings of its kind that ran at the same time, itself included: they share cores, memory and disk."""
    first_on_lane: bool
    """Whether its processes began with it; later ones find them there."""
    global_batch_size: int
    steps_per_epoch: float
    startup_s: float
    """To the first batch, its wait included."""
    step_s: float
    """Mean of a step after the warm-up, waiting for data included."""
    epoch_end_s: float
    """Evaluation, checkpoint and logging, for each epoch."""
    num_parameters: int = 0

    def __post_init__(self) -> None:
        for name in ("workers", "side_by_side", "global_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 1 or more")
        for name in ("steps_per_epoch", "step_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted more than 0")
        for name in ("startup_s", "epoch_end_s", "num_parameters"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 0 or more")


@dataclass(frozen=True)
class Setting:
    """Where samples were measured; those of different settings do not mix."""

    device: str
    num_cores: int
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """All that planning knows of the cost of trainings."""

    setting: Setting
    samples: tuple[Sample, ...]
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format: got {self.format}, wanted {FORMAT}: make the profile anew")
        if not self.samples:
            raise ValueError("samples: got none, wanted at least one measured training")

    @staticmethod
    def from_json(text: str) -> "Profile":
        """Raises DataError with the key when the text does not say what a profile says."""
        return parse_as(partial(from_dict, Profile), text.encode(), "the profile")

    def to_json(self) -> str:
        return json.dumps(to_dict(self), indent=1)


def group_of(experiment: Experiment) -> str:
    """Experiments of one group cost the same a step: rates, seeds and epochs are not part of it, the network is."""
    task = {key: value for key, value in experiment.task.items() if key != "weights"}
    said = [experiment.workload, task, experiment.batch_size, experiment.batch_rule, experiment.max_micro_batch_size]
    said += [experiment.precision, experiment.channels_last, experiment.compile, experiment.store]
    said += [experiment.optimizer.name, experiment.evaluate_every_epochs]
    text = json.dumps(to_dict(said), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:NUM_GROUP_DIGITS]


def profile_of(studies: Sequence[StudyRecord], runs: Sequence[TrialRecord] = ()) -> Profile:
    """The profile that finished trainings make, those of studies and single ones.

    Raises:
        ValueError: none can be used, or they ran on different hardware or versions; says which.
    """
    records: list[TrialRecord] = []
    samples: list[Sample] = []
    for study in studies:
        for trial in study.trials:
            if trial.record is not None and _is_usable(trial.record):
                records.append(trial.record)
                samples.append(_sample(trial.record, _overlapping(trial, study), _is_first(trial, study)))
    for record in filter(_is_usable, runs):
        records.append(record)
        samples.append(_sample(record, 1, first_on_lane=True))
    if not records:
        raise ValueError("profile: got no finished training with a timed step, not started anew: wanted at least one")
    settings = [_setting(record) for record in records]
    for record, setting in zip(records, settings, strict=True):
        if setting != settings[0]:
            raise ValueError(
                f"profile: {records[0].name} ran on {_told(settings[0])} and {record.name} on {_told(setting)}: "
                "their times do not mix; give runs of one setting"
            )
    return Profile(settings[0], tuple(samples))


def _is_usable(record: TrialRecord) -> bool:
    timings = record.timings
    return (
        record.status == "finished"
        and record.num_restarts == 0
        and record.num_steps > 0
        and timings.num_timed_steps > 0
        and timings.step_s > 0
    )


def _sample(record: TrialRecord, side_by_side: int, first_on_lane: bool) -> Sample:
    experiment, timings = Experiment.from_dict(record.experiment), record.timings
    return Sample(
        group=group_of(experiment),
        workers=record.num_workers,
        side_by_side=side_by_side,
        first_on_lane=first_on_lane,
        global_batch_size=record.global_batch_size,
        steps_per_epoch=record.num_steps / experiment.epochs,
        startup_s=timings.startup_s + timings.first_batch_s,
        step_s=(timings.step_s + timings.data_wait_s) / timings.num_timed_steps,
        epoch_end_s=(timings.evaluation_s + timings.checkpoint_s + timings.other_s) / experiment.epochs,
        num_parameters=record.num_parameters,
    )


def _setting(record: TrialRecord) -> Setting:
    return Setting(record.device, int(record.host.get("num_cores", 1)), dict(record.versions))


def _told(setting: Setting) -> str:
    versions = " ".join(f"{name} {version}" for name, version in sorted(setting.versions.items()))
    return f"{setting.device}, {setting.num_cores} cores, {versions or 'unknown versions'}"


def _overlapping(trial: StudyTrial, study: StudyRecord) -> int:
    """Trials that ran at the middle of this one's time."""
    if trial.start_s is None or trial.end_s is None:
        return 1
    middle = (trial.start_s + trial.end_s) / 2
    spans = [(other.start_s, other.end_s) for other in study.trials]
    return max(1, sum(s is not None and e is not None and s <= middle <= e for s, e in spans))


def _is_first(trial: StudyTrial, study: StudyRecord) -> bool:
    same = [o for o in study.trials if (o.lane, o.workers_per_trial) == (trial.lane, trial.workers_per_trial)]
    return all((other.start_s or 0) >= (trial.start_s or 0) for other in same)
