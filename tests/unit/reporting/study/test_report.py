"""The page of a study whose numbers are known; of studies that are cut short, differ or are damaged."""

import dataclasses
import json
import re

import pytest
from made_study import START_S, study, study_files, trial_name
from study_pages import Folders, changed, folders, report_of

from app.errors import DataError, UsageError
from app.records import Session, StudyRecord, StudyTrial, Takeover

SECTIONS = ["strategies", "time", "timeline", "trials", "parity", "curves", "software"]


def test_the_finding_and_the_figures_behind_it() -> None:
    page, _ = report_of(folders(), price_per_hour=3.6)
    assert page.headings == SECTIONS and page.problems == []
    assert (
        "8 trainings (brats) took 2 min 04 s experiment-parallel, 2 min 14 s hybrid:2 and 2 min 36 s data-parallel, "
        "on 4 CPU workers. Experiment-parallel was 1.26 times as fast as data-parallel. "
        "The same trial reached identical scores under each strategy."
    ) in page.words
    rows = page.tables["Runs of this study"]
    assert rows[0][1:] == [
        *("Workers", "Workers a trial", "Trials", "Makespan", "Speed-up", "Efficiency", "Busy", "CPU-hours", "Price")
    ]
    first = ["4 CPU", "1", "8 of 8", "2 min 04 s", "–", "–", "88.7 %", "0.138", "0.496"]
    assert rows[1] == ["experiment-parallel", *first]
    assert [row[2] for row in rows[1:]] == ["1", "2", "4"]


def test_worker_time_by_kind() -> None:
    page, _ = report_of(folders())
    rows = {row[0]: row[1:] for row in page.tables["Worker time by kind"]}
    assert rows["1Start-upProcesses, imports, network, choice of numerics, resuming"][0] == "40.0 s8.1 %"
    assert rows["7IdleThe worker has no trial"][2] == "16.0 s2.6 %"
    assert rows["All"] == ["8 min 16 s", "8 min 56 s", "10 min 24 s"]
    assert [name for name in rows if "synchronising" in name] == [], "nobody measured it"


def test_trials_with_what_differs_between_them() -> None:
    page, _ = report_of(folders())
    rows = page.tables["Trials of the study"]
    assert rows[0] == [
        *("Trial", "norm", "learning rate", "Time, experiment-parallel", "Time, hybrid:2", "Time, data-parallel"),
        "Dice",
    ]
    assert rows[7] == ["7\u2002lr0.001-instance best", "instance", "0.001", "48.0 s", "27.5 s", "17.2 s", "0.800"]
    assert "The best trial by validation is lr0.001-instance: Dice over the regions 0.800." in page.words


def test_a_population_lists_who_took_over_from_whom() -> None:
    values = {"optimizer.learning_rate": 0.0012, "optimizer.momentum": 0.9}
    took = Takeover(2, trial_name(0), trial_name(2), values, takes_best=True)
    made = dataclasses.replace(study("experiment-parallel", 1), lineage=(took,))
    page, report = report_of({"/runs/a": study_files(made)})
    assert page.tables["Networks taken over"][1:] == [
        ["2", trial_name(0), trial_name(2), "learning rate 0.00120, momentum 0.900"]
    ]
    assert report.data["runs"][0]["lineage"] == [
        {"epoch": 2, "member": trial_name(0), "origin": trial_name(2), "values": values, "takes_best": True}
    ]
    assert "Networks taken over" not in report_of(folders())[0].tables


def test_the_data_are_the_page_s() -> None:
    _, report = report_of(folders())
    data = json.loads(json.dumps(report.data))
    assert [run["label"] for run in data["runs"]] == ["experiment-parallel", "hybrid:2", "data-parallel"]
    for run in data["runs"]:
        cost = run["cost"]
        assert sum(cost["worker_s"].values()) == pytest.approx(cost["num_workers"] * cost["makespan_s"])
        assert len(run["timeline"]) == 4 and len(run["trials"]) == 8
        assert all(len(trial["curve"]) == 6 for trial in run["trials"])
    assert data["runs"][0]["cost"]["busy_share"] == pytest.approx(440 / 496)
    assert data["curve_differences"][trial_name(0)] == pytest.approx(6 * 2e-6 / (1 / 7 + 6 * 2e-6))
    assert data["disagreements"] == 0 and len(data["parity"]) == 8 * 3


