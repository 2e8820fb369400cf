"""Loggers in a driver's own process: without torch, killed, and without an account."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from logger_readers import read_wandb

ROOT = Path(__file__).parents[4]

pytestmark = pytest.mark.usefixtures("without_a_network")


IN_A_JOB = """
import sys
from app.execution.trials.loggers import open_loggers
told = open_loggers(sys.argv[2:], "s", sys.argv[1])
told.begin("a", {"epochs": 1}, sys.argv[1] + "/a")
told.line("a", {"step": 1, "epoch": 1, "loss": 0.5})
told.end("a", "finished")
told.close()
assert not {"torch", "ray"} & set(sys.modules), "the driver has no torch"
"""


def run_in_a_job(code: str, tmp_path: Path, *flags: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, str(tmp_path / "s"), *flags]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_a_driver_logs_without_torch_and_says_one_line(tmp_path: Path) -> None:
    uri = f"{tmp_path}/mlruns"
    done = run_in_a_job(IN_A_JOB, tmp_path, f"mlflow:{uri}", "wandb", "tensorboard")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mlflow: experiment s at {uri}\n", "")


def test_an_offline_run_has_its_lines_though_everything_is_killed(tmp_path: Path) -> None:
    kill = IN_A_JOB.replace('told.end("a", "finished")', "import os, time; time.sleep(5); os.kill(os.getpid(), 9)")
    done = run_in_a_job(kill, tmp_path, "wandb")
    assert done.returncode == -9
    assert json.loads((tmp_path / "s" / "a" / "wandb.json").read_text())["step"] == 1
    assert read_wandb(tmp_path / "s")[0] == {"a": {"epoch": {1: 1.0}, "loss": {1: 0.5}}}


def test_wandb_without_an_account_is_refused_before_anything_starts(tmp_path: Path) -> None:
    nowhere = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "WANDB_CONFIG_DIR": str(tmp_path)}
    done = run_in_a_job(IN_A_JOB, tmp_path, "wandb", WANDB_MODE="online", WANDB_API_KEY="", **nowhere)
    assert "UsageError: --log wandb: there is no account to send to; log in (wandb login), " in done.stderr
    assert not (tmp_path / "s").exists()
