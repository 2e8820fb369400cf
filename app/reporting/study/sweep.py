"""A study that varies one number, such as the batch size: score and time against it, in one figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.reporting.page import charts, formatting
from app.reporting.page.charts import Axis, rule, svg, text_at, ticks
from app.reporting.page.markup import Column, Html, figure, paragraph, section, table
from app.reporting.page.scores import ScoreTexts
from app.reporting.study.comparison import Comparison, trial_of
from app.reporting.study.numbers import flattened
from app.reporting.study.paired_scores import (
    COLUMNS,
    INTERVAL_NOTE,
    PairedScore,
    common_split,
    paired_scores,
    that_differ,
)
from app.reporting.study.study_charts import dashes, legend
from app.reporting.study.study_files import StudyRun

MIN_VALUES = 3
"""Two values are seen at once in the table of trials."""
WIDTH, HEIGHT = 960, 270
PANEL_WIDTH, LEFT, TOP, BOTTOM = 440, 56, 30, 44
BOTTOM_LINE = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Point(PairedScore):
    """One trial under one strategy."""

    trial: str
    value: float
    """Value of the option that is varied."""
    trained_s: float | None = None
    """The training without its start-up."""


@dataclass(frozen=True)
class Sweep:
    """The trials by the value of the only option in which they differ."""

    option: str
    score: str
    split: str | None
    """Split of an evaluation that every trial has; None: the scores are those of the best validation."""
    points: tuple[tuple[Point, ...], ...]
    """The points of each run, values rising."""


def find_sweep(found: Comparison) -> Sweep | None:
    """None where the study varies something else than one number, or is not finished."""
    if len(found.varied) != 1:
        return None
    option = found.varied[0]
    values = {name: flattened(experiment).get(option) for name, experiment in found.experiments.items()}
    numbers = {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if len(numbers) < len(values) or len(set(numbers.values())) < max(MIN_VALUES, len(numbers)):
        return None
    names = sorted(numbers, key=lambda name: numbers[name])
    score = found.reference.record.score
    split = common_split(found.runs, names, score)
    points = tuple(tuple(_points(run, names, numbers, score, split)) for run in found.runs)
    if not any(point.score is not None for run_points in points for point in run_points):
        return None
    return Sweep(option, score, split, points)


def _points(
    run: StudyRun, names: Sequence[str], numbers: dict[str, float], score: str, split: str | None
) -> list[Point]:
    points = []
    for name, paired in paired_scores(run, names, score, split).items():
        record = trial_of(run, name).record
        trained_s = None if record is None else record.timings.total_s - record.timings.startup_s
        points.append(Point(name, numbers[name], trained_s, **vars(paired)))
    return points


def sweep_section(found: Comparison) -> Html:
    """Nothing for a study that is not a sweep."""
    sweep = find_sweep(found)
    if sweep is None:
        return Html("")
    option, name = option_name(sweep.option), found.scores.name(sweep.score)
    labels = [run.label for run in found.runs]
    spoken = f"{name} and time of training against {option}"
    where = "best validation" if sweep.split is None else formatting.split_name(sweep.split)
    caption = f"{name} ({where}) and time of training without start-up, against {option}"
    return section(
        "sweep",
        f"Against {option}",
        figure(Html(sweep_chart(sweep, spoken, name)), caption),
        Html(legend(labels) if len(labels) > 1 else ""),
        _table(sweep, labels, found.scores),
        paragraph(_note(sweep), "note"),
    )


def option_name(option: str) -> str:
    return option.rsplit(".", 1)[-1].replace("_", " ")


def _table(sweep: Sweep, labels: Sequence[str], scores: ScoreTexts) -> Html:
    evaluated = any(point.low is not None for points in sweep.points for point in points)
    several = len(labels) > 1
    columns = [Column(option_name(sweep.option).capitalize(), True), *([Column("Strategy")] if several else [])]
    columns += [Column(scores.column(sweep.score), True), *(COLUMNS if evaluated else ()), Column("Time", True)]
    rows: list[list[str | Html]] = []
    for run_points in zip(*sweep.points, strict=True):
        for label, point in zip(labels, run_points, strict=True):
            cells: list[str | Html] = [f"{point.value:g}", *([label] if several else [])]
            cells.append(scores.number(point.score, sweep.score))
            cells += point.cells() if evaluated else []
            rows.append(
                [*cells, formatting.MISSING if point.trained_s is None else formatting.duration(point.trained_s)]
            )
    return table(f"Score and time against {option_name(sweep.option)}", columns, rows)


def _note(sweep: Sweep) -> str:
    option = option_name(sweep.option)
    points = [point for run_points in sweep.points for point in run_points]
    found = that_differ(points)
    if found is None:
        return (
            "Intervals are shown where every trial was evaluated (jobs/evaluate.py --split validation). The values of "
            f"{option} are set at equal distances."
        )
    differ, how = found
    smallest = f"{points[0].value:g}"
    listed = ", ".join(dict.fromkeys(f"{point.value:g}" for point in differ))
    verdict = (
        f"With {listed} the score differs from that with {smallest}"
        if differ
        else f"No score can be told from that with {smallest}, which is not to say that they are the same"
    )
    return (
        f"{verdict} ({how}). Difference: case by case from the smallest {option}, {INTERVAL_NOTE}. The values of "
        f"{option} are set at equal distances."
    )


def sweep_chart(sweep: Sweep, description: str, title: str) -> str:
    """Two panels with the same axis below: the score with its intervals, and the time; a line for each strategy."""
    scores = [v for points in sweep.points for p in points for v in (p.score, p.low, p.high) if v is not None]
    times = [p.trained_s for points in sweep.points for p in points if p.trained_s is not None]
    unit, per_unit = ("seconds", 1.0) if max(times, default=0.0) < 180 else ("minutes", 60.0)
    parts = _panel(sweep, 0.0, title, (min(scores), max(scores)), "score", 1.0)
    if times:
        top = (0.0, max(times) / per_unit)
        parts += _panel(sweep, WIDTH - PANEL_WIDTH, f"Time of training, {unit}", top, "trained_s", per_unit)
    return svg(WIDTH, HEIGHT, description, "".join(parts))


def _panel(
    sweep: Sweep, shift: float, title: str, y_range: tuple[float, float], field: str, per_unit: float
) -> list[str]:
    left, right = shift + LEFT, shift + PANEL_WIDTH - 14
    values = [point.value for point in sweep.points[0]]
    y_ticks = ticks(*y_range)

    def x_at(index: float) -> float:
        return left + (right - left) * (index + 0.5) / len(values)

    def y_at(y: float) -> float:
        return BOTTOM_LINE - (BOTTOM_LINE - TOP) * (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    parts = [text_at("strategy", left, TOP - 14, title), charts.y_axis(y_ticks, y_at, left, right)]
    parts.append(rule("axis", left, BOTTOM_LINE, right, BOTTOM_LINE))
    parts += [text_at("tick middle", x_at(i), BOTTOM_LINE + 17, f"{value:g}") for i, value in enumerate(values)]
    parts.append(text_at("title middle", (left + right) / 2, BOTTOM_LINE + 36, option_name(sweep.option)))
    for number, points in enumerate(sweep.points, 1):
        sideways = (number - (len(sweep.points) + 1) / 2) * 5 / ((right - left) / len(values))
        shown = [(x_at(index + sideways), point) for index, point in enumerate(points)]
        parts += _line(shown, number, y_at, field, per_unit)
    return parts


def _line(points: Sequence[tuple[float, Point]], number: int, y_at: Axis, field: str, per_unit: float) -> list[str]:
    places, parts = [], []
    for x, point in points:
        value = getattr(point, field)
        if value is None:
            continue
        y = y_at(value / per_unit)
        places.append(f"{x:.1f},{y:.1f}")
        if field == "score" and point.low is not None and point.high is not None:
            parts.append(rule("interval", x, y_at(point.low), x, y_at(point.high)))
        parts.append(f'<circle class="dot c{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
    path = f'<polyline class="line c{number}" points="{" ".join(places)}"{dashes(number)}/>'
    return [path, *parts]
