"""Charts of studies: where the workers' time went, who did what when, and the curves of many trials.

Kinds of time differ in colour, in pattern and by the number of their row in the table.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.errors import UsageError
from app.records import StudyTrial
from app.reporting.page import charts
from app.reporting.page.charts import CHARACTER_WIDTH, Series, rule, svg, text_at, tick_label, ticks
from app.reporting.page.markup import escape
from app.reporting.study.timeline import KINDS, Row, Segment, stints, workers_of

WIDTH = 960
NAME_ROOM = 24
"""Above a bar, for its name."""
BAR_HEIGHT = 30
AXIS_ROOM = 40
LEFT = 70
"""Room for the names of the workers at the left of a timeline."""
TOP = 22
ROW_HEIGHTS = (26, 16, 10)
"""For up to 8 workers, up to 24, and more."""
LEAST_WIDTH = 0.7
"""What is narrower is drawn together with its neighbours, as the kind that took most of it."""
PANEL_WIDTH, PANEL_HEIGHT, PANEL_LEFT, PANEL_BOTTOM = 220, 130, 38, 22
UNITS = ((180, 1, "seconds"), (3 * 3600, 60, "minutes"), (float("inf"), 3600, "hours"))
"""Up to so many seconds, an axis counts in these."""

STRIPES: tuple[tuple[float, float, float] | None, ...] = (
    (3, 3, 0.28),
    (4, 0, 0.3),
    None,
    (0, 5, 0.3),
    (1.6, -1.6, 0.4),
    (8, 0, 0.5),
    (5, -5, 0.14),
)
"""Stripes of the kinds of time, in their order: the way from one stripe to the next along x and y, and the stripe's
share of it; training steps have none. Gradients that repeat, because printers' files of patterns are huge (measured in
Chromium: 87 MB for a page with 300 parts)."""


def definitions() -> str:
    """The stripes that all charts of a page use; once on the page."""
    found = "".join(
        f'<linearGradient id="k{number}" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="{stripe[0]:g}" '
        f'y2="{stripe[1]:g}" spreadMethod="repeat"><stop class="g{number}" offset="{1 - stripe[2]:g}"/>'
        f'<stop class="h{number}" offset="{1 - stripe[2]:g}"/></linearGradient>'
        for number, stripe in enumerate(STRIPES, 1)
        if stripe is not None
    )
    return f'<svg class="definitions" width="0" height="0" aria-hidden="true"><defs>{found}</defs></svg>'


def swatch(number: int) -> str:
    """A kind's colour, pattern and number, for tables."""
    box = 'width="26" height="16"'
    label = text_at(_label_kind(number), 13, 12, str(number))
    return f'<svg class="key" {box} viewBox="0 0 26 16" aria-hidden="true"><rect class="s{number}" {box}/>{label}</svg>'


@dataclass(frozen=True)
class TimeAxis:
    """From seconds to places between `left` and `right`; ticks in seconds, minutes or hours."""

    total_s: float
    left: float
    right: float

    def __call__(self, seconds: float) -> float:
        return self.left + (self.right - self.left) * seconds / self.total_s

    def draw(self, top: float, bottom: float, title: str) -> str:
        _, unit_s, unit = next(row for row in UNITS if self.total_s <= row[0])
        values = [v for v in ticks(0, self.total_s / unit_s, 8) if v * unit_s <= self.total_s * (1 + 1e-9)]
        spacing = values[1] - values[0] if len(values) > 1 else 1.0
        parts = [rule("grid", self(v * unit_s), top, self(v * unit_s), bottom) for v in values]
        parts += [text_at("tick middle", self(v * unit_s), bottom + 16, tick_label(v, spacing)) for v in values]
        parts.append(rule("axis", self.left, bottom, self.right, bottom))
        parts.append(text_at("title middle", (self.left + self.right) / 2, bottom + 34, f"{title}, {unit}"))
        return "".join(parts)


@dataclass(frozen=True)
class Bar:
    name: str
    amounts: Sequence[float]
    """Worker-seconds in the order of KINDS."""


