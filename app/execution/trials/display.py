"""Shows a training under way: a live line on a terminal, a plain line an epoch elsewhere. Reads the trial's files only,
so it works for a training in this process as well as on a cluster that shares the folder."""

import threading
import time
from types import TracebackType
from typing import Any

from rich.live import Live
from rich.table import Table

from app.console import console, plain, say
from app.errors import DataError
from app.run_folder.run import STATUS

POLL_INTERVAL_S = 1.0
PLAIN_INTERVAL_S = 15.0
"""Assumed: plain lines between epochs, for epochs that take long."""


class TrainingDisplay:
    """Context manager that follows one trial's folder until it is left."""

    def __init__(self, folder: str, name: str, num_workers: int) -> None:
        self._folder = folder
        self._name, self._num_workers = name, num_workers
        self._began = time.monotonic()
        self._seen: dict[str, Any] = {}
        self._seen = self._read()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="display", daemon=True)

    def __enter__(self) -> "TrainingDisplay":
        say(f"{self._name}: starting {self._num_workers} worker{'s' if self._num_workers > 1 else ''}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        out = console()
        if not out.is_terminal:
            self._follow_plain()
            return
        with Live(self._table({}), console=out, refresh_per_second=2) as live:
            while not self._stop.wait(POLL_INTERVAL_S):
                status = self._read()
                if status:
                    live.update(self._table(status))
            live.update(self._table(self._read() or self._seen))

    def _follow_plain(self) -> None:
        shown, shown_at = self._seen, time.monotonic()
        while True:
            stopping = self._stop.wait(POLL_INTERVAL_S)
            status = self._read()
            due = time.monotonic() - shown_at >= PLAIN_INTERVAL_S
            if status and status != shown and (status["scores"] or due or stopping):
                say(f"{self._name}: {status_line(status)}")
                shown, shown_at = status, time.monotonic()
            if stopping:
                return

    def _read(self) -> dict[str, Any]:
        try:
            status = STATUS.find(self._folder) or {}
        except DataError:  # a training loses nothing by it, and says more within a second
            return {}
        return {} if status == self._seen else status

    def _table(self, status: dict[str, Any]) -> Table:
        took_s = time.monotonic() - self._began
        table = Table(title=plain(f"{self._name} on {self._num_workers} worker(s), {took_s:.0f} s"))
        cells = status_cells(status) if status else {"state": "starting workers, first samples, choice of numerics"}
        for name in cells:
            table.add_column(plain(name))
        table.add_row(*map(plain, cells.values()))
        return table


def status_cells(status: dict[str, Any]) -> dict[str, str]:
    """What a status says, as a person reads it."""
    cells = {
        "epoch": f"{status['epoch']}/{status['epochs']}",
        "step": f"{status['step']}/{status['num_steps']}",
        "loss": f"{status['loss']:.4f}",
    }
    cells.update({name: f"{value:.3f}" for name, value in status["scores"].items()})
    if status["best_score"] is not None:
        cells["best"] = f"{status['best_score']:.3f}"
    if status["samples_per_s"] is not None:
        cells["samples/s"] = f"{status['samples_per_s']:.2f}"
    if status["waiting_share"] is not None:
        cells["waiting for data"] = f"{status['waiting_share']:.1%}"
    if status["eta_s"] is not None:
        cells["ETA"] = f"{status['eta_s']:.0f} s"
    return cells


def status_line(status: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value}" for name, value in status_cells(status).items())
