"""The README's promise of `ray job submit`: a head with token authentication, jobs sent to it, their exit codes."""

import json
import sys
import time
from pathlib import Path

import pytest
from running import BIN, Head

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def store(head: Head) -> Path:
    """Six small scans, prepared by jobs that run on the head."""
    raw, store = head.folder / "raw", head.folder / "store"
    made = head.follow(
        "jobs/synthesize.py", "brats", "--out", str(raw), "--num-cases", "6", "--shape", "32", "32", "24"
    )
    assert made.exit_code == 0, made.stdout + made.stderr
    assert made.stdout.count("6 cases") == 1, "the log of the job is shown, once"
    assert made.stderr == "", "nothing of Ray's client"
    prepared = head.submit("jobs/prepare.py", "brats", "--source", str(raw), "--store", str(store))
    assert prepared.exit_code == 0, prepared.stdout + prepared.stderr
    assert (store / "manifest.parquet").exists(), "absolute paths are the cluster's own"
    return store


def test_a_study_on_a_head_is_stopped_and_goes_on(head: Head, store: Path) -> None:
    task = {"patch_size": [16, 16, 16], "filters": [4, 8], "samples_per_case": 2}
    options = {"workload": "brats", "task": task, "epochs": 100, "evaluate_every_epochs": 100, "batch_size": 2}
    experiments = [{"name": name, **options, "checkpoint_every_s": 0.5} for name in ("a", "b")]
    study = head.folder / "study.json"
    study.write_text(json.dumps({"name": "s", "experiments": experiments}))
    flags = ("--study", str(study), "--store", str(store), "--runs", str(head.folder / "runs"), "--workers", "2")
    command = ("jobs/study.py", *flags, "--strategy", "experiment-parallel")
    under_way = head.start(*command)
    assert under_way.stdout is not None
    job = next(line for line in under_way.stdout if ": submitted" in line).split(":")[0]
    checkpoint = head.folder / "runs" / "s" / "trials" / "a" / "checkpoint" / "last.pt"
    until = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < until:
        time.sleep(0.2)
    head.run(str(BIN / "ray"), "job", "stop", "--address", head.address, job)
    log, _ = under_way.communicate(timeout=120)
    assert under_way.returncode == 130, log
    assert "\x1b[" not in log, "plain lines, no live table"
    again = head.follow(*command)
    assert again.exit_code == 0, again.stdout + again.stderr
    assert "2 of 2 trials finished" in again.stdout
    for name in ("a", "b"):
        lines = (head.folder / "runs" / "s" / "trials" / name / "steps.jsonl").read_text().splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        assert steps == list(range(1, len(steps) + 1)), "every step once"
    record = json.loads((head.folder / "runs" / "s" / "record.json").read_text())
    assert len(record["sessions"]) == 2 and record["status"] == "finished"


def test_a_job_that_fails_says_why_and_with_its_own_code(head: Head) -> None:
    wrong = ("jobs/prepare.py", "brats", "--source", str(head.folder / "nothing"), "--store", str(head.folder / "s"))
    by_ray, followed = head.submit(*wrong), head.follow(*wrong)
    assert by_ray.exit_code == 1
    assert followed.exit_code in (2, 3), followed.stdout + followed.stderr
    assert "nothing" in followed.stdout
    (line,) = followed.stderr.splitlines()
    assert line.endswith(f"Job entrypoint command failed with exit code {followed.exit_code}")


def test_without_the_token_nothing_is_submitted(head: Head) -> None:
    refused = head.run(
        sys.executable, "jobs/submit.py", "--address", head.address, "--", "python", "-c", "0", RAY_AUTH_MODE="disabled"
    )
    assert refused.exit_code == 4, refused.stdout + refused.stderr
    assert "RAY_AUTH_MODE=token" in refused.stderr
    assert "Traceback" not in refused.stderr
