"""Seen from outside: Tune's actors and TorchTrainer's workers train, Ray Data reads; a study has one arithmetic."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ray import tune

TOY = Path(__file__).parents[1] / "unit" / "training"
sys.path.insert(0, str(TOY))  # Ray's workers get the driver's path

from toy import toy_experiment  # noqa: E402

from app.execution.studies.study import StudySetting, run_study  # noqa: E402
from app.experiment import Study  # noqa: E402
from app.planning.plan import Plan, Stage  # noqa: E402
from app.records import StudyRecord  # noqa: E402

pytestmark = pytest.mark.ray

MIXED = Plan("s", 2, "mixed", (Stage(2, 1, ("a", "b")), Stage(1, 2, ("c", "d", "e"))))
OTHER = Plan("s", 2, "other", (Stage(1, 2, ("a", "b", "c", "d", "e")),))


def study(**task: str) -> Study:
    trials = [
        dataclasses.replace(
            toy_experiment(seed=number, channels_last="auto", task=task), name=name, workload="fickle:FickleWorkload"
        )
        for number, name in enumerate("abcde")
    ]
    return Study("s", tuple(trials))


def run(made: Study, folder: Path, plan: Plan, numerics: str | None = None) -> StudyRecord:
    return run_study(made, plan, StudySetting(str(folder), {"": str(folder.parent)}, numerics=numerics))


def layouts(record: StudyRecord) -> set[Any]:
    assert record.status == "finished"
    return {trial.record.numerics["channels_last"] for trial in record.trials if trial.record is not None}


def test_tune_and_train_run_a_study_by_one_arithmetic(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[Any] = []
    fit = tune.Tuner.fit
    monkeypatch.setattr(tune.Tuner, "fit", lambda tuner: results.append(fit(tuner)) or results[-1])
    log, folder = tmp_path / "titles", tmp_path / "mixed"
    record = run(study(title_log=str(log)), folder, MIXED)
    titles = {tuple(line.split(" ", 1)) for line in log.read_text().splitlines()}
    trains = {title.split(".")[0] for what, title in titles if what == "trains"}
    assert trains == {"ray::RayTrainWorker", "ray::ResourceTrainable"}, "TorchTrainer's workers, and Tune's actors"
    assert any("MapBatches(load)" in title for what, title in titles if what == "reads"), "Ray Data's tasks"

    (chosen,) = layouts(record)
    (kept,) = (folder / "numerics").iterdir()
    assert json.loads(kept.read_text())["channels_last"] is chosen
    told = {result.path: result for result in results[0]}
    assert len(told) == 5
    for result in told.values():
        assert result.metrics["epoch"] == 3 and "accuracy" in result.metrics
        assert (Path(result.checkpoint.path) / "last.pt").exists() and str(folder / "trials") in result.checkpoint.path

    # As if all had been killed in the middle of two of them: what is measured again counts for nothing.
    for name in "be":
        (folder / "trials" / name / "record.json").unlink()
        (folder / "trials" / name / "checkpoint" / "last.pt").unlink()
    assert layouts(run(study(title_log=str(log)), folder, OTHER)) == {chosen}
    assert layouts(run(study(title_log=str(log)), tmp_path / "other", OTHER, numerics=str(folder))) == {chosen}
