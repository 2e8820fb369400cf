"""What both halves of the demo share: jobs run one after the other, each shown as one would type it."""

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

STOP_S = 30.0
"""Assumed: what a job needs to end Ray."""


@dataclass(frozen=True)
class Step:
    """One job."""

    title: str
    job: list[str]
    """Name and flags of jobs/NAME.py."""
    have: Path | None = None
    """The result that an earlier demo left; the job then does not run."""


class Steps:
    """Runs jobs one after the other, each under its title and its command."""

    def __init__(self, num_steps: int) -> None:
        self._start_s = time.monotonic()
        self._number = 0
        self._num_steps = num_steps

    def elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    def run(self, step: Step) -> None:
        """Run jobs/<job>.py and wait for it.

        Raises:
            TwofoldError: the job failed; carries its exit code.
        """
        from app.console import say

        self._number += 1
        say("")
        say(f"[{self._number}/{self._num_steps}] {step.title}  ({self.elapsed_s():.0f} s so far)")
        name, *flags = step.job
        script = os.path.relpath(Path(__file__).parents[1] / f"{name}.py")
        say(f"$ {shlex.join([os.path.relpath(sys.executable), script, *flags])}")
        if step.have is not None:
            say(f"kept from before: {step.have}")
            return
        exit_code = run_process([sys.executable, script, *flags])
        if exit_code:
            raise failed(name, exit_code)


def run_process(command: list[str]) -> int:
    """Its exit code; its output goes where ours goes. Stopped by the user, it gets the time to stop well."""
    with subprocess.Popen(command) as process:

        def hand_on(number: int, frame: FrameType | None) -> None:
            process.terminate()  # a terminal's signal reaches both, that of `kill` this process alone
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, hand_on)
        try:
            return process.wait()
        except KeyboardInterrupt:
            try:
                process.wait(STOP_S)  # the terminal has sent it the same signal
            except subprocess.TimeoutExpired:
                process.terminate()
            raise


def failed(job: str, exit_code: int) -> Exception:
    """The job has said why; the demo ends with the same exit code."""
    from app.errors import TwofoldError

    error = TwofoldError(
        f"the demo stops here: jobs/{job}.py ended with exit code {exit_code}; its reason stands above"
    )
    error.exit_code = exit_code if exit_code > 0 else 1
    return error


def newer(path: Path, *than: Path) -> Path | None:
    """The path where it is there and no older than any of the others."""
    if path.exists() and all(other.exists() and path.stat().st_mtime >= other.stat().st_mtime for other in than):
        return path
    return None


def flag(name: str, values: tuple[int, ...]) -> list[str]:
    return [f"--{name}", *(str(value) for value in values)]
