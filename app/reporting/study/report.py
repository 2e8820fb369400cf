"""The report on a study under one strategy or several: a page that needs nothing beside itself, and its data."""

import os
from collections.abc import Mapping
from dataclasses import asdict, replace

from app.records import ScoreNames
from app.reporting.page import formatting
from app.reporting.page.markup import Html, paragraph
from app.reporting.page.shell import document, footer
from app.reporting.run.report import Report
from app.reporting.run.run_files import Files
from app.reporting.study import agreement, predicted, results, sections, study_charts
from app.reporting.study.comparison import Comparison, as_data, compare_runs
from app.reporting.study.heading import heading
from app.reporting.study.networks import find_networks, networks_section
from app.reporting.study.study_files import StudyRun, read_study
from app.reporting.study.style import STUDY_STYLE
from app.reporting.study.sweep import find_sweep, sweep_section

TOLERANCE = 0.01
"""Assumed: a point of Dice or accuracy in a hundred, which no paper would call a difference."""


def build_study_report(
    folders: Mapping[str, Files],
    tolerance: float = TOLERANCE,
    price_per_hour: float | None = None,
    made: str = "",
    names: ScoreNames = (),
) -> Report:
    """The report on runs of one study.

    Args:
        folders: of each run, its files by their names in it (study_files.is_wanted says which are used).
        tolerance: difference of a score between 0 and 1 that counts as none; of a loss or distance, as a share of it.
        price_per_hour: of one worker.
        made: when, as it should be shown.
        names: of scores, where the records have none.

    Raises:
        DataError: a run has no record, or one that cannot be used.
        UsageError: the runs are not of one study.
    """
    found = compare_runs([read_study(folder, files) for folder, files in folders.items()], tolerance, price_per_hour)
    found = replace(found, names=names)
    sweep = find_sweep(found)
    more = {"sweep": None if sweep is None else asdict(sweep), "networks": [asdict(p) for p in find_networks(found)]}
    return Report(page(found, made), {**as_data(found, made), **more})


def page(found: Comparison, made: str) -> str:
    """The HTML."""
    parts = [Html(study_charts.definitions()), heading(found), *warnings(found)]
    parts += [
        sections.strategies(found),
        predicted.predicted(found.runs),
        sections.where_time_went(found),
        sections.timelines(found),
        results.results(found),
        sweep_section(found),
        networks_section(found),
        agreement.parity(found),
        results.curves(found),
        results.failures(found.runs),
        sections.plans(found.runs),
        sections.software(found.runs),
    ]
    end = footer(made, "report job from the files of the study’s folders")
    return document(f"{found.runs[0].record.name} – study report", *parts, end, more_style=STUDY_STYLE)


def warnings(found: Comparison) -> list[Html]:
    """What a reader has to know before the numbers."""
    lines = agreement.not_comparable(found)
    lines += [line for run in found.runs for line in _unfinished(run)]
    lines += [line for run in found.runs for line in _mixed_devices(run)]
    machines = list(dict.fromkeys(str(run.record.host.get("name")) for run in found.runs if run.record.host))
    if len(machines) > 1:
        lines.append(
            f"These runs were on different machines ({', '.join(machines)}): their times compare machines as well as "
            "strategies."
        )
    lines += agreement.disagreements(found)
    for run in found.runs:
        lines += [
            f"{os.path.join(run.folder, p.file)} could not be used, so what it holds is not shown: {p.reason}"
            for p in run.problems
        ]
    return [paragraph(line, "problem") for line in lines]


def _mixed_devices(run: StudyRun) -> list[str]:
    """Numerics are chosen for each kind of device by itself."""
    kinds = sorted({formatting.device(trial.record.device) for trial in run.record.trials if trial.record is not None})
    if len(kinds) < 2:
        return []
    chosen = "precision and memory layout are chosen for each kind, so trials may differ by that too"
    return [f"{run.label}: trials ran on {len(kinds)} kinds of device ({', '.join(kinds)}); {chosen}."]


def _unfinished(run: StudyRun) -> list[str]:
    record = run.record
    if record.status == "finished":
        return []
    counts: dict[str, int] = {}
    for trial in record.trials:
        state = "under way" if trial.status == "waiting" and trial.start_s is not None else trial.status
        counts[state] = counts.get(state, 0) + 1
    listed = ", ".join(f"{count} {state}" for state, count in counts.items())
    if record.status == "running":
        done = (
            f"{run.label}: still running, or cut short: {listed} of {formatting.plural(len(record.trials), 'trial')}."
        )
        return [f"{done} Its figures are of what was done until then; run the same command to resume."]
    return [f"{run.label}: ended with failed trials: {listed} of {formatting.plural(len(record.trials), 'trial')}."]