def test_speed_up_is_against_a_run_on_one_worker_alone() -> None:
    alone = study_files(study("experiment-parallel", 1, num_workers=1))
    page, _ = report_of({"/runs/a": study_files(study("experiment-parallel", 1)), "/runs/b": alone})
    rows = [
        dict(zip(page.tables["Runs of this study"][0], row, strict=True))
        for row in page.tables["Runs of this study"][1:]
    ]
    assert [(row["Speed-up"], row["Efficiency"]) for row in rows] == [("3.58", "89.5 %"), ("1.00", "100.0 %")]
    assert "was 3.58 times as fast as one worker" in page.words and "One worker took 7 min 24 s." in page.words
    assert "Busy share" not in page.words


def test_without_a_run_on_one_worker_the_speed_up_is_not_guessed() -> None:
    page, _ = report_of({"/runs/c": study_files(study("experiment-parallel", 1))})
    assert "Busy share" in page.words
    row = dict(zip(*page.tables["Runs of this study"], strict=True))
    assert (row["Speed-up"], row["Efficiency"]) == ("–", "–")
    assert "times as fast as one worker" not in page.words and "parity" not in page.headings


def test_a_study_under_way_is_reported_as_such() -> None:
    made = study("experiment-parallel", 1)
    made = changed(made, 7, status="waiting", end_s=None, record=None, spans=())
    made = changed(made, 6, status="waiting", start_s=None, end_s=None, record=None, spans=(), num_attempts=0)
    page, _ = report_of({"/runs/a": study_files(dataclasses.replace(made, status="running"))})
    assert page.problems[0].startswith(
        "experiment-parallel: still running, or cut short: 6 finished, 1 waiting, 1 under way of 8 trials."
    )
    assert "no run of them is complete yet" in page.words
    rows = page.tables["Trials of the study"]
    assert rows[7][-2:] == ["waiting", "–"] and rows[8][-2].endswith("under way")


def test_failed_trials_and_their_reasons() -> None:
    made = study("experiment-parallel", 1)
    made = changed(made, 3, status="failed", record=None, failure="the loss is nan at step <7>", num_attempts=2)
    page, _ = report_of({"/runs/a": study_files(dataclasses.replace(made, status="failed"))})
    assert page.tables["Failed and stopped trials"][1] == [
        trial_name(3),
        "experiment-parallel",
        "failed",
        "2",
        "the loss is nan at step <7>",
    ]
    assert page.problems == ["experiment-parallel: ended with failed trials: 7 finished, 1 failed of 8 trials."]


def test_trials_that_were_stopped_early_are_said_to_be() -> None:
    made = changed(study("experiment-parallel", 1), 3, status="stopped", failure="behind at epoch 2")
    page, _ = report_of({"/runs/a": study_files(made)})
    assert page.tables["Failed and stopped trials"][1][2:] == ["stopped early", "1", "behind at epoch 2"]
    assert page.problems == [] and page.tables["Runs of this study"][1][5] == "–"
    assert "4 CPU workers (some were stopped early by a rule: 1 experiment-parallel)." in page.words


def test_a_study_that_has_only_begun() -> None:
    waiting = StudyTrial("a", "waiting", 0, 0, 1)
    begun = StudyRecord(
        "s", "running", "experiment-parallel", {}, 2, "GPU", (Session(START_S, START_S + 2),), (waiting,)
    )
    page, _ = report_of({"/runs/s": study_files(begun)})
    assert page.headings == ["strategies", "time", "timeline", "trials"]


def test_other_trials_are_no_runs_of_one_study() -> None:
    other = study_files(study("data-parallel", 4, num_trials=7))
    with pytest.raises(UsageError, match=r"not runs of one study: only /runs/a has lr0.005-instance; give"):
        report_of(folders() | {"/runs/c": other})


def test_other_experiments_are_no_runs_of_one_study() -> None:
    made = study("data-parallel", 4)
    record = made.trials[2].record
    assert record is not None
    experiment = dict(record.experiment) | {"epochs": 9, "seed": 8}
    other = changed(made, 2, record=dataclasses.replace(record, experiment=experiment))
    with pytest.raises(UsageError, match=r"seed of trial lr0.001-batch is 7 in /runs/a and 8 in /runs/c, and 1 more"):
        report_of(folders() | {"/runs/c": study_files(other)})


