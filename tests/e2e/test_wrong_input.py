"""Wrong input ends a job with one clear line and the exit code that docs/run-folders.md names, as its user
sees it; more of them, in process, in tests/unit/jobs."""

from pathlib import Path

import pytest
from running import Demo, Done, run_job


def error_line(done: Done) -> str:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    store = tmp_path / "nothing"
    done = run_job("train", "brats", "--store", store, "--runs", tmp_path / "runs", "--launcher", "local")
    assert done.exit_code == 3
    assert str(store) in error_line(done)
    assert "prepare" in error_line(done)


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
