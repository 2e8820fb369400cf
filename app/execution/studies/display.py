"""Shows a study under way: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.live import Live
from rich.table import Table

from app.console import console, say
from app.execution.studies.state import StudyState
from app.execution.trials.display import PLAIN_INTERVAL_S
from app.printable import printable
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
            self._live.console.print(printable(text), markup=False, highlight=False)
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
            say(f"{name}: " + ("  ".join(f"{key} {value}" for key, value in cells.items()) or "starting"))
        say(f"{self._state.study.name}: {summary(self._state, len(running), eta_s)}")

    def _table(self, statuses: Mapping[str, Mapping[str, Any]], eta_s: float | None = None) -> Table:
        state = self._state
        table = Table(title=f"{state.study.name}, {state.plan.strategy}: {summary(state, len(statuses), eta_s)}")
        for column in COLUMNS:
            table.add_column(column, justify="left" if column in ("trial", "state") else "right")
        order = sorted(state.trials.values(), key=lambda t: (t.name not in statuses, t.status == "waiting"))
        for trial in order[:NUM_ROWS]:
            cells = row(trial, statuses.get(trial.name))
            table.add_row(*(cells.get(column, "") for column in COLUMNS))
        if len(order) > NUM_ROWS:
            table.caption = f"and {len(order) - NUM_ROWS} more"
        return table


def row(trial: StudyTrial, status: Mapping[str, Any] | None) -> dict[str, str]:
    """Cells of the table by column."""
    cells = {"trial": trial.name, "stage": str(trial.stage + 1), "k": str(trial.workers_per_trial)}
    if status is not None:
        return {**cells, "state": "running" if status else "starting", **status_cells(status)}
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


def summary(state: StudyState, num_running: int, eta_s: float | None) -> str:
    parts = [f"{state.num_of('finished')}/{len(state.trials)} finished"]
    parts += [f"{num_running} running"] if num_running else []
    parts += [f"{state.num_of('failed')} failed"] if state.num_of("failed") else []
    return ", ".join(parts) + ("" if eta_s is None else f", ETA {eta_s:.0f} s")


def study_eta_s(
    state: StudyState,
    running: Mapping[str, float],
    statuses: Mapping[str, Mapping[str, Any]],
    num_at_once: int,
    now_s: float,
) -> float | None:
    """Seconds to the end of the study, as if every trial to come took as long as the mean of those known so far; None
    before anything is known."""
    left_s = {name: status["eta_s"] for name, status in statuses.items() if status and status["eta_s"] is not None}
    known_s = [now_s - running[name] + eta_s for name, eta_s in left_s.items()]
    known_s += [
        trial.end_s - trial.start_s
        for trial in state.trials.values()
        if trial.status == "finished" and trial.end_s is not None and trial.start_s is not None
    ]
    if not known_s:
        return None
    mean_s = sum(known_s) / len(known_s)
    num_to_come = state.num_of("waiting") - len(running)
    left = [left_s.get(name, max(0.0, mean_s - (now_s - since))) for name, since in running.items()]
    shared_s: float = (sum(left) + num_to_come * mean_s) / max(1, num_at_once)
    return max(shared_s, *left) if left else shared_s


def scores(metrics: Mapping[str, Any]) -> str:
    return "  ".join(f"{key} {value:.4f}" for key, value in metrics.items() if isinstance(value, float))


def listed(values: Mapping[str, Any]) -> str:
    """Options at the end of a line, by the last part of their paths."""
    shown = {path: f"{value:.4g}" if isinstance(value, float) else str(value) for path, value in values.items()}
    return "".join(f", {path.rsplit('.', 1)[-1]} {value}" for path, value in shown.items())
