"""The sections of a report on one training, each from the part of the run that it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.records import Timings, TrialRecord
from app.reporting.page import charts, formatting
from app.reporting.page.markup import (
    Column,
    Html,
    facts,
    figure,
    image,
    join,
    paragraph,
    row,
    section,
    swatch,
    table,
    text,
)
from app.reporting.page.scores import ScoreTexts
from app.reporting.run.run_files import Case, Epoch, Picture, ScoredSplit
from app.run_folder.contents import Mean

MANY_CASES = 25
"""More rows scroll in a box of their own on a screen; on paper all of them are shown."""
UNIT_RANGE = (0.0, 1.0)
SEEN = {
    "train": "that training learned from",
    "validation": "that training did not learn from, though they chose the weights that are kept",
}
"""What a split's cases were to the training; those of any other it did not see."""


def learning(epochs: Sequence[Epoch], best_epoch: int | None, names: ScoreTexts) -> Html:
    """Curves of the loss and of every score that lies between 0 and 1; final values in a table."""
    last = epochs[-1]
    losses = charts.Series("loss", tuple((float(e.epoch), e.loss) for e in epochs))
    text_of_loss = (
        f"Training loss per epoch, from {formatting.significant(epochs[0].loss)} to {formatting.significant(last.loss)}"
    )
    figures = [figure(Html(charts.line_chart([losses], "epoch", text_of_loss)), "Training loss")]
    scores = _score_series(epochs, names)
    if scores:
        ends = ", ".join(f"{one.name} {formatting.number(one.points[-1][1])}" for one in scores)
        all_epochs = (float(epochs[0].epoch), float(last.epoch))
        spoken = f"Validation scores per epoch; last: {ends}"
        chart = charts.line_chart(scores, "epoch", spoken, UNIT_RANGE, best_epoch, all_epochs)
        mark = "; the dotted line marks the epoch whose weights are kept" if best_epoch else ""
        figures.append(figure(Html(chart), f"Validation scores{mark}"))
    return section("learning", "Learning", row(*figures), _epoch_table(epochs, best_epoch, names))


def _score_series(epochs: Sequence[Epoch], scores: ScoreTexts) -> list[charts.Series]:
    names = scores.main_first(dict.fromkeys(name for e in epochs for name in e.scores))
    points = {n: tuple((float(e.epoch), e.scores[n]) for e in epochs if n in e.scores) for n in names}
    shown = [n for n in names if all(UNIT_RANGE[0] <= value <= UNIT_RANGE[1] for _, value in points[n])]
    return [charts.Series(scores.short(n), points[n]) for n in shown]


def _epoch_table(epochs: Sequence[Epoch], best_epoch: int | None, scores: ScoreTexts) -> Html:
    """First, best and last evaluated epochs: what the curve ends in, in numbers."""
    evaluated = [e for e in epochs if e.scores]
    if not evaluated:
        return Html("")
    kept = {evaluated[0].epoch: "first", evaluated[-1].epoch: "last"}
    if best_epoch is not None:
        kept[best_epoch] = "best, kept"
    shown = [e for e in evaluated if e.epoch in kept]
    names = scores.main_first(dict.fromkeys(name for e in shown for name in e.scores))
    columns = [
        Column("Epoch"),
        Column(""),
        Column("Loss", True),
        *(Column(scores.column(n), True) for n in names),
    ]
    rows = [
        [
            str(e.epoch),
            text(kept[e.epoch]),
            formatting.number(e.loss),
            *(scores.number(e.scores.get(n), n) for n in names),
            formatting.duration(e.elapsed_s),
        ]
        for e in shown
    ]
    return table("Scores on the validation split", [*columns, Column("After", True)], rows)


def evaluation(found: ScoredSplit, scores: ScoreTexts) -> Html:
    """Means with intervals, every case as a dot and as a row."""
    title = f"Results on the {formatting.split_name(found.split)} split"
    names = [*found.means, *(name for case in found.cases for name in case.scores)]
    explained = scores.explain(names)
    seen = SEEN.get(found.split, "that training did not see")
    parts = [paragraph(f"{formatting.plural(_num_cases(found), 'case')} {seen}. {explained}")]
    plot = _case_plot(found, scores)
    if found.means:
        means = _mean_table(found, scores)
        parts.append(row(plot, means) if plot else means)
    if found.conventions:
        parts.append(paragraph(f"How cases are counted: {'; '.join(found.conventions)}.", "note"))
    if found.cases:
        parts.append(_case_table(found.cases, found.split, scores))
    return section(f"results-{found.split}", title, *parts)


