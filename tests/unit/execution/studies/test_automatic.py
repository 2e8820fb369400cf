"""The plan of --strategy auto: what is measured, what is not measured again, what is chosen."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from measured_records import LIKE, record

from app import records
from app.errors import UsageError
from app.execution.studies import calibration
from app.execution.studies.automatic import automatic_plan
from app.experiment import Study
from app.planning.measured import profile_of
from app.planning.profile import Profile
from app.run_folder import run
from app.run_folder.study import PLAN
from app.run_folder.study import RECORD as STUDY_RECORD

STUDY = Study("s", tuple(replace(LIKE, name=name) for name in "abc"))
HERE: dict[str, Any] = {"versions": records.versions(), "host": {"num_cores": records.host()["num_cores"]}}


class Slots:
    total, kind = 2, "CPU core"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the trainings that were measured; each takes 2 s a step on one worker, 2.1 s on both."""
    names: list[str] = []

    def run_study(study: Study, plan: Any, setting: Any, start_s: Any) -> Any:
        names.extend(e.name for e in study.experiments)
        assert setting.measure is not None
        return records.StudyRecord("m", "finished", "m", {}, 2, "CPU", (records.Session(0, 60),), _trials(plan))

    monkeypatch.setattr(calibration, "run_study", run_study)
    monkeypatch.setattr(calibration.connection, "connect", lambda _: Slots)
    monkeypatch.setattr(calibration.connection, "num_nodes", lambda: 1)
    monkeypatch.setattr(calibration.load, "busy_cores", lambda: 1.5)
    return names


def _trials(plan: Any) -> tuple[records.StudyTrial, ...]:
    return tuple(
        records.StudyTrial(
            name, "finished", number, 0, k := stage.workers_per_trial, 100.0 * number, 100.0 * number + 50, 1,
            record=record(name, k=k, step_s=2.0 if k == 1 else 2.1, **HERE),
        )
        for number, stage in enumerate(plan.stages)
        for name in stage.trials
    )  # fmt: skip


