"""Networks compared by score, size and speed: a planted difference is told, and equal scores are not."""

import dataclasses
import json
from typing import Any

import pytest
from made_study import cases_csv, dice, experiment, study, study_files, trial_name
from page_reader import Page

from app.records import StudyRecord
from app.reporting.study import networks
from app.reporting.study.networks import Mark
from app.reporting.study.report import build_study_report

PARAMETERS = {"vgg16": 134_300_000, "efficientnet_b0": 4_000_000, "resnet50": 23_500_000}
LIGHT, MIDDLE, HEAVY = "efficientnet_b0", "resnet50", "vgg16"
MEMORY = ["1.0 GiB", "2.0 GiB", "–"]
"""By parameters rising; of VGG16 it is not known."""
TABLE = "Score, size and speed of the networks"


def network(number: int, **more: Any) -> dict[str, Any]:
    """Alike but for the network."""
    return {**experiment(0), "name": trial_name(number), "task": {"model": [*PARAMETERS][number]}, **more}


def made(shifts: dict[str, float] | None, **more: Any) -> dict[str, bytes]:
    """One run of three networks; with `shifts` each was evaluated, its scores moved by so much from the same."""
    record: StudyRecord = study("experiment-parallel", 1, num_trials=3)
    trials = []
    for number, trial in enumerate(record.trials):
        assert trial.record is not None
        size = [*PARAMETERS.values()][number]
        changed = dataclasses.replace(
            trial.record, num_parameters=size, memory_bytes=number * 2**30, experiment=network(number, **more)
        )
        trials.append(dataclasses.replace(trial, record=changed))
    files = study_files(dataclasses.replace(record, trials=tuple(trials)))
    for number, name in enumerate(PARAMETERS):
        folder = f"trials/{trial_name(number)}"
        files[f"{folder}/config.json"] = json.dumps(network(number, **more)).encode()
        if shifts is not None:
            mean = dice(0) + shifts[name]
            summary = {"scores": {"dice": {"mean": mean, "low": mean - 0.02, "high": mean + 0.02}}}
            files[f"{folder}/evaluation/test/cases.csv"] = cases_csv(0, shifts[name]).encode()
            files[f"{folder}/evaluation/test/summary.json"] = json.dumps(summary).encode()
    return files


def test_a_lighter_network_that_scores_better_is_told_and_an_equal_one_is_not() -> None:
    """The published claim as a planted effect on VGG16, and a planted null on ResNet-50."""
    report = build_study_report({"/runs/a": made({LIGHT: 0.1, MIDDLE: 0.1, HEAVY: 0.0})})
    points = {point["network"]: point for point in report.data["networks"]}
    assert [*points] == [LIGHT, MIDDLE, HEAVY], "parameters rising"
    assert points[HEAVY]["difference"] == pytest.approx(-0.1, abs=1e-5) and points[HEAVY]["p_value"] < 0.05
    assert (points[MIDDLE]["difference"], points[MIDDLE]["p_value"]) == (0.0, 1.0)
    assert points[LIGHT]["low"] == pytest.approx(dice(0) + 0.08)
    page = Page(report.html)
    assert "vgg16 scores worse than efficientnet_b0, the lightest (paired t tests" in page.words
    assert [row[1] for row in page.tables[TABLE]][1:] == ["4.00 M", "23.50 M", "134.30 M"]
    assert [row[3] for row in page.tables[TABLE]][1:] == MEMORY
    assert report.html.count('<circle class="dot c1"') >= 6, "each in both panels"


def test_ticks_of_powers_are_round() -> None:
    assert networks.round_values(4.0, 134.3) == [5, 10, 20, 50, 100]
    assert networks.round_values(20, 200) == [20, 50, 100, 200]
    assert networks.round_values(2.2, 4.4) == [2.2, 4.4], "no two round ones are between them"
    assert networks.round_values(3.0, 3.0) == [3.0]


def test_a_heavier_network_that_scores_better_refutes_the_claim() -> None:
    report = build_study_report({"/runs/a": made({LIGHT: 0.0, MIDDLE: 0.0, HEAVY: 0.1})})
    assert "vgg16 scores better than efficientnet_b0, the lightest" in Page(report.html).words


def test_networks_that_score_alike_are_not_told_apart() -> None:
    report = build_study_report({"/runs/a": made(dict.fromkeys(PARAMETERS, 0.0))})
    assert "No network’s score can be told from that of efficientnet_b0, the lightest" in Page(report.html).words


def test_published_scores_stand_beside_ours_on_the_same_data_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "PUBLISHED", (Mark("rvl-cdip", "dice", 0.9231, "somebody"),))
    assert "Published: 0.9231 (somebody)" in Page(build_study_report({"/a": made(None, store="rvl-cdip")}).html).words
    assert "Published" not in Page(build_study_report({"/a": made(None, store="tobacco")}).html).words


def test_other_studies_have_no_networks_to_compare() -> None:
    report = build_study_report({"/runs/a": study_files(study("experiment-parallel", 1, num_trials=4))})
    assert report.data["networks"] == [] and "networks" not in Page(report.html).headings