def _num_cases(found: ScoredSplit) -> int:
    return len(found.cases) or max((mean.num_cases or 0 for mean in found.means.values()), default=0)


def _mean_table(found: ScoredSplit, scores: ScoreTexts) -> Html:
    columns = [Column("Score"), Column("Mean", True), Column("95 % interval", True), Column("Cases", True)]
    rows = [
        [
            text(scores.name(name)),
            scores.number(mean.mean, name),
            interval_text(mean, name, scores),
            formatting.MISSING if mean.num_cases is None else str(mean.num_cases),
        ]
        for name, mean in ((name, found.means[name]) for name in scores.main_first(found.means))
    ]
    method = paragraph(f"Intervals: {found.interval}.", "note") if found.interval else Html("")
    return join(Html("<div>"), table("Means over the cases", columns, rows), method, Html("</div>"))


def interval_text(mean: Mean, name: str, scores: ScoreTexts) -> str:
    """`0.71 to 0.84`."""
    if mean.low is None or mean.high is None:
        return formatting.MISSING
    return f"{scores.number(mean.low, name)} to {scores.number(mean.high, name)}"


def _case_plot(found: ScoredSplit, scores: ScoreTexts) -> Html | None:
    names = scores.by_part(found.means)
    values = {n: tuple(v for case in found.cases if (v := case.scores.get(n)) is not None) for n in names}
    columns = [
        charts.Column(scores.short(n), values[n], found.means[n].mean, found.means[n].low, found.means[n].high)
        for n in names
        if values[n] and all(0 <= v <= 1 for v in values[n])
    ]
    if not columns:
        return None
    means = ", ".join(f"{c.name} {formatting.number(c.mean)}" for c in columns)
    title = scores.title(names[0])
    chart = charts.strip_plot(columns, UNIT_RANGE, f"{title} of each case by part; means: {means}")
    return figure(Html(chart), f"{title} of each case (dots), mean and its interval (bars)")


def _case_table(cases: Sequence[Case], split: str, scores: ScoreTexts) -> Html:
    names = scores.main_first(dict.fromkeys(name for case in cases for name in case.scores))
    columns = [Column("Case"), *(Column(scores.column(n), True) for n in names)]
    rows = [[text(case.id), *(scores.number(case.scores.get(n), n) for n in names)] for case in cases]
    caption = f"Every case of the {formatting.split_name(split)} split"
    regions = scores.explain_parts(names)
    explained = paragraph(f"{regions}.", "note") if regions else Html("")
    return join(table(caption, columns, rows, "tall" if len(cases) > MANY_CASES else ""), explained)


def pictures(found: Sequence[Picture], num_left_out: int) -> Html:
    """Overlays that the predict job drew."""
    shown = [
        figure(
            image(p.content, p.width, p.height, f"Slices of {p.name} in three planes, predicted regions outlined"),
            p.name,
        )
        for p in found
    ]
    note = f"{formatting.plural(num_left_out, 'more picture')} in the folder of predictions." if num_left_out else ""
    return section("predictions", "Predictions", *shown, paragraph(note, "note") if note else Html(""))


def timings(record: TrialRecord) -> Html:
    """Where the time went: one bar, the same numbers as a table, rates, and what binds in words."""
    times = record.timings
    phases = [(number, name, seconds) for number, name, _, seconds in formatting.phases(times)]
    binding = paragraph(formatting.binding_limit(record.binding_limit, times))
    if times.total_s <= 0:
        return section("timings", "Time", binding)
    spoken = ", ".join(f"{name} {formatting.duration(seconds)}" for _, name, seconds in phases)
    caption = f"{formatting.duration(times.total_s)} of wall time on worker 0, by phase; numbers as in the table"
    bar = figure(Html(charts.stacked_bar(phases, f"Wall time by phase: {spoken}")), caption, "wide")
    return section("timings", "Time", binding, bar, row(_phase_table(times), _rates(record)))


