"""The profile that finished trainings make: their records, and when the study gave them their workers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.errors import UsageError
from app.experiment import Experiment
from app.planning.plan import Plan
from app.planning.profile import Profile, Sample, Setting, Start, group_of, num_evaluations
from app.records import StudyRecord, StudyTrial, TrialRecord

BEGAN_WITHIN_S = 0.01
"""How near to a session's start a trial begins with it: so the first trials of a command are told from later ones."""

Asked = Mapping[str, Experiment]
"""The study's experiments as they were asked for, by name; their records have defaults filled in."""


def profile_of(
    studies: Sequence[tuple[StudyRecord, Asked]], runs: Sequence[TrialRecord] = (), setting: Setting | None = None
) -> Profile:
    """The profile that finished trainings make, those of studies and single ones.

    Args:
        setting: that all must have; that of the first if not given.

    Raises:
        UsageError: none can be used, or they ran on different hardware or versions; says which.
    """
    records: list[TrialRecord] = []
    samples: list[Sample] = []
    closings: list[float] = []
    readies: list[float] = []
    for number, (study, asked) in enumerate(studies):
        run, places = f"{study.name} {number}", _places(study)
        for trial in study.trials:
            is_in_one_go = len(trial.stints) <= 1  # members of a population resume round by round
            if trial.record is not None and is_in_one_go and _is_usable(trial.record):
                records.append(trial.record)
                sample = _of_study(trial, trial.record, study, asked.get(trial.name), run)
                samples.append(replace(sample, places=places.get((trial.name, trial.workers_per_trial))))
        ends = [trial.end_s for trial in study.trials if trial.end_s is not None]
        if study.sessions and ends and study.status == "finished":
            closings.append(max(0.0, study.sessions[-1].end_s - max(ends)))
        readies += [s.ready_s for s in study.sessions[:1] if s.ready_s is not None]
    for number, record in enumerate(filter(_is_usable, runs)):
        records.append(record)
        samples.append(_sample(record, f"run {number}", 1, "command"))
    if not records:
        raise UsageError(
            "profile: got no training that finished in one go, without a restart or rounds of a population, and with a "
            "timed step, expected at least one"
        )
    first, wanted = (records[0].name, setting_of(records[0])) if setting is None else ("the profile", setting)
    for record in records:
        if setting_of(record) != wanted:
            raise UsageError(
                f"profile: {first} ran on {wanted} and {record.name} on {setting_of(record)}: "
                "their times do not mix; give runs of one setting"
            )
    return Profile(wanted, tuple(samples), tuple(closings), tuple(readies))


def setting_of(record: TrialRecord) -> Setting:
    return Setting(record.device, int(record.host.get("num_cores", 1)), dict(record.versions))


def _is_usable(record: TrialRecord) -> bool:
    timings = record.timings
    return (
        record.status == "finished"
        and record.num_restarts == 0
        and not record.earlier_num_workers
        and record.num_steps > 0
        and timings.num_timed_steps > 0
        and timings.step_s > 0
    )


def _of_study(trial: StudyTrial, record: TrialRecord, study: StudyRecord, asked: Experiment | None, run: str) -> Sample:
    before = _before(trial, study)
    start: Start = "command" if _is_with_command(trial, study) else "lane"
    if before is not None:
        start = "kept" if before.record is None or _costs(before.record) == _costs(record) else "changed"
    handover_s = 0.0
    if trial.start_s is not None and trial.end_s is not None:
        handover_s = max(0.0, trial.end_s - trial.start_s - record.timings.total_s) + gap_s(trial, study)
    return _sample(record, run, _overlapping(trial, study), start, handover_s, asked)


def _places(study: StudyRecord) -> dict[tuple[str, int], int]:
    """How many trials their stages had room for, by their names and workers: what ran under an earlier plan than the
    record's may have had others."""
    try:
        stages = Plan.from_dict(study.plan).stages
    except ValueError:
        return {}
    return {(name, stage.workers_per_trial): stage.concurrent_trials for stage in stages for name in stage.trials}


def gap_s(trial: StudyTrial, study: StudyRecord) -> float:
    """Between the trial before it on its lane, of one stage, and this one."""
    before = _before(trial, study)
    if before is None or before.stage != trial.stage or before.end_s is None or trial.start_s is None:
        return 0.0
    return max(0.0, trial.start_s - before.end_s)


def _costs(record: TrialRecord) -> str:
    return group_of(Experiment.from_dict(record.experiment))


def _sample(
    record: TrialRecord,
    run: str,
    side_by_side: int,
    start: Start,
    handover_s: float = 0.0,
    asked: Experiment | None = None,
) -> Sample:
    experiment, timings = Experiment.from_dict(record.experiment), record.timings
    step_s = (timings.step_s + timings.data_wait_s) / timings.num_timed_steps
    num_done = timings.num_warmup_steps + timings.num_timed_steps
    steps_per_epoch = record.num_steps / experiment.epochs
    num_epochs = min(experiment.epochs, math.ceil(num_done / steps_per_epoch))  # one that only measures ends early
    groups = [group_of(experiment), *([group_of(asked)] if asked is not None else [])]
    return Sample(
        groups=tuple(dict.fromkeys(groups)),
        run=run,
        workers=record.num_workers,
        side_by_side=side_by_side,
        start=start,
        global_batch_size=record.global_batch_size,
        steps_per_epoch=steps_per_epoch,
        startup_s=timings.startup_s * (1 - timings.choosing_share) + timings.first_batch_s,
        step_s=step_s,
        first_steps_s=max(0.0, timings.warmup_steps_s - timings.num_warmup_steps * step_s),
        evaluation_s=timings.evaluation_s / num_evaluations(experiment) / timings.evaluated_share,
        checkpoint_s=timings.checkpoint_s / num_epochs,
        other_s=timings.other_s / num_epochs,
        handover_s=handover_s,
        num_parameters=record.num_parameters,
        choosing_s=timings.startup_s * timings.choosing_share,
        evaluated_share=timings.evaluated_share,
        memory_bytes=record.memory_bytes,
        memory_limit_bytes=record.memory_limit_bytes,
        step_spread=timings.step_spread,
    )


def _overlapping(trial: StudyTrial, study: StudyRecord) -> int:
    """Trials that ran at the middle of this one's time after its start-up."""
    if trial.start_s is None or trial.end_s is None or trial.record is None:
        return 1
    begun_s = min(trial.end_s, trial.start_s + trial.record.timings.startup_s)
    middle = (begun_s + trial.end_s) / 2
    spans = [(other.start_s, other.end_s) for other in study.trials]
    return max(1, sum(s is not None and e is not None and s <= middle <= e for s, e in spans))


def _before(trial: StudyTrial, study: StudyRecord) -> StudyTrial | None:
    """The last one on its lane's processes before it; those make room for trials of another width."""
    same = [
        other
        for other in study.trials
        if (other.lane, other.workers_per_trial) == (trial.lane, trial.workers_per_trial)
        and (other.start_s or 0.0) < (trial.start_s or 0.0)
        and other.end_s is not None
    ]
    before = max(same, key=lambda other: other.start_s or 0.0, default=None)
    if before is None:
        return None
    others = [o.start_s for o in study.trials if o.workers_per_trial != trial.workers_per_trial and o.start_s]
    gone = any((before.start_s or 0.0) < start_s < (trial.start_s or 0.0) for start_s in others)
    return None if gone else before


def _is_with_command(trial: StudyTrial, study: StudyRecord) -> bool:
    return any(abs((trial.start_s or 0.0) - session.start_s) < BEGAN_WITHIN_S for session in study.sessions)
