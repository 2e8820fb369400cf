"""A side of a comparison in a process of its own: its own interpreter, its own threads, perhaps one core.

The parent asks for one round after the other, so that two sides take turns within one run while start-up, imports and
caches of each stay out of the numbers. One JSON object a line: commands on stdin, answers on a pipe of their own, so
that whatever a library prints cannot disturb them.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.common import ROOT

ANSWERS = "TWOFOLD_BENCH_ANSWERS"
"""Environment variable with the file descriptor that takes the answers."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "BLOSC_NTHREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
}
"""A fair core: no side may use a second one through a library's threads."""


class SideError(RuntimeError):
    """The side failed; its trace is the message."""


class Side:
    """A running side; `with Side(...) as side: side.call("round", ...)`."""

    def __init__(
        self,
        module: str,
        arguments: tuple[str, ...] = (),
        python: str | Path = sys.executable,
        core: int | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        """Start `python -m module arguments` in the repository; `core` pins it and its children to one core."""
        read_end, write_end = os.pipe()
        variables = {**os.environ, **(environment or {}), ANSWERS: str(write_end), "PYTHONUNBUFFERED": "1"}
        self._log = log.open("w") if log is not None else None
        self._process = subprocess.Popen(
            [str(python), "-m", module, *arguments],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=self._log or subprocess.DEVNULL,
            stderr=self._log or None,
            pass_fds=[write_end],
            text=True,
        )
        os.close(write_end)
        if core is not None:
            os.sched_setaffinity(self._process.pid, {core})
        self._answers = os.fdopen(read_end)
        self._name = module

    def call(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run one command there and wait for its answer.

        Raises:
            SideError: the command failed or the process ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        if not line:
            raise SideError(f"{self._name} ended with exit code {self._process.wait()} while it ran {command!r}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(f"{self._name} failed in {command!r}:\n{answer['error']}")
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> "Side":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(commands: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """The other end: answer commands until stdin closes."""
    with os.fdopen(int(os.environ[ANSWERS]), "w") as answers:
        for line in sys.stdin:
            name, arguments = json.loads(line)
            try:
                answer = commands[name](**arguments)
            except Exception:  # the trace goes to the parent, which stops
                answer = {"error": traceback.format_exc()}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
