"""Running jobs as a user would, on this machine and on a head."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from app.command_line import ENVIRONMENT

ROOT = Path(__file__).parents[2]
WATCHERS = {"RAY_TRAIN_ENABLE_STATE_TRACKING", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"}
LEFT_OUT = {"RAY_ADDRESS", "OMP_THREAD_LIMIT", "OMP_NUM_THREADS", *WATCHERS, *ENVIRONMENT}
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


BIN = Path(sys.executable).parent
"""Of the environment whose `python` a job's command finds."""


@dataclass(frozen=True)
class Head:
    """A head of Ray with token authentication, as `ray start --head` makes it."""

    address: str
    """Of its job server."""
    ray_address: str
    """For drivers."""
    metrics: str
    """Where its figures are read."""
    environment: dict[str, str]
    """With the token."""
    folder: Path

    def run(self, *command: str, **changes: str) -> Done:
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment | changes, capture_output=True, text=True, timeout=400
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def submit(self, *job: str) -> Done:
        return self.run(
            str(BIN / "ray"), "job", "submit", "--address", self.address, "--working-dir", ".", "--", "python", *job
        )

    def follow(self, *job: str) -> Done:
        return self.run(*self._follow, *job)

    def start(self, *job: str) -> "subprocess.Popen[str]":
        """As `follow`, without waiting."""
        out, merged = subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(
            [*self._follow, *job], cwd=ROOT, env=self.environment, stdout=out, stderr=merged, text=True
        )

    @property
    def _follow(self) -> tuple[str, ...]:
        return (sys.executable, "jobs/submit.py", "--address", self.address, "--", "python")


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])
