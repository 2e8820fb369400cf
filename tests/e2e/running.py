"""Running jobs as a user would."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from app.command_line import ENVIRONMENT

ROOT = Path(__file__).parents[2]
LEFT_OUT = {"RAY_ADDRESS", "OMP_THREAD_LIMIT", "OMP_NUM_THREADS", *ENVIRONMENT}
"""Of the environment: what tests/conftest.py and other tests of this process have set, and no user has."""


def users_environment() -> dict[str, str]:
    """What a job finds that a user starts."""
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT}


@dataclass(frozen=True)
class Done:
    """A job that has ended."""

    exit_code: int
    stdout: str
    stderr: str


def run_job(name: str, *flags: str | Path, timeout_s: float = 120) -> Done:
    """Run a job as a user would, from the repository's folder."""
    command = [sys.executable, f"jobs/{name}" if name == "demo" else f"jobs/{name}.py", *(str(flag) for flag in flags)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=users_environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that a job that takes too long ends with everything it started
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Done(process.returncode, stdout, stderr)


@dataclass(frozen=True)
class Demo:
    """A quick demo that has run once."""

    runs: Path
    run: Path
    store: Path
    done: Done
