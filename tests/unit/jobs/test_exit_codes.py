"""Each job ends with the exit code that docs/run-folders.md names for what went wrong, told in one line."""

import json
from pathlib import Path

import pytest
from ending import Ending
from small_scans import make_store

USAGE, DATA, RESOURCES, TRAINING = 2, 3, 4, 5
SMALL = ("--task.filters", "4", "8", "--task.patch-size", "8", "8", "8", "--batch-size", "1", "--epochs", "1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("synthesize", "brats", "--out", "{}/new", "--num-processes", "0"), USAGE, "--num-processes: got 0"),
        (("synthesize", "brats", "--out", "{}/file/new"), DATA, "{}/file"),
        (("fetch", "msd-brain", "--out", "{}/new", "--source", "file:///{}/nowhere.tar"), DATA, "{}/nowhere.tar"),
        (("vocabulary", "--store", "{}/nowhere", "--out", "{}/new"), DATA, "store {}/nowhere does not exist"),
        (("vocabulary", "--store", "{}", "--out", "s3://bucket/new"), USAGE, "--out: got s3://bucket/new"),
        (("report", "--run", "{}/nowhere"), DATA, "{}/nowhere"),
        (("report", "--run", "{}"), DATA, "holds no run"),
        (("report", "--run", "a", "--study", "b"), USAGE, "expected the folder of one training or those of one study"),
        (("study", "--recipe", "brats-smoke", "--strategy", "hybrid:x", "--store", "{}"), USAGE, "got 'hybrid:x'"),
        (("calibrate", "--recipe", "brats-smok", "--store", "{}", "--out", "{}/p.json"), USAGE, "mean 'brats-smoke'"),
        (
            ("calibrate", "--recipe", "brats-smoke", "--store", "{}", "--workers", "0", "--out", "{}/p"),
            USAGE,
            "--workers: got 0",
        ),
        (("study", "--study", "{}/none.json", "--strategy", "data-parallel", "--store", "{}"), DATA, "{}/none.json"),
        (("study", "--recipe", "no", "--strategy", "data-parallel", "--store", "{}"), USAGE, "--recipe: got 'no'"),
        (("cluster", "up", "--file", "{}/none.yaml"), USAGE, "{}/none.yaml"),
    ],
)
def test_wrong_input(ending: Ending, tmp_path: Path, flags: tuple[str, ...], code: int, told: str) -> None:
    (tmp_path / "file").write_text("no folder")
    found, line = ending(*(flag.format(tmp_path) for flag in flags))
    assert (found, line.count("\n")) == (code, 1), line
    assert line.startswith("error: ")
    assert told.format(tmp_path) in line


@pytest.mark.parametrize(
    ("flags", "wrong", "nearest"),
    [
        (("train", "brats", "--store", "s", "--epoch", "3"), "--epoch", "--epochs"),
        (("prepare", "brats", "--sorce", "a", "--store", "b"), "--sorce", "--source"),
        (
            ("prepare", "documents", "--source", "a", "--store", "b", "--image-sise", "9"),
            "--image-sise",
            "--image-size",
        ),
        (("report", "--rn", "a"), "--rn", "--run"),
        (("demo", "--quik"), "--quik", "--quick"),
    ],
)
def test_an_unknown_flag_names_the_nearest(ending: Ending, flags: tuple[str, ...], wrong: str, nearest: str) -> None:
    code, told = ending(*flags)
    assert code == USAGE
    assert wrong in told and nearest in told


def test_a_training_that_can_not_go_on(ending: Ending, store: Path, tmp_path: Path) -> None:
    rate = ("--optimizer.name", "sgd", "--optimizer.learning-rate", "1e38", "--optimizer.clip-norm", "None")
    flags = ("--store", store, "--runs", tmp_path, "--launcher", "local", *SMALL, "--precision", "fp32", *rate)
    code, line = ending("train", "brats", *flags)
    assert code == TRAINING, line
    assert line.startswith("error: the ") and line.count("\n") == 1
    assert " at step " in line and "the last good checkpoint is kept" in line
    assert json.loads((tmp_path / "train" / "failure.json").read_text())["status"] == "failed"


def test_a_machine_without_the_program_that_reads_text(
    ending: Ending, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.data.store.manifest import write_manifest

    (tmp_path / "source").mkdir()
    write_manifest(str(tmp_path / "store"), [{"id": "a", "source": "a.png", "label": 0, "crc32": 0}])
    monkeypatch.setenv("PATH", str(tmp_path))
    code, line = ending("ocr", "--store", tmp_path / "store", "--source", tmp_path / "source", "--launcher", "local")
    assert (code, line.count("\n")) == (RESOURCES, 1), line
    assert "tesseract" in line
