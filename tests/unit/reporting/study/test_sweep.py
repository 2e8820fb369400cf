"""Score and time against the only option in which the trials of a study differ."""

import json

import pytest
from made_study import RATES, cases_csv, dice, study, study_files, trial_name
from page_reader import Page

from app.reporting.study.report import build_study_report

TABLE = "Score and time against learning rate"


def evaluated(files: dict[str, bytes], split: str, shifts: tuple[float, ...]) -> dict[str, bytes]:
    for number, shift in enumerate(shifts):
        folder = f"trials/{trial_name(number)}/evaluation/{split}"
        mean = dice(number) + shift
        summary = {"scores": {"dice": {"mean": mean, "low": mean - 0.02, "high": mean + 0.02}}}
        files[f"{folder}/cases.csv"] = cases_csv(number, shift).encode()
        files[f"{folder}/summary.json"] = json.dumps(summary).encode()
    return files


def test_a_study_that_varies_one_number_shows_score_and_time_against_it() -> None:
    files = study_files(study("experiment-parallel", 1, num_trials=4))
    report = build_study_report({"/runs/a": files})
    sweep = report.data["sweep"]
    assert (sweep["option"], sweep["split"]) == ("optimizer.learning_rate", None)
    (points,) = sweep["points"]
    assert [point["value"] for point in points] == list(RATES)
    assert [point["score"] for point in points] == pytest.approx([dice(number) for number in range(4)])
    # first batch 0.5 + waiting 2 + warm-up 3 + steps 30 (and 8, 16 more) + evaluation 6 + checkpoint 1 + other 0.5
    assert [point["trained_s"] for point in points] == pytest.approx([43.0, 51.0, 59.0, 43.0])
    page = Page(report.html)
    assert "sweep" in page.headings
    assert [row[0] for row in page.tables[TABLE]] == ["Learning rate", "0.0001", "0.0005", "0.001", "0.005"]


def test_with_scores_by_case_each_value_is_judged_against_the_smallest() -> None:
    shifts = (0.0, dice(0) - dice(1), 0.0, 0.0)  # the second ends with the very scores of the first
    files = evaluated(study_files(study("experiment-parallel", 1, num_trials=4)), "validation", shifts)
    report = build_study_report({"/runs/a": files})
    (points,) = report.data["sweep"]["points"]
    assert points[0]["difference"] is None
    assert (points[1]["difference"], points[1]["difference_low"], points[1]["difference_high"]) == (0.0, 0.0, 0.0)
    expected = dice(2) - dice(0)
    assert points[2]["difference"] == pytest.approx(expected, abs=1e-5)
    assert points[2]["difference_low"] <= points[2]["difference"] <= points[2]["difference_high"]
    assert "With 0.001, 0.005 the score differs from that with 0.0001" in Page(report.html).words


def test_two_strategies_have_a_line_each_and_evaluations_count_only_where_all_have_them() -> None:
    one = evaluated(study_files(study("experiment-parallel", 1, num_trials=4)), "test", (0.0,) * 4)
    other = study_files(study("data-parallel", 4, num_trials=4))
    sweep = build_study_report({"/runs/a": one, "/runs/b": other}).data["sweep"]
    assert sweep["split"] is None and len(sweep["points"]) == 2
    assert [point["low"] for point in sweep["points"][0]] == [None] * 4


@pytest.mark.parametrize("num_trials", [2, 8])
def test_two_values_or_two_options_are_no_sweep(num_trials: int) -> None:
    report = build_study_report({"/runs/a": study_files(study("experiment-parallel", 1, num_trials=num_trials))})
    assert report.data["sweep"] is None
    assert "sweep" not in Page(report.html).headings
