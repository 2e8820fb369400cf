"""Wrong input ends a job with one clear line and the exit code that docs/run-folders.md names."""

from pathlib import Path

import pytest
from running import Demo, Done, run_job


def error_line(done: Done) -> str:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


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
def test_an_unknown_flag_names_the_nearest(flags: tuple[str, ...], wrong: str, nearest: str) -> None:
    done = run_job(*flags)
    assert done.exit_code == 2
    assert wrong in done.stderr
    assert nearest in done.stderr


@pytest.mark.parametrize("job", ["train", "evaluate", "report", "prepare"])
def test_help_says_what_the_job_does(job: str) -> None:
    done = run_job(job, "--help")
    assert done.exit_code == 0
    assert "usage: jobs/" in done.stdout


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    store = tmp_path / "nothing"
    done = run_job("train", "brats", "--store", store, "--runs", tmp_path / "runs", "--launcher", "local")
    assert done.exit_code == 3
    assert str(store) in error_line(done)
    assert "prepare" in error_line(done)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    done = run_job("prepare", "brats", "--source", tmp_path / "nothing", "--store", tmp_path / "store")
    assert done.exit_code == 3
    assert str(tmp_path / "nothing") in error_line(done)
    assert not (tmp_path / "store").exists()


def test_a_folder_without_a_run_is_no_run(tmp_path: Path) -> None:
    done = run_job("report", "--run", tmp_path)
    assert done.exit_code == 3
    assert "holds no run" in error_line(done)


def test_workers_that_do_not_divide_the_batch(tmp_path: Path) -> None:
    flags = ("--store", tmp_path, "--runs", tmp_path / "runs", "--workers", "3", "--batch-size", "8")
    done = run_job("train", "brats", *flags)
    assert done.exit_code == 2
    assert "[1, 2, 4, 8]" in error_line(done)


@pytest.mark.timeout(1500)
def test_more_workers_than_the_machine_has(demo: Demo, tmp_path: Path) -> None:
    flags = ("--store", demo.store, "--runs", tmp_path, "--workers", "4096", "--batch-size", "4096")
    done = run_job("train", "brats", *flags)
    assert done.exit_code == 4
    assert "4096 workers asked for" in error_line(done)
    assert "CPU core" in error_line(done)


@pytest.mark.timeout(1500)
def test_another_experiment_does_not_overwrite_a_run(demo: Demo) -> None:
    before = (demo.run / "record.json").read_bytes()
    flags = ("--store", demo.store, "--runs", demo.runs, "--name", "demo", "--launcher", "local")
    done = run_job("train", "brats", *flags)
    assert done.exit_code == 2
    assert "holds another experiment" in error_line(done)
    assert (demo.run / "record.json").read_bytes() == before
