"""Several runs of one study side by side: all that the report shows, as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app import intervals
from app.configuration import to_dict
from app.records import ScoreNames, StudyTrial, TrialRecord
from app.reporting.page.scores import ScoreTexts, merge_names
from app.reporting.run.run_files import ScoredSplit
from app.reporting.study import predicted, reasons
from app.reporting.study.numbers import Cost, cost_of, one_worker_s, varied_options
from app.reporting.study.parity import Parity, compare, corrected, is_score, largest_curve_difference
from app.reporting.study.study_files import StudyRun, check_same_study, labelled
from app.reporting.study.timeline import Row, worker_rows

VALIDATION = "validation"


@dataclass(frozen=True)
class Comparison:
    """In the order in which the runs were given."""

    runs: tuple[StudyRun, ...]
    rows: tuple[tuple[Row, ...], ...]
    """The workers' time of each run."""
    costs: tuple[Cost, ...]
    parities: tuple[Parity, ...]
    """Main score first, then by trial."""
    curve_differences: Mapping[str, float]
    """By trial: the largest distance of its loss curves, as a share of the loss; trials that have curves in one run
    only are left out."""
    tolerance: float
    price_per_hour: float | None
    varied: tuple[str, ...]
    """Options in which the trials differ."""
    names: ScoreNames = ()
    """Names of scores, where the trials' records have none."""

    @property
    def scores(self) -> ScoreTexts:
        records = [trial.record for run in self.runs for trial in run.record.trials if trial.record is not None]
        return ScoreTexts(merge_names([*(record.scores for record in records), self.names]))

    @property
    def disagreements(self) -> list[Parity]:
        return [parity for parity in self.parities if parity.verdict == "differ"]

    @property
    def undecided(self) -> list[Parity]:
        return [parity for parity in self.parities if parity.verdict == "undecided"]

    @property
    def numerics(self) -> dict[str, str]:
        """By trial: its numerics under each strategy, where they are not the same and its scores do not compare."""
        return {parity.trial: parity.numerics for parity in self.parities if parity.numerics}

    @property
    def experiments(self) -> dict[str, Mapping[str, Any]]:
        """By trial, from whichever run knows them."""
        return {name: values for run in reversed(self.runs) for name, values in run.experiments.items()}

    @property
    def reference(self) -> StudyRun:
        """The run that has most to show of every trial: the first of those with most curves."""
        return max(self.runs, key=lambda run: len(run.curves))


def compare_runs(runs: Sequence[StudyRun], tolerance: float, price_per_hour: float | None = None) -> Comparison:
    """Raises UsageError where these are not runs of one study."""
    check_same_study(runs)
    named = labelled(runs)
    records = [run.record for run in named]
    experiments = {name: values for run in named for name, values in run.experiments.items()}
    one_worker = {kind: one_worker_s(records, kind) for kind in {record.worker_kind for record in records}}
    return Comparison(
        runs=tuple(named),
        rows=tuple(worker_rows(record) for record in records),
        costs=tuple(cost_of(record, one_worker[record.worker_kind], price_per_hour) for record in records),
        parities=tuple(parities(named, tolerance)) if len(named) > 1 else (),
        curve_differences=curve_differences(named),
        tolerance=tolerance,
        price_per_hour=price_per_hour,
        varied=tuple(varied_options({t.name: experiments[t.name] for t in records[0].trials if t.name in experiments}))
        if experiments
        else (),
    )


def parities(runs: Sequence[StudyRun], tolerance: float) -> list[Parity]:
    """Every score of every trial that at least two of the runs know."""
    found: list[Parity] = []
    for name in [trial.name for trial in runs[0].record.trials]:
        before = len(found)
        metrics = [_metrics(trial_of(run, name)) for run in runs]
        for score in dict.fromkeys(key for values in metrics for key in values):
            found.append(compare(name, VALIDATION, score, [values.get(score) for values in metrics], tolerance))
        for split in dict.fromkeys(e.split for run in runs for e in run.evaluations.get(name, ())):
            found += _evaluated(name, split, [_evaluation(run, name, split) for run in runs], tolerance)
        found[before:] = [_comparable(parity, runs) for parity in found[before:]]
    known = [parity for parity in found if parity.difference is not None]
    main = runs[0].record.score
    judged = [_explained(parity, runs) for parity in corrected(known)]
    return sorted(judged, key=lambda parity: (parity.score != main, parity.split != VALIDATION))


