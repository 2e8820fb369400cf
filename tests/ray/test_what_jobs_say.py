"""What jobs on Ray Data write to stderr: nothing, or one line for an error that a task raised, with its exit code."""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_scans import write_scans

from app.command_line import run
from app.configuration import to_dict
from app.errors import DataError, ResourceError
from app.execution.models import predict as mapping
from app.execution.models.predict import map_with_model
from app.experiment import Experiment
from app.training.checkpoint import save_best
from app.workloads.brats.commands.flags import EvaluateBrats, PredictBrats, PrepareBrats
from app.workloads.brats.task import BratsTask
from app.workloads.documents.commands.flags import PrepareDocuments
from app.workloads.volumes.network.networks import build_network
from jobs import evaluate, ocr, predict, prepare

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

Say = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scans/ and pages/ as sources, run/ a network with random weights."""
    root = tmp_path_factory.mktemp("said")
    rng = write_scans(root / "scans", 4)
    for number in range(20):
        path = root / "pages" / ("Memo", "Note")[number % 2] / f"{50000000 + number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 48), np.uint8)).save(path)
    task = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))
    experiment = Experiment(name="run", workload="brats", task=to_dict(task))
    save_best(str(root / "run/checkpoint"), build_network(task), experiment.to_dict(), {"dice": 0.1, "epoch": 1})
    return root


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Say:
    """Runs a job's command line: its exit code and all that came to stderr, from Ray's C++ too."""

    def call(arguments: Any, main: Callable[[Any], None], *flags: str | Path) -> tuple[int, str]:
        capfd.readouterr()
        try:
            run(arguments, main, [str(flag) for flag in flags], description="")
        except SystemExit as ended:
            return int(str(ended.code)), capfd.readouterr().err
        return 0, capfd.readouterr().err

    return call


def prepare_scans(say: Say, world: Path, store: Path) -> tuple[int, str]:
    return say(PrepareBrats, prepare.main, "--source", world / "scans", "--store", store, "--split", "in-order")


def test_scans_prepared_scored_and_segmented_without_a_word(say: Say, world: Path, tmp_path: Path) -> None:
    store, run_folder = tmp_path / "store", tmp_path / "run"
    shutil.copytree(world / "run", run_folder)
    assert prepare_scans(say, world, store) == (0, "")
    scoring = ("--run", run_folder, "--store", store, "--split", "train", "--workers", "2")
    assert say(EvaluateBrats, evaluate.main, *scoring) == (0, "")
    segmenting = ("--model", run_folder, "--input", world / "scans", "--out", tmp_path / "out")
    assert say(PredictBrats, predict.main, *segmenting) == (0, "")

    frame = store / "cases/BraTS2021_00001.b2nd"
    frame.write_bytes(frame.read_bytes()[:-1])
    code, said = say(EvaluateBrats, evaluate.main, *scoring)
    assert code == DataError.exit_code
    assert said.startswith(f"error: {frame} is damaged: ") and said.count("\n") == 1

    picture = tmp_path / "out/BraTS2021_00002.nii.gz"
    picture.unlink()
    picture.mkdir()
    code, said = say(PredictBrats, predict.main, *segmenting)
    assert (code, said) == (DataError.exit_code, f"error: cannot write {picture}: Is a directory\n")


def test_a_store_that_takes_no_more_ends_the_preparation(say: Say, world: Path, tmp_path: Path) -> None:
    frame = tmp_path / "store/cases/BraTS2021_00001.b2nd"
    frame.mkdir(parents=True)
    told = f"error: cannot write {frame}: Is a directory\n"
    assert prepare_scans(say, world, tmp_path / "store") == (DataError.exit_code, told)


def test_pages_prepared_and_read_without_a_word(say: Say, world: Path, tmp_path: Path) -> None:
    making = ("--source", world / "pages", "--image-size", "32", "--num-partitions", "2", "--per-class", "5")
    assert say(PrepareDocuments, prepare.main, *making, "--store", tmp_path / "store") == (0, "")
    assert say(ocr.Ocr, ocr.main, "--store", tmp_path / "store", "--source", world / "pages") == (0, "")

    shard = tmp_path / "other/images/00000.bin"
    shard.mkdir(parents=True)
    told = f"error: cannot write {shard}: Is a directory\n"
    found = say(PrepareDocuments, prepare.main, *making, "--store", tmp_path / "other")
    assert found == (DataError.exit_code, told)


def dying(flag: Path) -> Callable[[object, int], int]:
    """Kills its process at item 2, unless the flag is there, which it leaves; a closure, so that it pickles whole."""

    def apply(model: object, number: int) -> int:
        if number == 2 and not flag.exists():
            with contextlib.suppress(OSError):
                flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return apply


def test_a_worker_that_dies_costs_no_item(world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert sorted(map_with_model(str(world / "run"), dying(tmp_path / "died"), range(5), 2)) == [0, 1, 2, 3, 4]
    captured = capfd.readouterr()
    assert captured.out.count("a worker died; the ") == 1 and captured.err == ""


def test_workers_that_go_on_dying_are_given_up(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "MAX_DEATHS", 1)
    with pytest.raises(ResourceError, match="workers died 2 times, 1 of 1 items are left"):
        list(map_with_model(str(world / "run"), dying(tmp_path / "no" / "flag"), [2]))