def _phase_table(times: Timings) -> Html:
    columns = [Column("Phase"), Column("Time", True), Column("Share", True)]
    rows: list[list[str | Html]] = []
    for number, name, meaning, seconds in formatting.phases(times):
        label = Html(f"{swatch(number)}{text(name)}<br><small>{text(meaning)}</small>")
        rows.append([label, formatting.duration(seconds), formatting.percent(seconds / times.total_s)])
    rows.append([Html("<b>All</b>"), formatting.duration(times.total_s), formatting.percent(1.0)])
    return table("Time by phase", columns, rows)


def _rates(record: TrialRecord) -> Html:
    times = record.timings
    known = {
        "Samples per second": formatting.significant(record.samples_per_s),
        "… per worker": formatting.significant(record.samples_per_s_per_worker),
        "Share of time waiting for data": formatting.percent(record.waiting_share),
        "Steps measured": f"{times.num_timed_steps:,}, after {times.num_warmup_steps} of warm-up",
        "Restarts": str(record.num_restarts),
    }
    if record.earlier_num_workers:
        known["Workers"] = ", then ".join(map(str, (*record.earlier_num_workers, record.num_workers)))
    if record.predicted_s is not None:
        known["Planned time"] = formatting.duration(record.predicted_s)
    note = "Rates cover the steps after the warm-up, waiting for data included; evaluation is not in them."
    note += " They are of the last attempt." if record.num_restarts or record.earlier_num_workers else ""
    return join(Html("<div>"), facts("Rates", known), paragraph(note, "note"), Html("</div>"))


def what_was_run(
    config: Mapping[str, Any], record: TrialRecord | None, counts: Mapping[str, int], store: Mapping[str, Any]
) -> Html:
    """The experiment, its data and how it was computed."""
    setting = {
        key: _plain(config[key]) for key in ("workload", "seed", "epochs", "batch_size", "batch_rule") if key in config
    }
    for group in ("optimizer", "schedule"):
        if isinstance(config.get(group), Mapping):
            setting[group] = _plain(config[group])
    parts = [facts("Experiment", setting)]
    if isinstance(config.get("task"), Mapping) and config["task"]:
        parts.append(facts("Task", {key: _plain(value) for key, value in config["task"].items()}))
    if record is not None:
        parts.append(facts("Computing", _computing(record)))
    if counts:
        named = {formatting.split_name(split): f"{num:,}" for split, num in counts.items()}
        parts.append(facts("Cases in the prepared store", named))
    if store:
        parts.append(facts("How the store was made", {name: _plain(value) for name, value in store.items()}))
    return section("run", "What was run", row(*parts))


def _computing(record: TrialRecord) -> dict[str, str]:
    layout = "channels last" if record.numerics.get("channels_last") else "default layout"
    chosen = f"{record.numerics.get('precision', '?')}, {layout}"
    measured = record.numerics.get("measured_s") or {}
    if isinstance(measured, Mapping) and measured:
        steps = ", ".join(f"{label} {seconds:.3f} s" for label, seconds in measured.items())
        chosen += f": the fastest of those measured before the first step ({steps})"
    return {
        "Workers": f"{record.num_workers} ({'Ray' if record.launcher == 'ray' else 'one process, without Ray'})",
        "Device": formatting.device(record.device),
        "Numerics": chosen,
        "Parameters": f"{record.num_parameters:,}",
        "Steps": f"{record.num_steps:,} of {formatting.plural(record.global_batch_size, 'sample')} each",
        "Store": record.store,
    }


def software(record: TrialRecord) -> Html:
    """Versions and host."""
    host = {key: _plain(value) for key, value in record.host.items() if key != "memory_bytes"}
    if isinstance(record.host.get("memory_bytes"), int):
        host["memory"] = formatting.size(record.host["memory_bytes"])
    tables = [facts("Versions", record.versions)] if record.versions else []
    return section("software", "Software and machine", row(*tables, *([facts("Machine", host)] if host else [])))


def _plain(value: Any) -> str:
    """A configuration's value as a person writes it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " × ".join(_plain(inner) for inner in value)
    if value is None:
        return "none"
    return (
        {True: "yes", False: "no"}[value]
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
