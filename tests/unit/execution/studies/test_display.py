"""What a study shows of itself: cells of the table and when it will end."""

import dataclasses
import io
from typing import Any

import pytest
from measured_records import record
from rich.console import Console

from app.execution.studies.display import StudyDisplay, row, summary
from app.execution.studies.eta import study_eta_s
from app.execution.studies.state import StudyState
from app.experiment import Experiment, Study
from app.planning.plan import Expected, Plan, Stage, plan_of_strategy


def state(num_trials: int = 6) -> StudyState:
    study = Study("s", tuple(Experiment(name=f"t{i}", workload="w") for i in range(num_trials)))
    return StudyState(study, plan_of_strategy(study, "experiment-parallel", 2), {}, None, 0.0, "CPU")


def status(eta_s: float | None) -> dict[str, Any]:
    return {
        "epoch": 2,
        "epochs": 5,
        "loss": 0.25,
        "best_score": None,
        "samples_per_s": 3.456,
        "waiting_share": 0.021,
        "eta_s": eta_s,
    }


def test_eta_takes_the_mean_trial_for_those_to_come() -> None:
    s = state()
    assert study_eta_s(s, {"t0": 0.0, "t1": 0.0}, {"t0": {}, "t1": {}}, 2, now_s=10.0) is None
    # t0 has run 10 s and will run 30 more: 40 s a trial. t1 says nothing yet: 30 s left. Four to come: 160 s on 2.
    statuses = {"t0": status(30.0), "t1": {}}
    assert study_eta_s(s, {"t0": 0.0, "t1": 0.0}, statuses, 2, now_s=10.0) == pytest.approx((30 + 30 + 160) / 2)
    # Fewer at a time than the plan has places for: of one lane 30 s, then five trials.
    assert study_eta_s(s, {"t0": 0.0}, {"t0": status(30.0)}, 1, now_s=10.0) == pytest.approx(30 + 5 * 40)
    one = state(1)
    assert study_eta_s(one, {"t0": 0.0}, {"t0": status(30.0)}, 2, now_s=10.0) == 30.0, "the last trial is not shared"


def test_eta_holds_what_the_plan_expects_against_what_trials_have_taken() -> None:
    """Expected: a 20 s, b 40 s on one each, c 10 s on both. Nothing known: 40 s and 10 s. With a's end after 30 s, half
    as much again: b has 60 - 30 s to go, then c 15 s."""
    study = Study("s", tuple(Experiment(name=name, workload="w", batch_size=2) for name in "abc"))
    said = Expected(50.0, 45.0, 55.0, {}, {"a": 20.0, "b": 40.0, "c": 10.0})
    plan = Plan("s", 2, "mixed:1+2", (Stage(1, 2, ("a", "b")), Stage(2, 1, ("c",))), expected=said)
    s = StudyState(study, plan, {}, None, 0.0, "CPU")
    assert study_eta_s(s, {"a": 0.0, "b": 0.0}, {"a": {}, "b": {}}, 2, now_s=0.0) == pytest.approx(50.0)
    s.begin("a", 0, 0.0)
    s.finish("a", record("a"), (), 30.0)
    assert study_eta_s(s, {"b": 0.0}, {"b": {}}, 1, now_s=30.0) == pytest.approx(30.0 + 15.0)


def test_a_row_says_what_is_known() -> None:
    s = state()
    assert row(s.trials["t0"], {}) == {"trial": "t0", "stage": "1", "k": "1", "state": "starting"}
    running = row(s.trials["t0"], status(61.4))
    assert running["state"] == "running" and running["epoch"] == "2/5" and running["loss"] == "0.2500"
    assert running["samples/s"] == "3.46" and running["waiting"] == "2%" and running["ETA"] == "61 s"
    assert "score" not in running
    assert row(s.trials["t0"], None)["state"] == "waiting"
    silent = row(s.trials["t0"], status(61.4), "w1 (10.0.0.2)")
    assert silent == {**running, "state": "no sign of w1 (10.0.0.2)"}


def test_what_a_plan_calls_its_strategy_is_text() -> None:
    s = state(1)
    s.plan = dataclasses.replace(s.plan, strategy="[/x]")
    screen = io.StringIO()
    display = StudyDisplay(s, lambda _: {})
    display.silent = {"t0": "[bold]host\x1b[2J"}
    Console(file=screen, width=200).print(display._table({"t0": status(1.0)}))
    assert "s, [/x]: 0/1 finished" in screen.getvalue()
    assert r"no sign of [bold]host\x1b[2J" in screen.getvalue()


def test_the_summary_counts() -> None:
    assert summary(state(), 2, None) == "0/6 finished, 2 running"
    assert summary(state(), 2, None, 1) == "0/6 finished, 2 running (1 without a sign)"
    assert summary(state(), 0, 12.3) == "0/6 finished, ETA 12 s"
