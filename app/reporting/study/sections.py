"""Sections of a study's report on time: strategies, where the time went, who did what when, plans, machines."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.reporting.page import formatting
from app.reporting.page.markup import Column, Html, facts, figure, join, paragraph, row, section, table, text
from app.reporting.study import study_charts
from app.reporting.study.comparison import Comparison
from app.reporting.study.heading import workers
from app.reporting.study.numbers import Cost, is_complete
from app.reporting.study.study_files import StudyRun
from app.reporting.study.timeline import KINDS, Clock

NAMES: Mapping[str, tuple[str, str]] = {
    "startup": ("Start-up", "Processes, imports, network, choice of numerics, resuming"),
    "waiting": ("Waiting for data", "For the first batch and every later one"),
    "compute": ("Training steps", "Forward, backward, exchange of gradients, update"),
    "evaluation": ("Evaluation", "Validation during the training"),
    "checkpoint": ("Checkpoints", "Writing the state to disk"),
    "other": ("Other", "Logging, ending, and what no other phase names"),
    "idle": ("Idle", "The worker has no trial"),
}
"""The kinds of time: name and meaning."""


def strategies(found: Comparison) -> Html:
    """What each strategy took, as a table."""
    kinds = {cost.worker_kind for cost in found.costs}
    hours = f"{kinds.pop()}-hours" if len(kinds) == 1 else "Worker-hours"
    titles = ["Workers", "Workers a trial", "Trials", "Makespan", "Speed-up", "Efficiency", "Busy", hours]
    columns = [Column("Strategy"), *(Column(title, True) for title in titles)]
    columns += [Column("Price", True)] if found.price_per_hour is not None else []
    rows = [_strategy(run, cost) for run, cost in zip(found.runs, found.costs, strict=True)]
    notes = [
        "Makespan: from the start of the command to its end, pauses between two starts left out.",
        _speed_up_note(found),
        f"{hours}: all workers for the whole makespan, idle or not.",
    ]
    if found.price_per_hour is not None:
        notes.append(f"Price: at {formatting.significant(found.price_per_hour)} an hour and worker, as given.")
    return section(
        "strategies", "Strategies", table("Runs of this study", columns, rows), paragraph(" ".join(notes), "note")
    )


def _strategy(run: StudyRun, cost: Cost) -> list[str | Html]:
    record = run.record
    num_done = sum(trial.status == "finished" for trial in record.trials)
    each = sorted({trial.workers_per_trial for trial in record.trials})
    state = "" if is_complete(record) else f"<br><small>{record.status}</small>"
    cells: list[str | Html] = [
        Html(f"{text(run.label)}{state}"),
        text(f"{cost.num_workers} {cost.worker_kind}"),
        ", ".join(str(k) for k in each),
        f"{num_done} of {len(record.trials)}",
        formatting.duration(cost.makespan_s),
        formatting.significant(cost.speed_up),
        formatting.percent(cost.efficiency),
        formatting.percent(cost.busy_share),
        formatting.significant(cost.worker_hours),
    ]
    return cells if cost.price is None else [*cells, formatting.significant(cost.price)]


def _speed_up_note(found: Comparison) -> str:
    known = next((cost.one_worker_s for cost in found.costs if cost.one_worker_s is not None), None)
    missing = any(cost.speed_up is None for cost in found.costs)
    note = "Busy: share of the workers’ time in which they had a trial, alone or slowed down by each other."
    if known is not None:
        note += (
            " Speed-up: the makespan on one worker without neighbours by this one; efficiency: speed-up by workers. "
            f"One worker took {formatting.duration(known)}."
        )
    if missing:
        note += (
            f" {formatting.MISSING}: not known, because not every trial finished there, or no run of the whole study "
            "on one worker (--workers 1) is among these."
        )
    return note


def where_time_went(found: Comparison) -> Html:
    """All workers' time of each strategy as one bar on a common scale; the same in numbers."""
    bars = [
        study_charts.Bar(
            f"{run.label}: {formatting.duration(cost.makespan_s)} on {workers(cost)}", [cost.worker_s[k] for k in KINDS]
        )
        for run, cost in zip(found.runs, found.costs, strict=True)
    ]
    spoken = "; ".join(
        f"{run.label} " + ", ".join(f"{NAMES[k][0]} {formatting.duration(cost.worker_s[k])}" for k in KINDS)
        for run, cost in zip(found.runs, found.costs, strict=True)
    )
    chart = figure(
        Html(study_charts.stacked_bars(bars, f"Worker time by kind: {spoken}")),
        "Time of all workers by strategy; numbers as in the table",
        "wide",
    )
    note = "A worker’s time counts once for each second of the makespan, so a bar is workers × makespan long."
    return section("time", "Where the time went", chart, _kind_table(found), paragraph(note, "note"))


