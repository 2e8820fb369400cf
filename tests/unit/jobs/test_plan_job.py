"""jobs/plan.py: from the records of finished runs to a plan that jobs/study.py reads."""

import json
import subprocess
import sys
from pathlib import Path

from app.experiment import Experiment
from app.planning.plan import Plan, check
from app.planning.search import study_of
from app.records import Timings, TrialRecord
from app.run_folder.run import RECORD

ROOT = Path(__file__).parents[3]
TRIAL = {"workload": "brats", "batch_size": 2, "epochs": 1}
STUDY = {"name": "three", "experiments": [{**TRIAL, "name": name} for name in "abc"]}


def write_run(folder: Path, k: int, step_s: float) -> None:
    record = TrialRecord(
        name="a", status="finished", experiment=Experiment.from_dict({**TRIAL, "name": "a"}).to_dict(), store="s",
        num_workers=k, launcher="local", device="cpu", global_batch_size=2, num_steps=10, num_parameters=1000,
        numerics={}, timings=Timings(startup_s=5, step_s=step_s * 8, num_timed_steps=8), samples_per_s=None,
        samples_per_s_per_worker=None, waiting_share=None, binding_limit="device", metrics={}, host={"num_cores": 2},
    )  # fmt: skip
    folder.mkdir()
    (folder / "record.json").write_text(RECORD.text(record))


def run(folder: Path, *flags: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "jobs/plan.py"), "--study", "study.json", *flags]
    (folder / "study.json").write_text(json.dumps(STUDY))
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )


def test_from_runs_to_a_plan(tmp_path: Path) -> None:
    write_run(tmp_path / "one", 1, 100.0)
    write_run(tmp_path / "both", 2, 60.0)
    flags = ("--workers", "1", "2", "--price-per-worker-hour", "3")
    done = run(tmp_path, *flags, "--profile-from", "one", "both", "--save-profile", "profile.json")
    assert done.returncode == 0, done.stderr
    plan = Plan.from_json((tmp_path / "plan.json").read_text())
    check(plan, study_of(STUDY))
    # on two: one each 2 x 1000 + 5 s, both on each 3 x 600 + 5 s, two at once and then the third on both 1610 s
    assert [(s.workers_per_trial, len(s.trials)) for s in plan.stages] == [(1, 2), (2, 1)]
    assert "chosen for least time: mixed:1+2 on 2 workers" in done.stdout
    assert "2.68" in done.stdout  # 1610 s x 2 workers at 3 an hour
    again = run(tmp_path, *flags, "--profile", "profile.json", "--objective", "cost")
    assert again.returncode == 0, again.stderr
    assert Plan.from_json((tmp_path / "plan.json").read_text()).num_workers == 1  # 3005 worker-seconds; 3220 on two


def test_what_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "one", 1, 100.0)
    neither = run(tmp_path, "--workers", "2")
    assert (neither.returncode, "wanted --profile FILE or --profile-from" in neither.stderr) == (2, True)
    late = run(tmp_path, "--workers", "2", "--profile-from", "one", "--deadline-h", "0.01")
    assert (late.returncode, "--deadline-h: got 0.01 h" in late.stderr) == (2, True)
    assert not (tmp_path / "plan.json").exists()
