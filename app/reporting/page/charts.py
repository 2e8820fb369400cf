"""Charts as inline SVG whose colours come from the page's style sheet, so that they follow light, dark and print.

Colours alone never tell series apart: lines also differ in dashes and carry their name at their end, bar segments
carry the number of their row in the table.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.errors import UsageError
from app.reporting.page.markup import escape

Axis = Callable[[float], float]
"""From a value to its place."""

WIDTH, HEIGHT = 480, 280
"""Size of a chart in the SVG's own units; the page scales it."""
BAR_WIDTH, BAR_HEIGHT = 960, 46
LEFT, TOP, BOTTOM = 46, 14, 40
LABEL_HEIGHT = 14
CHARACTER_WIDTH = 6.6
"""Width of a character of the 12 unit font, for keeping room; measured on the widest of the page's fonts."""
MAX_DOTS = 15
"""A line of more points has a dot at its end only."""
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")


@dataclass(frozen=True)
class Series:
    name: str
    points: tuple[tuple[float, float], ...]
    """x rising."""


@dataclass(frozen=True)
class Column:
    """One score of a strip plot."""

    name: str
    values: tuple[float, ...]
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    """Ends of the mean's interval."""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from at most `low` to at least `high`, equally spaced by 1, 2, 2.5 or 5 times 10^n.

    Raises:
        UsageError: the ends are not finite or in the wrong order.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise UsageError(f"got an axis from {low} to {high}, expected finite ends, the smaller first")
    if low == high:
        low, high = low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5
    rough = (high - low) / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    spacing = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / spacing + 1e-9), math.ceil(high / spacing - 1e-9)
    return [round(n * spacing, 12) for n in range(first, last + 1)]


def whole_ticks(low: int, high: int, count: int = 7) -> list[int]:
    """Whole numbers within the ends, for axes of counts."""
    spacing = max(1, math.ceil(ticks(0, max(1, high - low), count)[1]))
    inside = [n for n in range(0, high + 1, spacing) if n >= low]
    return inside if inside and inside[0] - low < spacing else [low, *inside]


def tick_label(value: float, spacing: float) -> str:
    """As many digits after the point as the spacing needs."""
    decimals = max(0, -math.floor(math.log10(spacing) + 1e-9))
    if abs(spacing * 10**decimals - round(spacing * 10**decimals)) > 1e-6:
        decimals += 1
    return f"{value:.{decimals}f}"


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The positions moved as little as a simple sweep can, so that neighbours stand at least `gap` apart."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = list(positions)
    for before, index in zip([None, *order], order, strict=False):
        placed[index] = max(placed[index], low if before is None else placed[before] + gap)
    limit = high
    for index in reversed(order):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - gap
    return placed


def line_chart(
    series: Sequence[Series],
    x_title: str,
    description: str,
    y_range: tuple[float, float] | None = None,
    marked_x: float | None = None,
    x_range: tuple[float, float] | None = None,
    behind: Sequence[Series] = (),
) -> str:
    """Lines over an axis of counts, their names at their ends; `marked_x` gets a thin upright line. Ranges that are not
    given are those of the points. Lines `behind` are thin and grey and have no names.

    Raises:
        UsageError: no points, or some are not finite.
    """
    points = [point for one in (*series, *behind) for point in one.points]
    if not points or not all(math.isfinite(v) for point in points for v in point):
        raise UsageError("a chart needs at least one point and finite numbers only")
    label_room = 14 + CHARACTER_WIDTH * max((len(one.name) for one in series), default=0)
    right = WIDTH - label_room
    x_low, x_high = x_range or (min(x for x, _ in points), max(x for x, _ in points))
    y_low, y_high = y_range or (min(y for _, y in points), max(y for _, y in points))
    y_ticks = ticks(y_low, y_high)
    y_low, y_high = min(y_low, y_ticks[0]), max(y_high, y_ticks[-1])

    def x_at(x: float) -> float:
        return LEFT + (right - LEFT) * ((x - x_low) / (x_high - x_low) if x_high > x_low else 0.5)

    def y_at(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (y - y_low) / (y_high - y_low)

    parts = [y_axis(y_ticks, y_at, LEFT, right), x_axis(whole_ticks(int(x_low), int(x_high)), x_at, right, x_title)]
    if marked_x is not None:
        parts.append(rule("mark", x_at(marked_x), TOP, x_at(marked_x), HEIGHT - BOTTOM))
    for one in behind:
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in one.points)
        parts.append(f'<polyline class="faint" points="{path}"/>')
    labels = spread([y_at(one.points[-1][1]) for one in series], LABEL_HEIGHT, TOP, HEIGHT - BOTTOM)
    for number, (one, label_y) in enumerate(zip(series, labels, strict=True), 1):
        parts.append(_line(one, number, [(x_at(x), y_at(y)) for x, y in one.points], right, label_y))
    return svg(WIDTH, HEIGHT, description, "".join(parts))


