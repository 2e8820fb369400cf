"""Three runs of a study whose numbers are known, and their page."""

import dataclasses

from made_study import study, study_files
from page_reader import Page

from app.records import StudyRecord
from app.reporting.run.report import Report
from app.reporting.study.report import build_study_report

Folders = dict[str, dict[str, bytes]]


def folders() -> Folders:
    """The same eight trials on four workers under three strategies."""
    return {
        "/runs/a": study_files(study("experiment-parallel", 1)),
        "/runs/b": study_files(study("hybrid:2", 2), noise=1e-6),
        "/runs/c": study_files(study("data-parallel", 4), noise=2e-6),
    }


def report_of(given: Folders, **options: float) -> tuple[Page, Report]:
    report = build_study_report(given, made="on 23 November 2026", **options)
    return Page(report.html), report


def changed(made: StudyRecord, number: int, **changes: object) -> StudyRecord:
    trials = list(made.trials)
    trials[number] = dataclasses.replace(trials[number], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(made, trials=tuple(trials))


def with_record(made: StudyRecord, number: int, **changes: object) -> StudyRecord:
    record = made.trials[number].record
    assert record is not None
    return changed(made, number, record=dataclasses.replace(record, **changes))  # type: ignore[arg-type]