def stacked_bars(bars: Sequence[Bar], description: str) -> str:
    """One bar a strategy on a common scale: what all its workers' time went into.

    Raises:
        UsageError: nothing to show, or a negative amount.
    """
    if not bars or any(amount < 0 for bar in bars for amount in bar.amounts) or max(sum(b.amounts) for b in bars) <= 0:
        raise UsageError(f"got {[list(bar.amounts) for bar in bars]}, expected amounts of which none is below 0")
    height = len(bars) * (NAME_ROOM + BAR_HEIGHT) + 8
    axis = TimeAxis(max(sum(bar.amounts) for bar in bars), 2, WIDTH - 14)
    parts = [axis.draw(4, height, "worker time")]
    for index, bar in enumerate(bars):
        top = index * (NAME_ROOM + BAR_HEIGHT) + NAME_ROOM
        parts.append(text_at("strategy", 2, top - 7, bar.name))
        reached = 0.0
        for number, amount in enumerate(bar.amounts, 1):
            left, right = axis(reached), axis(reached + amount)
            reached += amount
            if right - left > 0:
                parts.append(_part(number, left, top, max(0.3, right - left - 1), BAR_HEIGHT))
            if right - left > CHARACTER_WIDTH + 6:
                parts.append(text_at(_label_kind(number), (left + right) / 2, top + BAR_HEIGHT / 2 + 4.5, str(number)))
    return svg(WIDTH, height + AXIS_ROOM, description, "".join(parts), "bar")


def timeline(
    rows: Sequence[Row],
    trials: Sequence[StudyTrial],
    total_s: float,
    borders: Sequence[tuple[float, str]],
    description: str,
) -> str:
    """One row a worker, time along x: every trial a framed block with its number (that of its place in `trials`) and,
    where there is room, its name; what its workers did inside; gaps between.

    Args:
        total_s: at the right end, which is the same for all timelines of a page.
        borders: seconds and name of upright lines.
    """
    height = next(h for limit, h in zip((8, 24, float("inf")), ROW_HEIGHTS, strict=True) if len(rows) <= limit)
    top_room = TOP if borders else 6
    bottom = top_room + height * len(rows)
    axis = TimeAxis(total_s, LEFT, WIDTH - 14)
    numbers = {trial.name: number for number, trial in enumerate(trials, 1)}
    first_rows = {trial.name: {workers_of(stint)[0] for stint in stints(trial)} for trial in trials}
    counts = {trial.name: trial.workers_per_trial for trial in trials}
    failed = {trial.name for trial in trials if trial.status == "failed"}
    parts = [axis.draw(top_room, bottom, "time")]
    blocks = []
    for worker, row in enumerate(rows):
        top = top_room + height * worker
        if height >= 14 or worker % 4 == 0:
            parts.append(text_at("tick end", LEFT - 8, top + height / 2 + 4, f"worker {worker}"))
        least_s = LEAST_WIDTH * total_s / (axis.right - axis.left)
        parts += [
            _part(KINDS.index(s.kind) + 1, axis(s.start_s), top + 1, axis(s.end_s) - axis(s.start_s), height - 2)
            for s in visible(row, least_s)
        ]
        for name, start_s, end_s in runs_of_trials(row):
            if worker in first_rows[name]:
                box = (axis(start_s), top + 1.0, axis(end_s) - axis(start_s), height * counts[name] - 2.0)
                label_y = top + height / 2 + 4.5 if height > ROW_HEIGHTS[-1] else box[1] + box[3] / 2 + 4.5
                when = f"{start_s:.1f} to {end_s:.1f} s"
                blocks.append(_block(numbers[name], name, box, label_y, name in failed, when))
    lines = [
        rule("border", axis(s), top_room - 8, axis(s), bottom) + text_at("border", axis(s) + 4, top_room - 9, name)
        for s, name in borders
    ]
    return svg(WIDTH, bottom + AXIS_ROOM, description, "".join([*parts, *blocks, *lines]), "timeline")


def visible(row: Row, least_s: float) -> Iterator[Segment]:
    """The row with segments of one trial that are too short to be seen joined to their neighbours."""
    for trial, segments in itertools.groupby(row, key=lambda s: s.trial):
        group: list[Segment] = []
        for segment in segments:
            group.append(segment)
            if group[-1].end_s - group[0].start_s >= least_s:
                yield _joined(group, trial)
                group = []
        if group:
            yield _joined(group, trial)


def _joined(group: Sequence[Segment], trial: str | None) -> Segment:
    lengths: dict[str, float] = {}
    for segment in group:
        lengths[segment.kind] = lengths.get(segment.kind, 0.0) + segment.length_s
    return Segment(group[0].start_s, group[-1].end_s, max(lengths, key=lambda kind: lengths[kind]), trial)


