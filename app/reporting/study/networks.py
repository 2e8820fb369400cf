"""A study whose trials differ in their network: score against its parameters and against the speed of its training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.records import TrialRecord
from app.reporting.page import charts, formatting
from app.reporting.page.charts import Axis, rule, svg, text_at, ticks
from app.reporting.page.markup import Column, Html, figure, paragraph, section, table
from app.reporting.study.comparison import Comparison, best_score, trial_of
from app.reporting.study.numbers import flattened
from app.reporting.study.paired_scores import (
    COLUMNS,
    INTERVAL_NOTE,
    PairedScore,
    common_split,
    paired_scores,
    that_differ,
)
from app.reporting.study.sweep import MIN_VALUES

OPTIONS = ("task.model", "task.network")
WIDTH, HEIGHT, PANEL_WIDTH, LEFT, TOP, BOTTOM = 960, 300, 460, 56, 30, 44


@dataclass(frozen=True)
class Mark:
    """A published score, which ours can be seen beside."""

    store: str
    """The data that it was reached on, as recipes name it."""
    score: str
    value: float
    source: str


PUBLISHED = (
    Mark("rvl-cdip", "accuracy", 0.9231, "Ferrando et al. 2020, EfficientNet"),
    Mark("rvl-cdip", "accuracy", 0.9417, "DocXClassifier, image only"),
)
"""The parameters of the first are not said."""


@dataclass(frozen=True)
class NetworkPoint(PairedScore):
    """One network, of the first run."""

    trial: str
    network: str
    num_parameters: int
    samples_per_s: float | None
    memory_bytes: int
    """0: not known."""


def find_networks(found: Comparison) -> tuple[NetworkPoint, ...]:
    """Parameters rising; none where something else than the network varies, or fewer than three are finished."""
    if len(found.varied) != 1 or found.varied[0] not in OPTIONS:
        return ()
    run, score = found.runs[0], found.reference.record.score
    records = {name: trial_of(run, name).record for name in found.experiments}
    done = {
        name: record for name, record in records.items() if record is not None and best_score(run, name) is not None
    }
    if len(done) < MIN_VALUES:
        return ()
    names = sorted(done, key=lambda name: done[name].num_parameters)
    paired = paired_scores(run, names, score, common_split([run], names, score))
    network_of = {name: str(flattened(found.experiments[name]).get(found.varied[0])) for name in names}
    return tuple(_point(name, network_of[name], done[name], one) for name, one in paired.items())


def _point(name: str, network: str, record: TrialRecord, score: PairedScore) -> NetworkPoint:
    return NetworkPoint(
        name, network, record.num_parameters, record.samples_per_s, record.memory_bytes, **vars(score)
    )  # fmt: skip


def networks_section(found: Comparison) -> Html:
    """Nothing where networks are not what is compared."""
    points = find_networks(found)
    if not points:
        return Html("")
    score = found.reference.record.score
    name = found.scores.name(score)
    stores = {str(experiment.get("store")) for experiment in found.experiments.values()}
    marks = [mark for mark in PUBLISHED if mark.store in stores and mark.score == score]
    columns = [Column("Network"), Column("Parameters", True), Column("Samples/s", True), Column("Memory", True)]
    columns += [Column(found.scores.column(score), True), *COLUMNS]
    rows: list[list[str | Html]] = [
        [
            f"{number}\u2002{point.network}",
            f"{point.num_parameters / 1e6:.2f} M",
            formatting.MISSING if point.samples_per_s is None else f"{point.samples_per_s:.3g}",
            formatting.size(point.memory_bytes) if point.memory_bytes else formatting.MISSING,
            found.scores.number(point.score, score),
            *point.cells(),
        ]
        for number, point in enumerate(points, 1)
    ]
    caption = f"{name} against parameters and against the rate of training; numbers as in the table"
    return section(
        "networks",
        "The networks",
        figure(Html(networks_chart(points, marks, name)), caption),
        table("Score, size and speed of the networks", columns, rows),
        paragraph(verdict(points), "note"),
        paragraph("Memory: the most that worker 0 held, of its GPU or, on a CPU, with all of its process.", "note"),
        *[paragraph(f"Published: {mark.value:.4f} ({mark.source}).", "note") for mark in marks],
    )


def verdict(points: Sequence[NetworkPoint]) -> str:
    """What can be told of heavier networks against the lightest."""
    tested = that_differ(points)
    if tested is None:
        return "Intervals are shown where every trial was evaluated (jobs/evaluate.py)."
    told_apart, how = tested
    found: dict[bool, list[str]] = {True: [], False: []}
    for point in told_apart:
        if point.difference is not None:
            found[point.difference > 0].append(point.network)
    lightest = points[0].network
    told = [
        f"{', '.join(networks)} {'scores' if len(networks) == 1 else 'score'} {'better' if better else 'worse'} than "
        f"{lightest}, the lightest"
        for better, networks in found.items()
        if networks
    ] or [f"No network’s score can be told from that of {lightest}, the lightest; they may differ all the same"]
    return f"{'; '.join(told)} ({how}). Difference: case by case from {lightest}, {INTERVAL_NOTE}."


def networks_chart(points: Sequence[NetworkPoint], marks: Sequence[Mark], title: str) -> str:
    """Two panels with the score upwards: against parameters, and against samples a second, both on scales of powers."""
    values = [v for p in points for v in (p.score, p.low, p.high) if v is not None] + [mark.value for mark in marks]
    y_ticks = ticks(min(values), max(values))
    numbered = [*enumerate(points, 1)]
    sizes = [(p.num_parameters / 1e6, number, p) for number, p in numbered]
    rates = [(p.samples_per_s, number, p) for number, p in numbered if p.samples_per_s]
    parts = _panel(0.0, f"{title} by million parameters", sizes, y_ticks, marks)
    if rates:
        parts += _panel(WIDTH - PANEL_WIDTH, f"{title} by samples a second in training", rates, y_ticks, marks)
    return svg(WIDTH, HEIGHT, title, "".join(parts))


def _panel(
    shift: float,
    title: str,
    places: Sequence[tuple[float, int, NetworkPoint]],
    y_ticks: list[float],
    marks: Sequence[Mark],
) -> list[str]:
    left, right, bottom = shift + LEFT, shift + PANEL_WIDTH - 20, HEIGHT - BOTTOM
    low, high = math.log(min(x for x, *_ in places)), math.log(max(x for x, *_ in places))

    def x_at(x: float) -> float:
        return left + 20 + (right - left - 50) * ((math.log(x) - low) / (high - low) if high > low else 0.5)

    def y_at(y: float) -> float:
        return bottom - (bottom - TOP) * (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    parts = [text_at("strategy", left, TOP - 14, title), charts.y_axis(y_ticks, y_at, left, right)]
    parts.append(rule("axis", left, bottom, right, bottom))
    for mark in marks:
        parts += [rule("border", left, y_at(mark.value), right, y_at(mark.value))]
    for x in round_values(math.exp(low), math.exp(high)):
        parts.append(rule("axis", x_at(x), bottom, x_at(x), bottom + 4))
        parts.append(text_at("tick middle", x_at(x), bottom + 17, f"{x:.3g}"))
    for x, number, point in places:
        parts += _dot(x_at(x), y_at, number, point)
    return parts


def round_values(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, 20, ... between the two; where fewer than two are, the ends themselves."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    within = [value for value in found if low <= value * (1 + 1e-9) and value <= high * (1 + 1e-9)]
    return within if len(within) > 1 else sorted({low, high})


def _dot(x: float, y_at: Axis, number: int, point: NetworkPoint) -> list[str]:
    if point.score is None:
        return []
    y = y_at(point.score)
    parts = [f'<circle class="dot c1" cx="{x:.1f}" cy="{y:.1f}" r="4"/>', text_at("label", x + 7, y - 5, str(number))]
    if point.low is not None and point.high is not None:
        parts.insert(0, rule("interval", x, y_at(point.low), x, y_at(point.high)))
    return parts
