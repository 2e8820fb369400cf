"""Tuned studies on Ray: values are chosen when a trial begins, kept through a restart, and shown by the report."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

TOY = Path(__file__).parents[1] / "unit" / "training"
sys.path.insert(0, str(TOY))  # Ray's workers get the driver's path

from toy import toy_experiment  # noqa: E402

from app.execution.study import StudySetting, run_study  # noqa: E402
from app.experiment import EarlyStopping, Study  # noqa: E402
from app.planning.plan import plan_of_strategy  # noqa: E402
from app.records import StudyRecord  # noqa: E402
from app.reporting.study_files import is_wanted  # noqa: E402
from app.reporting.study_report import build_study_report  # noqa: E402
from app.search_space import Range, Tuning  # noqa: E402

pytestmark = pytest.mark.ray

RATE = "optimizer.learning_rate"
NAMES = ("000", "001", "002", "003", "004")


def study(**changes: Any) -> Study:
    trials = [dataclasses.replace(toy_experiment(epochs=2), name=name, workload="toy:ToyWorkload") for name in NAMES]
    rule = Tuning({RATE: Range(1e-3, 1.0, log=True), "task.num_rows": (12, 20)}, NAMES, num_random=2)
    return dataclasses.replace(Study("s", tuple(trials), tuning=rule), **changes)


def run(made: Study, folder: Path, strategy: str) -> StudyRecord:
    plan = plan_of_strategy(made, strategy, 2)
    return run_study(made, plan, StudySetting(str(folder), {"": str(folder.parent)}))


def plain(folder: Path, name: str, file: str) -> Any:
    return json.loads((folder / "trials" / name / file).read_text())


@pytest.mark.parametrize(("first", "second"), [("experiment-parallel", "data-parallel"), ("data-parallel", "hybrid:1")])
def test_a_trial_keeps_its_values_under_another_plan(
    ray_cluster: None, tmp_path: Path, first: str, second: str
) -> None:
    folder = tmp_path / "run"
    before = run(study(), folder, first)
    assert before.status == "finished"
    chosen = {name: plain(folder, name, "suggested.json") for name in NAMES}
    assert len({values[RATE] for values in chosen.values()}) == 5
    # As if all had been killed in the middle of 003.
    (folder / "trials" / "003" / "record.json").unlink()
    record = run(study(), folder, second)
    assert [trial.num_attempts for trial in record.trials] == [1, 1, 1, 2, 1]
    for trial in record.trials:
        assert trial.record is not None
        values = plain(folder, trial.name, "suggested.json")
        assert values == chosen[trial.name]
        options = plain(folder, trial.name, "config.json")
        assert options == trial.record.experiment
        assert (options["optimizer"]["learning_rate"], options["task"]["num_rows"]) == (*values.values(),)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = build_study_report({"run": {name: files[name] for name in files if is_wanted(name)}})
    assert set(report.data["varied_options"]) == {RATE, "task.num_rows"} and not report.data["runs"][0]["problems"]


def test_trials_that_are_stopped_early_are_told_with_their_score(ray_cluster: None, tmp_path: Path) -> None:
    record = run(study(early_stopping=EarlyStopping(first_epochs=1, reduction=2)), tmp_path / "run", "data-parallel")
    assert record.status == "finished" and len(list((tmp_path / "run").rglob("suggested.json"))) == 5
    stopped = [trial.name for trial in record.trials if trial.status == "stopped"]
    assert stopped
    for name in stopped:
        line = json.loads((tmp_path / "run" / "trials" / name / "metrics.jsonl").read_text().splitlines()[0])
        assert plain(tmp_path / "run", name, "stopped.json")["score"] == line["accuracy"]