def runs_of_trials(row: Row) -> list[tuple[str, float, float]]:
    """Trial, start and end of each stretch that a worker spends on one trial."""
    found = []
    for trial, group in itertools.groupby(row, key=lambda s: s.trial):
        segments = list(group)
        if trial is not None:
            found.append((trial, segments[0].start_s, segments[-1].end_s))
    return found


def _block(
    number: int, name: str, box: tuple[float, float, float, float], label_y: float, failed: bool, when: str
) -> str:
    x, y, width, height = box
    size = f'x="{x:.2f}" y="{y:.2f}" width="{max(0.3, width):.2f}" height="{height:.2f}"'
    end = " ✕" if failed else ""
    choices = (f"{number}  {name}{end}", f"{number}{end}", str(number))
    label = next((t for t in choices if CHARACTER_WIDTH * len(t) + 8 < width and height > 12), "")
    shown = text_at("label middle", x + width / 2, label_y, label) if label else ""
    kind = "frame failed" if failed else "frame"
    spoken = f"{number} {name}{', failed' if failed else ''}: {when}"
    return f'<g><title>{escape(spoken)}</title><rect class="{kind}" {size}/>{shown}</g>'


def _part(number: int, x: float, y: float, width: float, height: float) -> str:
    size = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return f'<rect class="part s{number}" {size}/>'


def _label_kind(number: int) -> str:
    """Idle time has the colour of the page's panels, light or dark."""
    return "label middle" if number < len(KINDS) else "strategy middle"


def highlighted_lines(
    series: Sequence[Series],
    chosen: int | None,
    x_title: str,
    description: str,
    y_range: tuple[float, float] | None = None,
) -> str:
    """Many lines, thin and grey, with one among them that stands out and carries its name. Few lines all carry theirs.

    Raises:
        UsageError: no points, or some are not finite.
    """
    if len(series) <= len(charts.DASHES):
        return charts.line_chart(series, x_title, description, y_range)
    front = [series[chosen]] if chosen is not None else []
    behind = [one for index, one in enumerate(series) if index != chosen]
    return charts.line_chart(front, x_title, description, y_range, behind=behind)


def panel(
    series: Sequence[Series], y_range: tuple[float, float], x_range: tuple[float, float], description: str
) -> str:
    """A small chart of one trial: a line for each strategy, coloured and dashed as in the legend."""
    values = ticks(*y_range, count=3)
    right, bottom = PANEL_WIDTH - 6, PANEL_HEIGHT - PANEL_BOTTOM
    x_at = _scale(x_range, PANEL_LEFT, right)
    y_at = _scale((values[0], values[-1]), bottom, 6)
    parts = []
    for value in values:
        parts.append(rule("grid", PANEL_LEFT, y_at(value), right, y_at(value)))
        parts.append(text_at("tick end", PANEL_LEFT - 5, y_at(value) + 4, tick_label(value, values[1] - values[0])))
    parts.append(rule("axis", PANEL_LEFT, bottom, right, bottom))
    for place, kind in zip(x_range, ("start", "end"), strict=True):
        parts.append(text_at(f"tick {kind}", x_at(place), bottom + 16, f"{place:g}"))
    for number, one in enumerate(series, 1):
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in one.points)
        if path:
            parts.append(f'<polyline class="line c{_colour(number)}" points="{path}"{dashes(number)}/>')
    return svg(PANEL_WIDTH, PANEL_HEIGHT, description, "".join(parts), "panel")


def line_key(number: int) -> str:
    """A piece of the line that has this number, for legends."""
    line = f'<polyline class="line c{_colour(number)}" points="0,8 34,8"{dashes(number)}/>'
    return f'<svg class="key" width="34" height="16" viewBox="0 0 34 16" aria-hidden="true">{line}</svg>'


def legend(labels: Sequence[str]) -> str:
    """A paragraph that names the lines 1, 2, ... of charts that have no room for names."""
    names = "".join(f"<span>{line_key(number)}{escape(label)}</span> " for number, label in enumerate(labels, 1))
    return f'<p class="legend">{names}</p>'


def dashes(number: int) -> str:
    found = charts.DASHES[(number - 1) % len(charts.DASHES)]
    return f' stroke-dasharray="{found}"' if found else ""


def _colour(number: int) -> int:
    return (number - 1) % 8 + 1


def _scale(ends: tuple[float, float], first: float, last: float) -> Callable[[float], float]:
    low, high = ends
    return lambda value: first + (last - first) * ((value - low) / (high - low) if high > low else 0.5)
