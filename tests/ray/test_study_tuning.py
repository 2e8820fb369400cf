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

from app.execution.studies.study import StudySetting, run_study  # noqa: E402
from app.experiment import OptimizerConfig, Study  # noqa: E402
from app.planning.plan import plan_of_strategy  # noqa: E402
from app.records import StudyRecord  # noqa: E402
from app.reporting.study.report import build_study_report  # noqa: E402
from app.reporting.study.study_files import is_wanted  # noqa: E402
from app.scheduling import Scheduler  # noqa: E402
from app.search_space import Range, Search  # noqa: E402

pytestmark = pytest.mark.ray

RATE = "optimizer.learning_rate"
NAMES = ("000", "001", "002", "003", "004")


def study(**changes: Any) -> Study:
    trials = [dataclasses.replace(toy_experiment(epochs=2), name=name, workload="toy:ToyWorkload") for name in NAMES]
    parameters = {RATE: Range(1e-3, 1.0, log=True), "task.num_rows": (12, 20)}
    search = Search("optuna", parameters, NAMES, {"n_startup_trials": 2})
    return dataclasses.replace(Study("s", tuple(trials), search=search), **changes)


def run(made: Study, folder: Path, strategy: str, num_workers: int = 2) -> StudyRecord:
    plan = plan_of_strategy(made, strategy, num_workers)
    return run_study(made, plan, StudySetting(str(folder), {"": str(folder.parent)}, feeding="worker"))


def plain(folder: Path, name: str, file: str) -> Any:
    return json.loads((folder / "trials" / name / file).read_text())


@pytest.mark.parametrize(("first", "second"), [("experiment-parallel", "data-parallel"), ("data-parallel", "hybrid:1")])
def test_a_trial_keeps_its_values_under_another_plan(
    ray_cluster: None, tmp_path: Path, first: str, second: str
) -> None:
    folder = tmp_path / "run"
    before = run(study(), folder, first)
    assert before.status == "finished"
    chosen = {name: plain(folder, name, "suggested.json")["values"] for name in NAMES}
    assert len({values[RATE] for values in chosen.values()}) == 5
    # As if all had been killed in the middle of 003.
    (folder / "trials" / "003" / "record.json").unlink()
    record = run(study(), folder, second)
    assert [trial.num_attempts for trial in record.trials] == [1, 1, 1, 2, 1]
    for trial in record.trials:
        assert trial.record is not None
        values = plain(folder, trial.name, "suggested.json")["values"]
        assert values == chosen[trial.name]
        options = plain(folder, trial.name, "config.json")
        assert options == trial.record.experiment
        assert (options["optimizer"]["learning_rate"], options["task"]["num_rows"]) == (*values.values(),)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = build_study_report({"run": {name: files[name] for name in files if is_wanted(name)}})
    assert set(report.data["varied_options"]) == {RATE, "task.num_rows"} and not report.data["runs"][0]["problems"]


def test_a_search_goes_on_where_it_was_killed_and_repeats_no_point(ray_cluster: None, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begun = Display(folder, "002")
    with pytest.raises(KeyboardInterrupt), begun:
        run(study(), folder, "experiment-parallel", 1)
    chosen = {name: plain(folder, name, "suggested.json")["values"] for name in NAMES[:2]}
    record = run(study(), folder, "experiment-parallel", 1)
    assert record.status == "finished"
    values = [plain(folder, name, "suggested.json")["values"] for name in NAMES]
    assert values[:2] == [*chosen.values()]
    assert len({value[RATE] for value in values}) == 5, "none is drawn twice"


class Display:
    """Kills the driver when a trial is about to begin."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name, self._patch = name, pytest.MonkeyPatch()

    def __enter__(self) -> None:
        from app.execution.studies.trials import StudyTrials

        begin = StudyTrials.begin

        def dying(trials: StudyTrials, name: str) -> None:
            if name == self._name:
                raise KeyboardInterrupt
            begin(trials, name)

        self._patch.setattr(StudyTrials, "begin", dying)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


RATES = (0.3, 0.1, 1e-4, 1e-5)


def scheduled(name: str, **options: Any) -> Study:
    """Four trials, of which the last two learn nothing."""
    trials = [
        dataclasses.replace(
            toy_experiment(epochs=4, optimizer=OptimizerConfig(learning_rate=rate)),
            name=f"rate={rate:g}",
            workload="toy:ToyWorkload",
        )
        for rate in RATES
    ]
    return Study("s", tuple(trials), scheduler=Scheduler(name, options))


def num_epochs(folder: Path, name: str) -> int:
    return len((folder / "trials" / name / "metrics.jsonl").read_text().splitlines())


@pytest.mark.parametrize("plan", ["experiment-parallel", "data-parallel"])
def test_asha_stops_trials_and_a_restart_does_not_revive_them(ray_cluster: None, tmp_path: Path, plan: str) -> None:
    made, folder = scheduled("asha", grace_period=1, reduction_factor=2), tmp_path / "run"
    record = run(made, folder, plan)
    assert record.status == "finished"
    stopped = [trial for trial in record.trials if trial.status == "stopped"]
    finished = [trial for trial in record.trials if trial.status == "finished"]
    assert stopped and finished and len(stopped) + len(finished) == 4
    before = {trial.name: num_epochs(folder, trial.name) for trial in stopped}
    for trial in stopped:
        line = json.loads((folder / "trials" / trial.name / "metrics.jsonl").read_text().splitlines()[-1])
        assert plain(folder, trial.name, "stopped.json")["score"] == line["accuracy"] and line["epoch"] < 4
    assert [num_epochs(folder, trial.name) for trial in finished] == [4] * len(finished)
    # As if all had been killed before the last one ended: the rungs have to be known again.
    last = finished[-1]
    (folder / "trials" / last.name / "record.json").unlink()
    (folder / "record.json").unlink()
    again = run(made, folder, "experiment-parallel")
    assert {trial.name: trial.status for trial in again.trials} == {t.name: t.status for t in record.trials}
    assert {trial.name: num_epochs(folder, trial.name) for trial in stopped} == before


def test_median_stopping_ends_trials_below_the_median(ray_cluster: None, tmp_path: Path) -> None:
    record = run(scheduled("median_stopping_rule", min_samples_required=1), tmp_path / "run", "experiment-parallel")
    statuses = [trial.status for trial in record.trials]
    assert record.status == "finished" and "stopped" in statuses and "finished" in statuses
