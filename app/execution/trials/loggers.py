"""`--log mlflow[:URI] wandb tensorboard`: the trials of a study, or one training, in the loggers that people use.

Ray Tune has callbacks for all three (ray.air.integrations.mlflow and .wandb, ray.tune.logger; read at Ray 2.60). They
do not fit, so the clients are called here, each in a thread of its own:

- None continues a run. MLflow's and wandb's begin one for each trial id, which Tune makes anew at every start, and they
  count Tune's iterations: what a restarted trial repeats would be there twice.
- MLflow's runs in the loop that gives out trials, with a request for each metric and one more for each line. A server
  that is away holds up the study with its retries, then ends it by its exception.
- wandb's starts two processes for each trial; TensorBoard's imports torch and writes rank 0's curves once more.
- All take trials of Tune; jobs/train.py has none.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from app.configuration import nearest
from app.console import say
from app.errors import UsageError
from app.execution.trials.logger_tools import TOOLS, Options, Tool
from app.printable import redacted
from app.run_folder.run import METRICS

CLOSE_TIMEOUT_S = 60.0
"""Assumed: what a command waits at its end for a server that is away; else a line takes milliseconds."""


class Loggers:
    """Hears of all trials, several at a time, and passes it on to every tool; only close() waits, and none raises."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._senders = [_Sender(name, tool) for name, tool in tools.items()]

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune writes down all that its callbacks hold, which nothing reads; threads cannot be."""
        return Loggers, ({},)

    def begin(self, trial: str, options: Options, folder: str) -> None:
        """A trial begins, or goes on in the run that it had. Lines of its metrics.jsonl that the run lacks are sent
        first: from when the tool could not be reached, or was not asked for."""
        for sender in self._senders:
            sender.put(trial, partial(sender.begin, trial, redacted(flattened(options)), folder))

    def line(self, trial: str, metrics: Mapping[str, Any]) -> None:
        """An evaluation's metrics with their `step`; sent once, however often that step is trained."""
        for sender in self._senders:
            sender.put(trial, partial(sender.line, trial, dict(metrics)))

    def end(self, trial: str, status: str) -> None:
        """`finished`, `stopped` (by a scheduler) or `failed`."""
        for sender in self._senders:
            sender.put(trial, partial(sender.end, trial, status))

    def close(self) -> None:
        """Waits for what was not sent yet, CLOSE_TIMEOUT_S at most."""
        until_s = time.monotonic() + CLOSE_TIMEOUT_S
        for sender in self._senders:
            sender.close()
        for sender in self._senders:
            sender.wait(until_s)


def open_loggers(flags: Sequence[str], name: str, folder: str) -> Loggers:
    """The loggers of the values of --log for the run `name` in `folder`.

    Raises:
        UsageError: there is no such logger, its package is missing, or it has no server or account to send to.
    """
    tools: dict[str, Tool] = {}
    for flag in flags:
        kind, colon, address = flag.partition(":")
        if kind not in TOOLS:
            raise UsageError(f"--log {flag}: there is no logger {kind!r}; {nearest(kind, list(TOOLS))}")
        if colon and (kind != "mlflow" or not address):
            wanted = "mlflow:URI, or mlflow alone" if kind == "mlflow" else f"{kind} alone: it takes no address"
            raise UsageError(f"--log {flag}: expected {wanted}")
        if kind in tools:
            raise UsageError(f"--log {flag}: {kind} is named twice; name it once")
        try:
            tools[kind] = TOOLS[kind](name, folder, address)
        except ImportError as error:
            raise UsageError(
                f"--log {flag}: its package is missing ({error}); to install it: pip install 'twofold[{kind}]'"
            ) from error
    return Loggers(tools)


def flattened(options: Options, prefix: str = "") -> dict[str, Any]:
    """Nested options as one mapping, their names joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        nested = isinstance(value, Mapping) and value
        flat.update(flattened(value, f"{prefix}{key}.") if nested else {prefix + key: value})
    return flat


class _Sender:
    """One tool's thread: a server that is slow or away holds up neither the trials nor the other tools.

    What fails is warned of once. The trial then counts as not begun: its next call begins it again, and with that sends
    all that its run lacks.
    """

    def __init__(self, name: str, tool: Tool) -> None:
        self._name, self._tool = name, tool
        self._trials: dict[str, tuple[Options, str]] = {}
        self._last_steps: dict[str, int] = {}
        self._warned = False
        self._calls: queue.SimpleQueue[tuple[str, Callable[[], None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"log-{name}", daemon=True)
        self._thread.start()

    def put(self, trial: str, call: Callable[[], None]) -> None:
        self._calls.put((trial, call))

    def close(self) -> None:
        self._calls.put(None)

    def wait(self, until_s: float) -> None:
        self._thread.join(max(0.0, until_s - time.monotonic()))
        if self._thread.is_alive():
            self._warned = False  # worth a second one
            self._warn(f"{self._calls.qsize()} messages were not sent within {CLOSE_TIMEOUT_S:.0f} s")

    def begin(self, trial: str, options: Options, folder: str) -> None:
        self._trials[trial] = (options, folder)
        self._open(trial)

    def line(self, trial: str, metrics: Mapping[str, Any]) -> None:
        self._open(trial)
        self._send(trial, metrics)

    def end(self, trial: str, status: str) -> None:
        self._open(trial)
        self._tool.end(trial, status)
        del self._trials[trial], self._last_steps[trial]

    def _open(self, trial: str) -> None:
        if trial in self._last_steps:
            return
        options, folder = self._trials[trial]
        self._last_steps[trial] = self._tool.begin(trial, options, folder)
        for line in METRICS.read(folder):
            self._send(trial, line)

    def _send(self, trial: str, metrics: Mapping[str, Any]) -> None:
        step = int(metrics["step"])
        numbers = {
            key: float(value)
            for key, value in metrics.items()
            if key != "step" and isinstance(value, int | float) and not isinstance(value, bool)
        }
        if step > self._last_steps[trial]:
            self._tool.line(trial, step, numbers)
            self._last_steps[trial] = step

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            self._guarded(*item)
        self._guarded("", self._tool.close)

    def _guarded(self, trial: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # whatever a client raises: no trial is lost by its logger
            self._last_steps.pop(trial, None)
            self._warn(" ".join(str(error).split()) or type(error).__name__)

    def _warn(self, what: str) -> None:
        if not self._warned:
            say(f"--log {self._name}: {what[:300]}; training continues, and metrics.jsonl of each trial has every line")
        self._warned = True