def test_weights_of_a_trial_that_starts_from_another_lie_in_each_run() -> None:
    given: Folders = {}
    for folder, made in (("/runs/a", study("experiment-parallel", 1)), ("/runs/c", study("data-parallel", 4))):
        record = made.trials[1].record
        assert record is not None
        task = {"weights": f"{folder}/trials/x"}
        experiment = dict(record.experiment) | {"starts_from": trial_name(0), "task": task}
        given[folder] = study_files(changed(made, 1, record=dataclasses.replace(record, experiment=experiment)))
    report_of(given)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "/runs/c has no record.json: expected the folder of a study"),
        (b'{"name": "s"', "/runs/c/record.json is damaged"),
        (b"\xff\xfe", "/runs/c/record.json is damaged"),
        (b'{"name": "s"}', "damaged: missing key 'status'"),
        (b"[]", "/runs/c/record.json is damaged"),
    ],
)
def test_without_a_record_there_is_one_clear_line(content: bytes | None, reason: str) -> None:
    given = folders()
    if content is None:
        del given["/runs/c"]["record.json"]
    else:
        given["/runs/c"]["record.json"] = content
    with pytest.raises(DataError, match=reason) as caught:
        report_of(given)
    assert "\n" not in str(caught.value)


def test_a_study_that_never_ran_has_no_report() -> None:
    empty = dataclasses.replace(study("data-parallel", 4), sessions=())
    with pytest.raises(DataError, match="has not begun"):
        report_of({"/runs/c": study_files(empty)})


def test_a_damaged_curve_costs_itself_and_is_named() -> None:
    given = folders()
    given["/runs/b"][f"trials/{trial_name(2)}/metrics.jsonl"] = b'{"epoch": 1}\n'
    page, report = report_of(given)
    (problem,) = page.problems
    assert problem == (
        f"/runs/b/trials/{trial_name(2)}/metrics.jsonl, line 1 could not be used, so what it holds is not shown: no "
        "finite number for loss, elapsed_s"
    )
    assert report.data["runs"][1]["trials"][2]["curve"] == []


def test_other_machines_and_other_batches_are_said() -> None:
    made = study("data-parallel", 4)
    record = made.trials[0].record
    assert record is not None
    made = changed(made, 0, record=dataclasses.replace(record, global_batch_size=16))
    other = dataclasses.replace(made, host={"name": "other"})
    page, _ = report_of(folders() | {"/runs/c": study_files(other)})
    assert page.problems[0].startswith("These runs were on different machines (box, other)")
    assert f"The global batch was not the same ({trial_name(0)}: 4 experiment-parallel" in page.words


def test_runs_of_the_same_strategy_are_told_apart() -> None:
    given = {"/runs/one": folders()["/runs/a"], "/runs/two": folders()["/runs/a"]}
    _, report = report_of(given)
    assert [run["label"] for run in report.data["runs"]] == ["experiment-parallel (one)", "experiment-parallel (two)"]
    few = {"/runs/one": folders()["/runs/a"], "/runs/two": study_files(study("experiment-parallel", 1, num_workers=2))}
    _, report = report_of(few)
    assert [run["label"] for run in report.data["runs"]] == ["experiment-parallel, 4 CPU", "experiment-parallel, 2 CPU"]


def test_the_page_fetches_nothing_and_escapes_what_it_shows() -> None:
    made = dataclasses.replace(study("experiment-parallel", 1), name="<b>&")
    page, report = report_of({"/runs/a": study_files(made)})
    assert page.addresses == ["data:,"] and "://" not in report.html.replace("http://www.w3.org/2000/svg", "")
    assert all(place.startswith("#k") for place in re.findall(r"url\((.*?)\)", report.html))
    assert "<b>&amp;" not in report.html and "&lt;b&gt;&amp;" in report.html


def test_plans_say_why() -> None:
    made = study("hybrid:2", 2)
    made = dataclasses.replace(made, plan=dict(made.plan) | {"reasons": ["two fit"]})
    page, _ = report_of({"/runs/b": study_files(made)})
    assert "plans" in page.headings and "two fit" in page.words