def test_it_measures_once_and_takes_the_fastest(
    tmp_path: Path, measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    plan, left_out, _ = automatic_plan(STUDY, {}, 2, str(tmp_path / "runs"))
    assert left_out is None
    assert len(measured) == 8  # two and two side by side, one that is left; one alone; twice on both
    assert plan.strategy == "experiment-parallel"
    told = capsys.readouterr().out
    assert "chosen: experiment-parallel on 2 workers" in told
    assert "other work keeps 1.5 of 2 cores busy" in told
    assert Profile.parse((tmp_path / "runs/profile.json").read_bytes(), "p").busy_cores == 1.5
    assert automatic_plan(STUDY, {}, 2, str(tmp_path / "runs"))[:2] == (plan, None)
    assert len(measured) == 8


def test_the_time_of_a_study_is_its_command_s_unless_it_measures(tmp_path: Path, measured: list[str]) -> None:
    """As its forecast has it: with Python and Ray where nothing was measured before."""
    began_s, folder = time.time() - 60, str(tmp_path / "runs")
    *_, begins_s = automatic_plan(STUDY, {}, 2, folder, start_s=began_s)
    assert len(measured) == 8 and time.time() - 30 < begins_s <= time.time()
    profile = f"{folder}/profile.json"
    assert automatic_plan(STUDY, {}, 2, str(tmp_path / "again"), profile, start_s=began_s)[2] == began_s
    assert automatic_plan(STUDY, {}, 1, str(tmp_path / "one"), start_s=began_s)[2] == began_s


def test_a_study_that_was_begun_goes_on_by_its_plan(tmp_path: Path, measured: list[str]) -> None:
    plan, *_ = automatic_plan(STUDY, {}, 2, str(tmp_path))
    (tmp_path / "plan.json").write_text(replace(plan, strategy="by hand").to_json())
    (tmp_path / "profile.json").unlink()
    assert automatic_plan(STUDY, {}, 2, str(tmp_path))[0].strategy == "by hand"
    assert len(measured) == 8


def test_a_time_budget_holds_on_one_worker_too(tmp_path: Path, measured: list[str]) -> None:
    assert automatic_plan(STUDY, {}, 1, str(tmp_path))[0].strategy == "experiment-parallel"
    assert not measured, "with one way to run it there is nothing to choose"
    with pytest.raises(UsageError, match=r"the budget is 0\.00278 h on 1 workers"):
        automatic_plan(STUDY, {}, 1, str(tmp_path), budget_s=10.0)


def test_a_budget_cuts_a_study_says_so_and_a_larger_one_goes_on(
    tmp_path: Path, measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three trials of 49 s on one worker two fit into 160 s at the end of their interval. Once these are finished,
    in 100 s, 120 s in all are too little for the third and 230 s enough."""
    folder = str(tmp_path)
    plan, left_out, _ = automatic_plan(STUDY, {}, 1, folder, budget_s=160.0)
    assert [stage.trials for stage in plan.stages] == [("a", "b"), ("c",)]
    assert "budget: of 3 trials the first 2 fit into 0.0444 h" in capsys.readouterr().out
    assert left_out is not None
    waiting = {name: records.StudyTrial(name, "waiting", 0, 0, 1) for name in "abc"}
    assert left_out(waiting, time.time()) == []
    assert left_out(waiting, time.time() + 150) == ["a", "b", "c"]
    _, left_out, _ = automatic_plan(STUDY, {}, 1, folder, budget_s=300.0, start_s=time.time() - 260)
    assert left_out is not None
    assert left_out(waiting, time.time()) == ["a", "b", "c"], "what its command has run already counts"
    for name in "ab":
        run.RECORD.write(f"{folder}/trials/{name}", record(name, **HERE))
    ran = records.StudyRecord("s", "finished", "x", {}, 1, "CPU", (records.Session(0, 100),), ())
    STUDY_RECORD.write(folder, ran)
    with pytest.raises(UsageError, match="the budget is"):
        automatic_plan(STUDY, {}, 1, folder, budget_s=120.0)
    plan, *_ = automatic_plan(STUDY, {}, 1, folder, budget_s=230.0)
    assert [stage.trials for stage in plan.stages] == [("a", "b"), ("c",)]
    PLAN.write(folder, plan)
    run.RECORD.write(f"{folder}/trials/c", record("c", **HERE))
    capsys.readouterr()
    assert automatic_plan(STUDY, {}, 1, folder, budget_s=1.0)[:2] == (plan, None), "nothing is left to find time for"
    assert "chosen" not in capsys.readouterr().out


def test_what_the_study_s_rule_has_ended_needs_no_time_any_more(
    tmp_path: Path, measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path)
    trials = (
        records.StudyTrial("a", "stopped", 0, 0, 1, 0.0, 50.0),
        records.StudyTrial("b", "stopped", 0, 0, 1, failure="left out for want of time"),
    )
    STUDY_RECORD.write(
        folder, records.StudyRecord("s", "running", "x", {}, 1, "CPU", (records.Session(0, 50),), trials)
    )
    plan, *_ = automatic_plan(STUDY, {}, 1, folder, budget_s=500.0)
    assert [stage.trials for stage in plan.stages] == [("a",), ("b", "c")]
    assert "budget: all 2 trials fit into 0.125 h" in capsys.readouterr().out


def test_a_profile_of_other_versions_counts_for_nothing(
    tmp_path: Path, measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.json"
    slow: Callable[..., Any] = lambda k: record(k=k, step_s=9.0, **{**HERE, "versions": {"torch": "1"}})  # noqa: E731
    path.write_text(profile_of([], [slow(1), slow(2)]).to_json())
    automatic_plan(STUDY, {}, 2, str(tmp_path / "runs"), str(path))
    assert len(measured) == 8
    assert "torch 1: not here" in capsys.readouterr().out
