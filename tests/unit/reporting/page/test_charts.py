"""Charts: where things are drawn, checked in the SVG itself."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reporting.page import charts

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (0, 10, [0, 2.5, 5, 7.5, 10]),
        (0.13, 1.62, [0, 0.5, 1, 1.5, 2]),
        (3, 3, [1, 2, 3, 4, 5]),
    ],
)
def test_ticks(low: float, high: float, expected: list[float]) -> None:
    assert charts.ticks(low, high) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_enclose_the_range(low: float, width: float) -> None:
    found = charts.ticks(low, low + width)
    spacing = found[1] - found[0]
    assert 2 <= len(found) <= 8
    assert found[0] <= low + 1e-6 * spacing
    assert found[-1] >= low + width - 1e-6 * spacing


@pytest.mark.parametrize(("low", "high"), [(float("nan"), 1), (0, float("inf")), (2, 1)])
def test_ticks_of_no_range_raise(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="axis"):
        charts.ticks(low, high)


@given(st.integers(0, 500), st.integers(0, 2000))
def test_ticks_of_counts_are_whole_and_inside(low: int, length: int) -> None:
    found = charts.whole_ticks(low, low + length)
    assert all(isinstance(n, int) and low <= n <= low + length for n in found)
    assert 1 <= len(found) <= 9
    assert found == sorted(set(found))


@pytest.mark.parametrize(("value", "spacing", "expected"), [(0.25, 0.25, "0.25"), (5, 2.5, "5.0"), (20, 10, "20")])
def test_tick_labels_have_the_digits_of_their_spacing(value: float, spacing: float, expected: str) -> None:
    assert charts.tick_label(value, spacing) == expected


@given(st.lists(st.floats(0, 200), max_size=10))
def test_labels_are_spread_without_covering_each_other(positions: list[float]) -> None:
    placed = charts.spread(positions, 14, 0, 200)
    assert all(b - a >= 14 - 1e-9 for a, b in itertools.pairwise(sorted(placed)))
    assert max(placed, default=0) <= 200
    assert [p for _, p in sorted(zip(positions, placed, strict=True))] == sorted(placed)


@given(st.lists(st.floats(0, 100), max_size=20))
def test_dots_of_a_strip_do_not_cover_each_other(heights: list[float]) -> None:
    dots = list(zip(heights, charts.swarm(heights, 10), strict=True))
    for (y1, x1), (y2, x2) in itertools.combinations(dots, 2):
        assert abs(y1 - y2) >= 10 or abs(x1 - x2) >= 10 - 1e-9


def test_a_line_goes_from_corner_to_corner() -> None:
    svg = charts.line_chart([charts.Series("ab", ((1, 0.0), (2, 0.5), (3, 1.0)))], "epoch", "d", (0, 1))
    points = re.findall(r"[\d.]+,[\d.]+", ET.fromstring(svg).find(f"{NAMESPACE}polyline").get("points"))  # type: ignore[union-attr, arg-type]
    xy = [tuple(float(v) for v in point.split(",")) for point in points]
    bottom = charts.HEIGHT - charts.BOTTOM
    assert xy[0] == (charts.LEFT, bottom)
    assert xy[1][1] == pytest.approx((bottom + charts.TOP) / 2, abs=0.05)
    assert xy[2][1] == charts.TOP
    assert xy[1][0] - xy[0][0] == pytest.approx(xy[2][0] - xy[1][0], abs=0.11)


def test_lines_differ_in_more_than_colour_and_carry_their_names() -> None:
    series = [charts.Series(name, ((1, 0.1), (2, 0.2))) for name in ("WT", "TC", "<ET>")]
    root = ET.fromstring(charts.line_chart(series, "epoch", "Scores & more"))
    lines = root.findall(f"{NAMESPACE}polyline")
    assert len({line.get("stroke-dasharray") for line in lines}) == 3
    names = [t.text for t in root.findall(f"{NAMESPACE}text") if (t.get("class") or "").startswith("name")]
    assert names == ["WT", "TC", "<ET>"]
    assert root.find(f"{NAMESPACE}title").text == "Scores & more"  # type: ignore[union-attr]


def test_a_given_range_places_the_points_in_it() -> None:
    svg = charts.line_chart([charts.Series("a", ((7, 0.5), (13, 1.0)))], "epoch", "d", (0, 1), None, (1, 13))
    dots = [float(dot.get("cx") or 0) for dot in ET.fromstring(svg).findall(f"{NAMESPACE}circle")]
    assert dots[0] == pytest.approx((charts.LEFT + dots[1]) / 2, abs=0.06)


@pytest.mark.parametrize("points", [(), ((1.0, float("nan")),)])
def test_a_chart_without_numbers_raises(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="finite"):
        charts.line_chart([charts.Series("a", points)], "epoch", "d")


def test_a_bar_shows_amounts_in_proportion() -> None:
    root = ET.fromstring(charts.stacked_bar([(1, "a", 30.0), (2, "nothing", 0.0), (5, "b", 10.0)], "d"))
    parts = root.findall(f"{NAMESPACE}rect")
    assert [part.get("class") for part in parts] == ["part f1", "part f5"]
    assert [float(part.get("width") or 0) for part in parts] == [720 - 2, 240 - 2]
    assert float(parts[1].get("x") or 0) == 720


@pytest.mark.parametrize("amounts", [(0.0, 0.0), (1.0, -0.5)])
def test_a_bar_of_nothing_raises(amounts: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="amounts"):
        charts.stacked_bar([(n, "x", amount) for n, amount in enumerate(amounts, 1)], "d")


def test_a_strip_has_a_dot_a_case_and_the_mean_with_its_interval() -> None:
    column = charts.Column("WT", (0.0, 0.5, 1.0), mean=0.5, low=0.25, high=0.75)
    root = ET.fromstring(charts.strip_plot([column], (0, 1), "d"))
    heights = sorted(float(dot.get("cy") or 0) for dot in root.findall(f"{NAMESPACE}circle"))
    bottom = charts.HEIGHT - charts.BOTTOM
    assert heights == [charts.TOP, (bottom + charts.TOP) / 2, bottom]
    lines = {line.get("class"): line for line in root.findall(f"{NAMESPACE}line")}
    assert float(lines["mean"].get("y1") or 0) == (bottom + charts.TOP) / 2
    ends = sorted(float(lines["interval"].get(end) or 0) for end in ("y1", "y2"))
    assert ends == pytest.approx(
        [charts.TOP + (bottom - charts.TOP) / 4, charts.TOP + (bottom - charts.TOP) * 3 / 4], abs=0.05
    )
