"""Charts of studies: how many parts, where, and that nothing hangs on colour alone."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from made_study import study

from app.reporting.page.charts import Series
from app.reporting.study import study_charts
from app.reporting.study.study_charts import Bar, highlighted_lines, panel, stacked_bars, timeline, visible
from app.reporting.study.timeline import KINDS, Segment, worker_rows

NAMESPACE = "{http://www.w3.org/2000/svg}"


def elements(svg: str, kind: str, css: str) -> list[ET.Element]:
    found = ET.fromstring(svg).iter(NAMESPACE + kind)
    return [element for element in found if css in element.get("class", "").split()]


def number(element: ET.Element, key: str) -> float:
    return float(element.get(key, "nan"))


def test_bars_share_a_scale_and_parts_are_as_wide_as_their_amounts() -> None:
    svg = stacked_bars([Bar("a", [10, 5, 60, 10, 5, 0, 10]), Bar("b", [50, 0, 150, 0, 0, 0, 0])], "bars")
    parts = elements(svg, "rect", "part")
    assert len(parts) == 6 + 2
    steps = elements(svg, "rect", "s3")
    assert number(steps[1], "width") + 1 == pytest.approx(2.5 * (number(steps[0], "width") + 1), rel=1e-3)
    assert {number(part, "y") for part in parts[:6]} != {number(part, "y") for part in parts[6:]}
    labels = [e.text for e in ET.fromstring(svg).iter(NAMESPACE + "text")]
    assert labels.count("3") == 2 and "a" in labels and "worker time, minutes" in labels


@pytest.mark.parametrize("bars", [[], [Bar("a", [0] * 7)], [Bar("a", [-1, 2, 0, 0, 0, 0, 0])]])
def test_bars_of_nothing_raise(bars: list[Bar]) -> None:
    with pytest.raises(ValueError, match="expected amounts"):
        stacked_bars(bars, "bars")


@pytest.mark.parametrize(("strategy", "k"), [("experiment-parallel", 1), ("hybrid:2", 2), ("data-parallel", 4)])
def test_a_timeline_has_a_frame_a_trial_and_shows_gaps(strategy: str, k: int) -> None:
    made = study(strategy, k)
    svg = timeline(worker_rows(made), made.trials, 200.0, [(60.0, "stage 2")], "timeline")
    frames = elements(svg, "rect", "frame")
    assert len(frames) == 8
    heights = {round(number(frame, "height")) for frame in frames}
    assert heights == {26 * k - 2}, "a frame holds the rows of all the trial's workers"
    assert elements(svg, "rect", "s7"), "idle time is drawn"
    assert len(elements(svg, "line", "border")) == 1
    names = [e.text or "" for e in ET.fromstring(svg).iter(NAMESPACE + "title")]
    assert names[1:] == [n for n in names[1:] if re.match(r"\d lr.*: [\d.]+ to [\d.]+ s", n)] and len(names) == 9
    assert {str(n) for n in range(1, 9)} <= {
        (e.text or "").split()[0] for e in ET.fromstring(svg).iter(NAMESPACE + "text")
    }


def test_timelines_of_one_scale_can_be_compared() -> None:
    made = study("experiment-parallel", 1)
    rows = worker_rows(made)
    half, whole = (timeline(rows, made.trials, total_s, [], "t") for total_s in (248.0, 124.0))
    ends = [max(number(e, "x") + number(e, "width") for e in elements(svg, "rect", "part")) for svg in (half, whole)]
    left = study_charts.LEFT
    assert ends[1] - left == pytest.approx(2 * (ends[0] - left), rel=1e-3)


def test_failed_trials_are_marked() -> None:
    import dataclasses

    made = study("experiment-parallel", 1, num_trials=2)
    trials = (dataclasses.replace(made.trials[0], status="failed"), made.trials[1])
    svg = timeline(worker_rows(made), trials, 70.0, [], "timeline")
    assert len(elements(svg, "rect", "failed")) == 1 and "✕" in svg


def test_what_is_too_short_to_be_seen_is_joined_to_what_is_beside_it() -> None:
    row = tuple(Segment(a / 10, b / 10, "compute" if a % 3 else "waiting", "a") for a, b in pairwise(range(101)))
    joined = list(visible(row, 2.5))
    assert len(joined) == 4 and {s.kind for s in joined} == {"compute"}
    assert (joined[0].start_s, joined[-1].end_s) == (0, 10)
    assert list(visible(row, 0.0)) == list(row)
    other = (*row[:1], Segment(0.1, 0.2, "idle"))
    assert [s.trial for s in visible(other, 5.0)] == ["a", None], "trials and gaps stay apart"


def test_each_kind_has_a_look_of_its_own() -> None:
    stripes = [stripe[:2] if stripe else None for stripe in study_charts.STRIPES]
    assert len(stripes) == len(KINDS) == len(set(stripes))
    used = set(re.findall(r'id="(k\d)"', study_charts.definitions()))
    assert used == {f"k{n}" for n, stripe in enumerate(stripes, 1) if stripe}


def lines(count: int) -> list[Series]:
    return [Series(f"t{n}", ((1.0, n / 10), (2.0, n / 20))) for n in range(count)]


def test_few_lines_carry_their_names_and_of_many_the_chosen_one() -> None:
    few = highlighted_lines(lines(4), 2, "epoch", "few")
    assert len(elements(few, "polyline", "line")) == 4 and not elements(few, "polyline", "faint")
    many = highlighted_lines(lines(20), 3, "epoch", "many")
    assert len(elements(many, "polyline", "line")) == 1 and len(elements(many, "polyline", "faint")) == 19
    assert [e.text for e in elements(many, "text", "name")] == ["t3"]
    none = highlighted_lines(lines(20), None, "epoch", "none")
    assert len(elements(none, "polyline", "faint")) == 20


def test_a_panel_has_a_line_a_strategy_each_dashed_in_its_own_way() -> None:
    svg = panel([*lines(3), Series("without", ())], (0.0, 1.0), (1.0, 2.0), "panel")
    found = elements(svg, "polyline", "line")
    assert len(found) == 3 and len({line.get("stroke-dasharray") for line in found}) == 3
