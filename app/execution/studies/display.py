"""Shows a study under way: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.live import Live
from rich.table import Table

from app.console import console, plain, say
from app.execution.studies.eta import study_eta_s
from app.execution.studies.state import StudyState
from app.execution.trials.display import PLAIN_INTERVAL_S
from app.records import StudyTrial

COLUMNS = ("trial", "stage", "k", "state", "epoch", "loss", "score", "samples/s", "waiting", "ETA")
NUM_ROWS = 40
"""Rows of the live table: the running trials first, then as many others as fit."""


class StudyDisplay:
    """Context manager; `update` is called often and shows what is due.

    `status_of` reads what a trial says of itself."""

    def __init__(self, state: StudyState, status_of: Callable[[str], Mapping[str, Any]]) -> None:
        self._state, self._status_of = state, status_of
        out = console()
        self._live = Live(console=out, refresh_per_second=2) if out.is_terminal else None
        self._shown_s = time.monotonic()
        self._told: set[str] = set()
        self.silent: Mapping[str, str] = {}
        """By trial under way, a host of it that gives no sign."""

    def __enter__(self) -> "StudyDisplay":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update(self._table({}))
            self._live.stop()

    def event(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(plain(text), highlight=False)
        else:
            say(text)

    def once(self, trial: str, told: Callable[[], str | None]) -> None:
        """What there may be to tell of a trial; `told`, which reads its folder, is asked once."""
        if trial not in self._told:
            self._told.add(trial)
            if text := told():
                self.event(text)

    def update(self, running: Mapping[str, float], num_at_once: int) -> None:
        """`running`: trials under way and since when; `num_at_once`: how many the stage runs at a time."""
        interval_s = 1.0 if self._live is not None else PLAIN_INTERVAL_S
        if time.monotonic() - self._shown_s < interval_s:
            return
        self._shown_s = time.monotonic()
        statuses = {name: self._status_of(name) for name in running}
        eta_s = study_eta_s(self._state, running, statuses, num_at_once, time.time())
        if self._live is not None:
            self._live.update(self._table(statuses, eta_s))
            return
        for name, status in statuses.items():
            cells = status_cells(status)
            known = "  ".join(f"{key} {value}" for key, value in cells.items()) or "starting"
            say(f"{name}: {known}{f'  (no sign of {self.silent[name]})' if name in self.silent else ''}")
        say(f"{self._state.study.name}: {summary(self._state, len(running), eta_s, len(self.silent))}")

    def _table(self, statuses: Mapping[str, Mapping[str, Any]], eta_s: float | None = None) -> Table:
        state = self._state
        told = summary(state, len(statuses), eta_s, len(self.silent))
        table = Table(title=plain(f"{state.study.name}, {state.plan.strategy}: {told}"))
        for column in COLUMNS:
            table.add_column(column, justify="left" if column in ("trial", "state") else "right")
        order = sorted(state.trials.values(), key=lambda t: (t.name not in statuses, t.status == "waiting"))
        for trial in order[:NUM_ROWS]:
            cells = row(trial, statuses.get(trial.name), self.silent.get(trial.name))
            table.add_row(*(plain(cells.get(column, "")) for column in COLUMNS))
        if len(order) > NUM_ROWS:
            table.caption = f"and {len(order) - NUM_ROWS} more"
        return table


def row(trial: StudyTrial, status: Mapping[str, Any] | None, silent: str | None = None) -> dict[str, str]:
    """Cells of the table by column; `silent`: a host of it that gives no sign."""
    cells = {"trial": trial.name, "stage": str(trial.stage + 1), "k": str(trial.workers_per_trial)}
    if status is not None:
        how = f"no sign of {silent}" if silent else "running" if status else "starting"
        return {**cells, "state": how, **status_cells(status)}
    cells["state"] = trial.status
    if trial.record is not None and trial.end_s is not None and trial.start_s is not None:
        cells["state"] = f"finished in {trial.end_s - trial.start_s:.0f} s"
        if trial.record.samples_per_s is not None:
            cells["samples/s"] = f"{trial.record.samples_per_s:.2f}"
    return cells


def status_cells(status: Mapping[str, Any]) -> dict[str, str]:
    """What a trial under way says of itself, as far as it knows."""
    if not status:
        return {}
    known = {
        "score": (status["best_score"], "{:.3f}"),
        "samples/s": (status["samples_per_s"], "{:.2f}"),
        "waiting": (status["waiting_share"], "{:.0%}"),
        "ETA": (status["eta_s"], "{:.0f} s"),
    }
    cells = {"epoch": f"{status['epoch']}/{status['epochs']}", "loss": f"{status['loss']:.4f}"}
    return cells | {name: form.format(value) for name, (value, form) in known.items() if value is not None}


def summary(state: StudyState, num_running: int, eta_s: float | None, num_silent: int = 0) -> str:
    """`num_silent`: of those that run, how many have a host that gives no sign."""
    parts = [f"{state.num_of('finished')}/{len(state.trials)} finished"]
    silent = f" ({num_silent} without a sign)" if num_silent else ""
    parts += [f"{num_running} running{silent}"] if num_running else []
    parts += [f"{state.num_of('failed')} failed"] if state.num_of("failed") else []
    return ", ".join(parts) + ("" if eta_s is None else f", ETA {eta_s:.0f} s")


def scores(metrics: Mapping[str, Any]) -> str:
    return "  ".join(f"{key} {value:.4f}" for key, value in metrics.items() if isinstance(value, float))


def listed(values: Mapping[str, Any]) -> str:
    """Options at the end of a line, by the last part of their paths."""
    shown = {path: f"{value:.4g}" if isinstance(value, float) else str(value) for path, value in values.items()}
    return "".join(f", {path.rsplit('.', 1)[-1]} {value}" for path, value in shown.items())
