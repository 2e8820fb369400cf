"""Flags on patients, splits and voxel sizes reach what they are for."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from app.command_line import run
from app.errors import UsageError
from app.workloads.brats.commands.flags import EvaluateBrats, PredictBrats, PrepareBrats
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.source.patients import SplitOptions
from app.workloads.volumes.store.build_store import VoxelOptions

OpenJob = Callable[[str], ModuleType]


@pytest.mark.parametrize(
    ("flags", "split", "voxels"),
    [
        ((), SplitOptions(), VoxelOptions()),
        (
            ("--split", "folds", "--num-folds", "4", "--fold", "3", "--seed", "9", "--patients", "none"),
            SplitOptions("folds", 9, 4, 3, patients="none"),
            VoxelOptions(),
        ),
        (
            ("--splits", "/data/splits.csv", "--patients", "/data/patients.csv", "--spacing-mm", "1", "2", "5"),
            SplitOptions(splits="/data/splits.csv", patients="/data/patients.csv"),
            VoxelOptions(spacing_mm=(5.0, 2.0, 1.0)),
        ),
        (("--no-resampling",), SplitOptions(), VoxelOptions(resampling=False)),
    ],
)
def test_prepare(
    open_job: OpenJob,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    split: SplitOptions,
    voxels: VoxelOptions,
) -> None:
    job = open_job("prepare")
    seen: list[Any] = []

    def plan_store(source: Any, store: str, split: Any, **options: Any) -> None:
        seen.extend([split, options["voxels"]])
        raise UsageError("enough")

    monkeypatch.setattr("app.workloads.brats.store.plan.plan_store", plan_store)
    monkeypatch.setattr("app.workloads.brats.store.plan.find_labelled", lambda *_: None)
    monkeypatch.setattr("app.workloads.brats.source.label_choice.choose_codes", lambda *_: None)
    with pytest.raises(SystemExit):
        run(PrepareBrats, job.main, ["--source", "/s", "--store", "/t", *flags], job.__doc__)
    assert seen == [split, voxels]


def test_a_voxel_size_of_nothing_is_refused(open_job: OpenJob, capsys: pytest.CaptureFixture[str]) -> None:
    job = open_job("prepare")
    flags = ["--source", "/s", "--store", "/t", "--spacing-mm", "1", "0", "1"]
    with pytest.raises(SystemExit) as ended:
        run(PrepareBrats, job.main, flags, job.__doc__)
    assert ended.value.code == 2
    assert "--spacing-mm: got (1.0, 0.0, 1.0), expected three positive lengths in mm" in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "options"), [((), {}), (("--no-resampling",), {"resampling": False})])
def test_evaluate_and_predict(
    open_job: OpenJob,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    flags: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    seen: list[Any] = []

    def evaluate_run(*arguments: Any) -> None:
        seen.append(arguments[5])
        raise UsageError("enough")

    def map_with_model(*arguments: Any) -> None:
        seen.append(arguments[5])
        raise UsageError("enough")

    monkeypatch.setattr("app.execution.models.evaluate.evaluate_run", evaluate_run)
    monkeypatch.setattr("app.execution.models.predict.map_with_model", map_with_model)
    job = open_job("evaluate")
    with pytest.raises(SystemExit):
        run(EvaluateBrats, job.main, ["--run", "/r", "--store", "/t", *flags], job.__doc__)
    predict = open_job("predict")
    monkeypatch.setattr("app.execution.models.model.load_model_of", lambda *_: SimpleNamespace(task=BratsTask()))
    monkeypatch.setattr("app.workloads.brats.commands.predict.plan_predictions", lambda *_: [])
    with pytest.raises(SystemExit):
        run(
            PredictBrats,
            predict.main,
            ["--model", "/m", "--input", "/i", "--out", str(tmp_path), *flags],
            predict.__doc__,
        )
    assert seen == [options, options]
