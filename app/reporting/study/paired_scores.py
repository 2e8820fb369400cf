"""Scores of a study's trials, each held against the first of them case by case."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from app.intervals import CONFIDENCE, MAX_ERROR, holm, mean_interval, p_value
from app.reporting.page import formatting
from app.reporting.page.markup import Column, Html
from app.reporting.run.run_files import ScoredSplit
from app.reporting.study.comparison import best_score
from app.reporting.study.parity import paired_differences
from app.reporting.study.study_files import StudyRun

COLUMNS = (Column("Interval", True), Column("Difference", True), Column("Its interval", True))


@dataclass(frozen=True, kw_only=True)
class PairedScore:
    """One trial's score, and where every trial was evaluated how far it is from the first's."""

    score: float | None = None
    low: float | None = None
    high: float | None = None
    """Ends of the mean's interval, where the trial was evaluated."""
    difference: float | None = None
    """From the first trial, over the cases that both were evaluated on."""
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None
    """P value of no difference, of this comparison alone."""

    @property
    def interval(self) -> str:
        return _interval(self.low, self.high)

    def cells(self) -> list[str | Html]:
        """One for each of COLUMNS."""
        difference = formatting.MISSING if self.difference is None else f"{self.difference:+.4f}"
        return [self.interval, difference, _interval(self.difference_low, self.difference_high)]


def common_split(runs: Sequence[StudyRun], names: Sequence[str], score: str) -> str | None:
    """A split on which every trial of every run was evaluated."""
    of_each = [
        {evaluation.split for evaluation in run.evaluations.get(name, ()) if score in evaluation.means}
        for run in runs
        for name in names
    ]
    return min(set.intersection(*of_each), default=None)


def paired_scores(run: StudyRun, names: Sequence[str], score: str, split: str | None) -> dict[str, PairedScore]:
    """By trial; those of the best validation where not every trial was evaluated on `split`."""
    evaluated = {name: _evaluation(run, name, split) for name in names}
    first = evaluated[names[0]]
    found = {}
    for name, evaluation in evaluated.items():
        if evaluation is None or first is None:
            found[name] = PairedScore(score=best_score(run, name))
            continue
        mean = evaluation.means[score]
        paired = paired_differences(_cases(first, score), _cases(evaluation, score)) if name != names[0] else []
        low, high, p = (*mean_interval(paired), p_value(paired)) if len(paired) > 1 else (None, None, None)
        found[name] = PairedScore(
            score=mean.mean,
            low=mean.low,
            high=mean.high,
            difference=fmean(paired) if paired else None,
            difference_low=low,
            difference_high=high,
            p_value=p,
        )
    return found


Score = TypeVar("Score", bound=PairedScore)


def that_differ(scores: Sequence[Score]) -> tuple[list[Score], str] | None:
    """Those that can be told from the first, over all comparisons by Holm, and how it was tested, in words; None:
    nothing was."""
    tested = [one for one in scores if one.p_value is not None]
    if not tested:
        return None
    adjusted = zip(tested, holm([one.p_value for one in tested if one.p_value is not None]), strict=True)
    how = f"paired t tests, an error of at most {100 * MAX_ERROR:.0f} % over all {len(tested)} by Holm"
    return [one for one, p in adjusted if p <= MAX_ERROR], how


INTERVAL_NOTE = f"with the {100 * CONFIDENCE:g} % interval of its mean alone (Student’s t)"


def _evaluation(run: StudyRun, trial: str, split: str | None) -> ScoredSplit | None:
    return next((one for one in run.evaluations.get(trial, ()) if one.split == split), None)


def _cases(evaluation: ScoredSplit, score: str) -> dict[str, float | None]:
    return {case.id: case.scores.get(score) for case in evaluation.cases}


def _interval(low: float | None, high: float | None) -> str:
    return formatting.MISSING if low is None or high is None else f"{low:.4f} to {high:.4f}"
