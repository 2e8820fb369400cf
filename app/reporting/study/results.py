"""Sections of a study's report on results: trials, curves, failures."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.records import StudyTrial
from app.reporting.page import formatting
from app.reporting.page.charts import Series
from app.reporting.page.markup import Column, Html, figure, join, paragraph, row, section, table, text
from app.reporting.run.run_files import Epoch
from app.reporting.study import study_charts
from app.reporting.study.agreement import MANY_ROWS
from app.reporting.study.comparison import Comparison, best_score, trial_of
from app.reporting.study.numbers import flattened
from app.reporting.study.study_files import StudyRun
from app.reporting.study.timeline import Clock, occupied_s

MAX_OPTIONS = 6
"""Columns of varied options; more are counted."""
UNIT_RANGE = (0.0, 1.0)
STATES = {"finished": "", "failed": "failed", "stopped": "stopped early", "waiting": "waiting"}


def results(found: Comparison) -> Html:
    """The best trial, and all of them with what they were, took and reached."""
    best = [(run.label, run.record.best_trial) for run in found.runs if run.record.best_trial is not None]
    parts = [paragraph(_best_sentence(found, best))] if best else []
    score = found.reference.record.score
    left_out = len(found.varied) - MAX_OPTIONS
    note = f"{formatting.plural(left_out, 'more option')} that differ are in report.json. " if left_out > 0 else ""
    note += (
        f"Time: from the trial’s start to its end, start-up included. {formatting.score_name(score)}: best validation."
    )
    return section("trials", "Trials", *parts, _trial_table(found), paragraph(note, "note"), *_lineage(found.runs))


def _best_sentence(found: Comparison, best: Sequence[tuple[str, str | None]]) -> str:
    names = list(dict.fromkeys(name for _, name in best))
    if len(names) > 1:
        listed = ", ".join(f"{name} ({label})" for label, name in best)
        return f"The strategies do not agree on the best trial: {listed}."
    run = found.reference
    name = str(names[0])
    value = formatting.number(best_score(run, name), run.record.score)
    return (
        f"The best trial by validation is {name}: {formatting.score_name(run.record.score)} {value}. "
        "The test split has no say in this."
    )


def _trial_table(found: Comparison) -> Html:
    options = list(found.varied[:MAX_OPTIONS])
    columns = [Column("Trial"), *(Column(option.rsplit(".", 1)[-1].replace("_", " "), True) for option in options)]
    for run in found.runs:
        columns.append(Column(f"Time, {run.label}", True))
    score = formatting.column_name(found.reference.record.score)
    columns.append(Column(score, True))
    experiments = found.experiments
    best = {run.record.best_trial for run in found.runs}
    rows = []
    for number, trial in enumerate(found.runs[0].record.trials, 1):
        name = text(trial.name)
        shown = Html(f"<b>{name}</b> <small>best</small>") if trial.name in best else name
        plain = _flat(experiments.get(trial.name, {}), options)
        cells: list[str | Html] = [
            Html(f'<span class="name-cell">{number}&ensp;{shown}</span>'),
            *(text(value) for value in plain),
        ]
        cells += [_time(run, trial_of(run, trial.name)) for run in found.runs]
        cells.append(formatting.number(_score_of(found, trial.name), found.reference.record.score))
        rows.append(cells)
    return table("Trials of the study", columns, rows, "tall" if len(rows) > MANY_ROWS else "")


def _lineage(runs: Sequence[StudyRun]) -> list[Html]:
    """Who took over whose network, for each run of a population."""
    columns = [Column("After epoch", True), Column("Trial"), Column("Goes on from"), Column("With")]
    tables = []
    for run in runs:
        rows = [
            [str(t.epoch), text(t.member), text(t.origin), text(_options(t.values))]  # one line a takeover
            for t in run.record.lineage
        ]
        title = "Networks taken over" + (f", {run.label}" if len(runs) > 1 else "")
        tables += [table(title, columns, rows, "tall" if len(rows) > MANY_ROWS else "")] if rows else []
    return tables


def _options(values: Mapping[str, Any]) -> str:
    named = {path.rsplit(".", 1)[-1].replace("_", " "): value for path, value in values.items()}
    return ", ".join(
        f"{name} {formatting.significant(value) if isinstance(value, float) else value}"
        for name, value in named.items()
    )


def _score_of(found: Comparison, trial: str) -> float | None:
    """In the first run that has it, the reference before the others."""
    known = [best_score(run, trial) for run in (found.reference, *found.runs)]
    return next((value for value in known if value is not None), None)


def _flat(experiment: Any, options: Sequence[str]) -> list[str]:
    values = flattened(experiment)
    return [_plain(values[option]) if option in values else formatting.MISSING for option in options]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " × ".join(_plain(inner) for inner in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _time(run: StudyRun, trial: StudyTrial) -> Html:
    state = STATES[trial.status]
    if trial.start_s is None:
        return text(state or formatting.MISSING)
    state = "under way" if trial.status == "waiting" else state
    taken = formatting.duration(occupied_s(trial, Clock(run.record.sessions)))
    return Html(f"{taken}{f'<br><small>{state}</small>' if state else ''}")


def curves(found: Comparison) -> Html:
    """Loss and score of all trials; then every trial for itself, with a line for each strategy."""
    run = found.reference
    if not run.curves:
        return Html("")
    names = [trial.name for trial in run.record.trials if trial.name in run.curves]
    best = run.record.best_trial
    chosen = names.index(best) if best in names else None
    under = f" under {run.label}" if len(found.runs) > 1 else ""
    stands_out = f"; {best} stands out" if chosen is not None and len(names) > 6 else ""
    losses = [Series(name, _points(run.curves[name])) for name in names]
    spoken = f"Training loss of {formatting.plural(len(names), 'trial')} per epoch{under}"
    figures = [
        figure(Html(study_charts.highlighted_lines(losses, chosen, "epoch", spoken)), f"Loss{under}{stands_out}")
    ]
    score = run.record.score
    scored = [Series(name, points) for name in names if (points := _points(run.curves[name], score))]
    if scored:
        which = next((index for index, one in enumerate(scored) if one.name == best), None)
        unit = all(UNIT_RANGE[0] <= y <= UNIT_RANGE[1] for one in scored for _, y in one.points)
        spoken = f"{formatting.score_name(score)} of {formatting.plural(len(scored), 'trial')} per epoch{under}"
        chart = study_charts.highlighted_lines(scored, which, "epoch", spoken, UNIT_RANGE if unit else None)
        figures.append(figure(Html(chart), f"{formatting.score_name(score)} on validation{under}{stands_out}"))
    return section(
        "curves", "Curves", row(*figures), _panels(found) if len(found.runs) > 1 or len(names) > 6 else Html("")
    )


def _points(epochs: Sequence[Epoch], score: str | None = None) -> tuple[tuple[float, float], ...]:
    """The points of the loss curve, or of a score where it was evaluated."""
    if score is None:
        return tuple((float(e.epoch), e.loss) for e in epochs)
    return tuple((float(e.epoch), e.scores[score]) for e in epochs if score in e.scores)


def _panels(found: Comparison) -> Html:
    points = [p for run in found.runs for epochs in run.curves.values() for p in _points(epochs)]
    y_range = (min(y for _, y in points), max(y for _, y in points))
    x_range = (min(x for x, _ in points), max(x for x, _ in points))
    panels = []
    for number, trial in enumerate(found.runs[0].record.trials, 1):
        series = [Series(run.label, _points(run.curves.get(trial.name, ()))) for run in found.runs]
        if any(one.points for one in series):
            ends = ", ".join(f"{one.name} {formatting.significant(one.points[-1][1])}" for one in series if one.points)
            spoken = f"Training loss of {trial.name} per epoch; last: {ends}"
            chart = study_charts.panel(series, y_range, x_range, spoken)
            panels.append(figure(Html(chart), f"{number}  {trial.name}"))
    heads = Html("<h3>Loss per epoch, trial by trial</h3>")
    key = Html(study_charts.legend([run.label for run in found.runs]))
    return join(heads, key, Html(f'<div class="panels">{"".join(panels)}</div>'))


def failures(runs: Sequence[StudyRun]) -> Html:
    """Trials that failed or were stopped early, with the reasons; nothing when there are none."""
    columns = [Column("Trial"), Column("Strategy"), Column("State"), Column("Attempts", True), Column("Reason")]
    rows = [
        [
            text(trial.name),
            text(run.label),
            text(STATES[trial.status]),
            str(trial.num_attempts),
            text(trial.failure or "not recorded"),
        ]
        for run in runs
        for trial in run.record.trials
        if trial.status in ("failed", "stopped")
    ]
    title = "Trials that did not finish"
    return section("failures", title, table("Failed and stopped trials", columns, rows)) if rows else Html("")
