"""The files of one run of a study as a report reads them: names relative to its folder, and their content.

Without its record nothing can be said of a study; a damaged file of a trial costs what it would have shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from app.errors import DataError, UsageError
from app.records import StudyRecord, StudyTrial, TrialRecord
from app.reporting.run import run_files
from app.reporting.run.run_files import Epoch, Files, Problem, ScoredSplit
from app.reporting.study.numbers import flattened
from app.reporting.study.timeline import Clock, worker_rows
from app.run_folder import study
from app.strict_json import DamagedFileError

RECORD = study.RECORD.name
_TRIALS = f"{study.TRIALS}/"
MAX_NAMED = 4
"""Names in one line of an error; more are counted."""

Part = TypeVar("Part")


@dataclass(frozen=True)
class StudyRun:
    """One study under one strategy."""

    folder: str
    label: str
    """Short, and different for each of the runs that are shown together."""
    record: StudyRecord
    curves: Mapping[str, tuple[Epoch, ...]] = field(default_factory=dict)
    """By trial; trials without a line are left out."""
    evaluations: Mapping[str, tuple[ScoredSplit, ...]] = field(default_factory=dict)
    """By trial: what the evaluate job found."""
    experiments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By trial, as far as they are known."""
    problems: tuple[Problem, ...] = ()


def is_wanted(name: str) -> bool:
    """Whether the report uses this file of a study's folder."""
    return name == RECORD or (
        name.startswith(_TRIALS) and run_files.is_wanted(name.removeprefix(_TRIALS).split("/", 1)[-1])
    )


def read_study(folder: str, files: Files) -> StudyRun:
    """The run of a study in `folder`, which messages name.

    Raises:
        DataError: there is no record, or it cannot be used.
    """
    record = _read_record(folder, files)
    problems: list[Problem] = []
    curves: dict[str, tuple[Epoch, ...]] = {}
    evaluations: dict[str, tuple[ScoredSplit, ...]] = {}
    experiments: dict[str, Mapping[str, Any]] = {}
    trials = []
    for trial in record.trials:
        prefix = f"{_TRIALS}{trial.name}/"
        own = {name.removeprefix(prefix): files[name] for name in files if name.startswith(prefix)}
        tried = _Tried(prefix, problems)
        curves[trial.name] = tried(partial(run_files.read_epochs, own), ())
        evaluations[trial.name] = tuple(
            found
            for split in run_files.evaluated_splits(own)
            if (found := tried(partial(run_files.read_evaluation, own, split), None)) is not None
        )
        config = tried(partial(run_files.read_config, own), None)
        trials.append(_with_record(trial, tried(partial(run_files.read_record, own), None)))
        shown = trials[-1].record
        if shown is not None or config is not None:
            experiments[trial.name] = shown.experiment if shown is not None else config or {}
    return StudyRun(
        folder=folder,
        label=record.strategy,
        record=replace(record, trials=tuple(trials)),
        curves={name: epochs for name, epochs in curves.items() if epochs},
        evaluations={name: found for name, found in evaluations.items() if found},
        experiments=experiments,
        problems=tuple(problems),
    )


class _Tried:
    """Calls a reader; what it cannot read is noted and replaced."""

    def __init__(self, prefix: str, problems: list[Problem]) -> None:
        self._prefix, self._problems = prefix, problems

    def __call__(self, read: Callable[[], Part], otherwise: Part) -> Part:
        try:
            return read()
        except DamagedFileError as error:
            self._problems.append(Problem(self._prefix + error.file, error.reason))
            return otherwise


def _read_record(folder: str, files: Files) -> StudyRecord:
    if RECORD not in files:
        raise DataError(f"{folder} has no {RECORD}: expected the folder of a study, as jobs/study.py makes it")
    record = study.RECORD.parse(files[RECORD], f"{folder}/{RECORD}")
    try:
        worker_rows(record)
    except ValueError as error:
        raise DamagedFileError(f"{folder}/{RECORD}", str(error)) from error
    if Clock(record.sessions).total_s <= 0:
        raise DataError(f"{folder}/{RECORD}: its sessions last 0 s in all: the study has not begun")
    return record


def _with_record(trial: StudyTrial, found: TrialRecord | None) -> StudyTrial:
    return replace(trial, record=found) if trial.record is None and trial.status == "finished" else trial


def check_same_study(runs: Sequence[StudyRun]) -> None:
    """Raises UsageError unless all runs have the same trials, and these the same experiments where they are known."""
    first = runs[0]
    for other in runs[1:]:
        ours, theirs = ({trial.name for trial in run.record.trials} for run in (first, other))
        if ours != theirs:
            only = [
                f"only {run.folder} has {_named(names)}"
                for run, names in ((first, ours - theirs), (other, theirs - ours))
                if names
            ]
            raise UsageError(f"these are not runs of one study: {'; '.join(only)}; give runs of the same trials")
        for trial in first.record.trials:
            _check_same_experiment(trial.name, first, other)


def _check_same_experiment(trial: str, first: StudyRun, other: StudyRun) -> None:
    a, b = (flattened(run.experiments.get(trial, {})) for run in (first, other))
    if not a or not b:
        return
    from_another = a.get("starts_from") is not None  # its first weights lie in each run's own folder
    changed = [key for key in {**a, **b} if a.get(key) != b.get(key) and not (from_another and key == "task.weights")]
    if changed:
        key = changed[0]
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise UsageError(
            f"these are not runs of one study: {key} of trial {trial} is {a.get(key)!r} in {first.folder} and "
            f"{b.get(key)!r} in {other.folder}{more}; give runs of the same experiments"
        )


def labelled(runs: Sequence[StudyRun]) -> list[StudyRun]:
    """The runs with labels of their own: the strategy, where it tells them apart; else with the workers, else with the
    folder."""
    by_workers = [f"{run.record.strategy}, {run.record.num_workers} {run.record.worker_kind}" for run in runs]
    names = [run.folder.rstrip("/").rsplit("/", 1)[-1] for run in runs]
    choices = (
        [run.record.strategy for run in runs],
        by_workers,
        [f"{run.record.strategy} ({name})" for run, name in zip(runs, names, strict=True)],
    )
    numbered = [f"{run.record.strategy} ({number})" for number, run in enumerate(runs, 1)]
    labels = next((found for found in choices if len(set(found)) == len(found)), numbered)
    return [replace(run, label=label) for run, label in zip(runs, labels, strict=True)]


def _named(names: set[str]) -> str:
    shown = sorted(names)[:MAX_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more