def _kind_table(found: Comparison) -> Html:
    columns = [Column("Worker time"), *(Column(run.label, True) for run in found.runs)]
    rows: list[list[str | Html]] = []
    for number, kind in enumerate(KINDS, 1):
        name, meaning = NAMES[kind]
        label = Html(f"{study_charts.swatch(number)}{text(name)}<br><small>{text(meaning)}</small>")
        rows.append([label, *(_amount(cost, cost.worker_s[kind]) for cost in found.costs)])
        if kind == "compute" and any(cost.synchronising_s for cost in found.costs):
            meaning = (
                "Exchange with a trial’s other workers beyond what was computed meanwhile, waiting for them included"
            )
            label = Html(f"of these, synchronising<br><small>{text(meaning)}</small>")
            rows.append([label, *(_amount(cost, cost.synchronising_s) for cost in found.costs)])
    sums = [sum(cost.worker_s.values()) for cost in found.costs]
    rows.append([Html("<b>All</b>"), *(formatting.duration(total) for total in sums)])
    return table("Worker time by kind", columns, rows)


def _amount(cost: Cost, seconds: float) -> Html:
    share = seconds / sum(cost.worker_s.values())
    return Html(f"{formatting.duration(seconds)}<br><small>{formatting.percent(share)}</small>")


def timelines(found: Comparison) -> Html:
    """Which worker did what when, under each strategy on the same scale."""
    total_s = max(cost.makespan_s for cost in found.costs)
    kinds = "".join(f"<span>{study_charts.swatch(n)}{text(NAMES[k][0])}</span> " for n, k in enumerate(KINDS, 1))
    parts = [
        paragraph(
            "One row a worker. A framed block is a trial, with its number in the table of trials; its colours and "
            "patterns say what worker 0 of the trial did. The scale is the same for all strategies."
        ),
        Html(f'<p class="legend">{kinds}</p>'),
    ]
    for run, rows, cost in zip(found.runs, found.rows, found.costs, strict=True):
        spoken = (
            f"Timeline of {workers(cost)} under {run.label}: {formatting.duration(cost.makespan_s)}, "
            f"{formatting.percent(cost.busy_share)} busy"
        )
        chart = study_charts.timeline(rows, run.record.trials, total_s, borders(run), spoken)
        parts.append(figure(Html(chart), f"{run.label}, {formatting.duration(cost.makespan_s)}", "wide"))
    return section("timeline", "Who did what when", *parts)


def borders(run: StudyRun) -> list[tuple[float, str]]:
    """Where the second and later stages begin, and where the command was started again."""
    clock = Clock(run.record.sessions)
    starts: dict[int, float] = {}
    for trial in run.record.trials:
        if trial.start_s is not None:
            at = clock.place(trial.start_s)
            starts[trial.stage] = min(at, starts.get(trial.stage, at))
    found = [(at, f"stage {stage + 1}") for stage, at in sorted(starts.items()) if stage != min(starts)]
    return found + [(at, "started again") for at in clock.restarts_s]


def plans(runs: Sequence[StudyRun]) -> Html:
    """The reasons that the plans give; nothing when they give none."""
    parts = []
    for run in runs:
        reasons = run.record.plan.get("reasons") or ()
        if reasons:
            items = "".join(f"<li>{text(str(reason))}</li>" for reason in reasons)
            parts.append(join(Html(f"<h3>{text(run.label)}</h3>"), Html(f"<ul>{items}</ul>")))
    return section("plans", "Why these plans", *parts) if parts else Html("")


def software(runs: Sequence[StudyRun]) -> Html:
    """Versions and machines; one table for runs that have them in common."""
    groups: dict[str, list[StudyRun]] = {}
    for run in runs:
        groups.setdefault(repr((dict(run.record.versions), _machine(run))), []).append(run)
    parts = []
    for group in groups.values():
        label = ", ".join(run.label for run in group) if len(groups) > 1 else ""
        parts += [
            facts(f"{name}{f': {label}' if label else ''}", values)
            for name, values in (("Versions", group[0].record.versions), ("Machine", _machine(group[0])))
            if values
        ]
    return section("software", "Software and machine", row(*parts)) if parts else Html("")


def _machine(run: StudyRun) -> dict[str, str]:
    host: Mapping[str, Any] = run.record.host
    shown = {key: str(value) for key, value in host.items() if key != "memory_bytes"}
    if isinstance(host.get("memory_bytes"), int):
        shown["memory"] = formatting.size(host["memory_bytes"])
    devices = dict.fromkeys(formatting.device(t.record.device) for t in run.record.trials if t.record is not None)
    return shown | ({"device": ", ".join(devices)} if devices else {})