def _line(one: Series, number: int, places: list[tuple[float, float]], right: float, label_y: float) -> str:
    dash = DASHES[(number - 1) % len(DASHES)]
    stroke = f' stroke-dasharray="{dash}"' if dash else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    shown = places if len(places) <= MAX_DOTS else places[-1:]
    dots = "".join(f'<circle class="dot c{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in shown)
    return f'<polyline class="line c{number}" points="{path}"{stroke}/>{dots}' + text_at(
        f"name c{number}", right + 10, label_y + 4, one.name
    )


def strip_plot(columns: Sequence[Column], y_range: tuple[float, float], description: str) -> str:
    """A column for each score: every case a dot, the mean a bar with its interval.

    Raises:
        UsageError: no columns.
    """
    if not columns:
        raise UsageError("a strip plot needs at least one column")
    y_ticks = ticks(*y_range)
    y_low, y_high = y_ticks[0], y_ticks[-1]
    right = WIDTH - 6
    width = (right - LEFT) / len(columns)

    def y_at(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (y - y_low) / (y_high - y_low)

    parts = [y_axis(y_ticks, y_at, LEFT, right)]
    for number, column in enumerate(columns, 1):
        middle = LEFT + width * (number - 0.5)
        parts += [
            f'<circle class="case c{number}" cx="{middle + offset:.1f}" cy="{y_at(value):.1f}" r="4.5"/>'
            for value, offset in zip(column.values, swarm([y_at(v) for v in column.values], 10), strict=True)
        ]
        if column.mean is not None:
            parts.append(_interval(column, middle + min(0.33 * width, 60), y_at))
        parts.append(text_at("tick middle", middle, HEIGHT - BOTTOM + 19, column.name))
    parts.append(rule("axis", LEFT, HEIGHT - BOTTOM, right, HEIGHT - BOTTOM))
    return svg(WIDTH, HEIGHT, description, "".join(parts))


def _interval(column: Column, x: float, y_at: Axis) -> str:
    assert column.mean is not None
    mean_y = y_at(column.mean)
    mean = rule("mean", x - 9, mean_y, x + 9, mean_y)
    if column.low is None or column.high is None:
        return mean
    return rule("interval", x, y_at(column.low), x, y_at(column.high)) + mean


def swarm(positions: Sequence[float], diameter: float) -> list[float]:
    """Sideways offsets, alternately right and left, that keep dots at these heights from covering each other."""
    placed: list[tuple[float, float]] = []
    offsets = [0.0] * len(positions)
    for index in sorted(range(len(positions)), key=lambda i: positions[i]):
        y = positions[index]
        for attempt in range(2 * len(positions) + 1):
            offset = (attempt + 1) // 2 * diameter * (1 if attempt % 2 else -1)
            if all(abs(y - other_y) >= diameter or abs(offset - other) >= diameter for other_y, other in placed):
                break
        offsets[index] = offset
        placed.append((y, offset))
    return offsets


def stacked_bar(parts: Sequence[tuple[int, str, float]], description: str) -> str:
    """One bar over the whole width: (number of the colour and of the table's row, name, amount) from the left.

    Raises:
        UsageError: nothing to show, or a negative amount.
    """
    total = sum(amount for _, _, amount in parts)
    if total <= 0 or any(amount < 0 for _, _, amount in parts):
        raise UsageError(f"got amounts {[amount for *_, amount in parts]}, expected none below 0 and one above")
    drawn, x = [], 0.0
    for number, name, amount in parts:
        width = BAR_WIDTH * amount / total
        inner = max(0.0, width - 2)  # a gap tells neighbours apart without their colours
        if inner > 0:
            drawn.append(f'<rect class="part f{number}" x="{x:.2f}" y="0" width="{inner:.2f}" height="{BAR_HEIGHT}"/>')
        label = next((t for t in (f"{number}  {name}", str(number)) if CHARACTER_WIDTH * len(t) + 12 < inner), "")
        if label:
            drawn.append(text_at("label", x + 7, BAR_HEIGHT / 2 + 4.5, label))
        x += width
    return svg(BAR_WIDTH, BAR_HEIGHT, description, "".join(drawn), "bar")


def y_axis(values: list[float], y_at: Axis, left: float, right: float) -> str:
    spacing = values[1] - values[0]
    parts = []
    for value in values:
        y = y_at(value)
        parts.append(rule("grid", left, y, right, y))
        parts.append(text_at("tick end", left - 7, y + 4, tick_label(value, spacing)))
    return "".join(parts)


def x_axis(values: list[int], x_at: Axis, right: float, title: str) -> str:
    bottom = HEIGHT - BOTTOM
    parts = [rule("axis", LEFT, bottom, right, bottom)]
    parts += [text_at("tick middle", x_at(v), bottom + 17, str(v)) for v in values]
    parts.append(text_at("title middle", (LEFT + right) / 2, bottom + 35, title))
    return "".join(parts)


def text_at(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def rule(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def svg(width: float, height: float, description: str, content: str, kind: str = "chart") -> str:
    return (
        f'<svg class="{kind}" role="img" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(description)}</title>{content}</svg>"
    )