def _comparable(parity: Parity, runs: Sequence[StudyRun]) -> Parity:
    """Without a verdict, and with the reason, where the trial was trained in other numerics."""
    numerics = reasons.numerics(_records(parity, runs))
    return replace(parity, verdict=None, p_value=None, numerics=numerics) if numerics else parity


def _explained(parity: Parity, runs: Sequence[StudyRun]) -> Parity:
    """With why the scores may differ, where they do."""
    if parity.verdict != "differ":
        return parity
    return replace(parity, reasons=tuple(reasons.reasons(_records(parity, runs))))


def _records(parity: Parity, runs: Sequence[StudyRun]) -> list[tuple[str, TrialRecord]]:
    """By label; the runs that do not know the score have no part in it."""
    shown = [run for run, value in zip(runs, parity.values, strict=True) if value is not None]
    return [(run.label, record) for run in shown if (record := trial_of(run, parity.trial).record) is not None]


def _evaluated(name: str, split: str, evaluations: Sequence[ScoredSplit | None], tolerance: float) -> list[Parity]:
    scores = dict.fromkeys(key for found in evaluations if found is not None for key in found.means if is_score(key))
    made = []
    for score in scores:
        values = [None if e is None or score not in e.means else e.means[score].mean for e in evaluations]
        cases = [{} if e is None else {case.id: case.scores.get(score) for case in e.cases} for e in evaluations]
        made.append(compare(name, split, score, values, tolerance, cases))
    return made


def _evaluation(run: StudyRun, trial: str, split: str) -> ScoredSplit | None:
    return next((found for found in run.evaluations.get(trial, ()) if found.split == split), None)


def _metrics(trial: StudyTrial) -> dict[str, float]:
    """Scores of the best validation; empty unless the trial finished."""
    if trial.status != "finished" or trial.record is None:
        return {}
    values = trial.record.metrics.items()
    return {
        key: float(value)
        for key, value in values
        if is_score(key) and isinstance(value, int | float) and not isinstance(value, bool) and value == value
    }


def curve_differences(runs: Sequence[StudyRun]) -> dict[str, float]:
    found = {}
    for trial in runs[0].record.trials:
        curves = [{epoch.epoch: epoch.loss for epoch in run.curves.get(trial.name, ())} for run in runs]
        distance = largest_curve_difference(curves)
        if distance is not None:
            found[trial.name] = distance
    return found


def trial_of(run: StudyRun, name: str) -> StudyTrial:
    return next(trial for trial in run.record.trials if trial.name == name)


def best_score(run: StudyRun, name: str) -> float | None:
    """The trial's best validation score in this run."""
    record = trial_of(run, name).record
    value = None if record is None else record.metrics.get(run.record.score)
    return float(value) if isinstance(value, int | float) else None


def as_data(found: Comparison, made: str) -> dict[str, Any]:
    """The page's numbers for report.json."""
    return {
        "made": made,
        "study": found.runs[0].record.name,
        "tolerance": found.tolerance,
        "confidence": intervals.CONFIDENCE,
        "price_per_hour": found.price_per_hour,
        "runs": [_run_data(*each) for each in zip(found.runs, found.costs, found.rows, strict=True)],
        "parity": [asdict(parity) for parity in found.parities],
        "curve_differences": dict(found.curve_differences),
        "varied_options": list(found.varied),
        "disagreements": len(found.disagreements),
        "undecided": len(found.undecided),
        "not_comparable": dict(found.numerics),
    }


def _run_data(run: StudyRun, cost: Cost, rows: Sequence[Row]) -> dict[str, Any]:
    record = run.record
    return {
        "label": run.label,
        "folder": run.folder,
        "status": record.status,
        "strategy": record.strategy,
        "plan": to_dict(record.plan),
        "prediction": predicted.as_data(record),
        "cost": {**asdict(cost), "busy_share": cost.busy_share},
        "best_trial": record.best_trial,
        "score": record.score,
        "trials": [_trial_data(run, trial) for trial in record.trials],
        "lineage": to_dict(record.lineage),
        "timeline": [[asdict(segment) for segment in row] for row in rows],
        "versions": dict(record.versions),
        "host": dict(record.host),
        "problems": [asdict(problem) for problem in run.problems],
    }


def _trial_data(run: StudyRun, trial: StudyTrial) -> dict[str, Any]:
    plain: dict[str, Any] = to_dict(trial)
    del plain["spans"]  # they are in the timeline
    return {**plain, "curve": [asdict(epoch) for epoch in run.curves.get(trial.name, ())]}
