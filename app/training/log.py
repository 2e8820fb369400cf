"""What a training writes down while it runs: metrics.jsonl, steps.jsonl, spans.jsonl, TensorBoard and status.json.

Rank 0 only."""

import time
from typing import Any

from app.data import files
from app.records import Span
from app.run_folder.kinds import JsonLines
from app.run_folder.run import METRICS, SPANS, STATUS, STEPS, TENSORBOARD

STATUS_INTERVAL_S = 1.0
"""Assumed: what a person watching wants; a write takes 0.1 ms on a local disk."""


class TrainingLog:
    """Files of one trial's folder. Opened again after an interruption it drops the lines after the checkpoint."""

    def __init__(self, folder: str, first_step: int, num_epochs: int) -> None:
        self._folder = folder
        self._epochs = _Lines(METRICS, folder, "epoch", num_epochs)
        self._steps = _Lines(STEPS, folder, "step", first_step)
        self._status_at = 0.0
        self._tensorboard = self._open_tensorboard(first_step)

    def step(self, step: int, loss: float, learning_rate: float) -> None:
        self._steps.add({"step": step, "loss": loss, "learning_rate": learning_rate})
        if self._tensorboard is not None:
            self._tensorboard.add_scalar("train/loss", loss, step)
            self._tensorboard.add_scalar("train/learning_rate", learning_rate, step)

    def epoch(self, line: dict[str, Any]) -> None:
        """One line of metrics.jsonl, with its `step`; on disk when this returns."""
        self._epochs.add(line)
        self._epochs.flush()
        self._steps.flush()
        if self._tensorboard is not None:
            for key, value in line.items():
                if isinstance(value, int | float) and key not in ("epoch", "step"):
                    self._tensorboard.add_scalar(f"epoch/{key}", value, line["step"])
            self._tensorboard.flush()

    def status(self, values: dict[str, Any], now: bool = False) -> None:
        """What a live display shows; at most once a second unless `now`."""
        if now or time.monotonic() - self._status_at >= STATUS_INTERVAL_S:
            self._status_at = time.monotonic()
            STATUS.write(self._folder, values)

    def spans(self, spans: list[Span]) -> None:
        """Stretches of time that have ended."""
        if spans:
            SPANS.append(self._folder, spans)

    def flush(self) -> None:
        self._steps.flush()

    def close(self) -> None:
        self.flush()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def _open_tensorboard(self, first_step: int) -> Any:
        if files.is_url(self._folder):
            return None  # its writer knows local folders only
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(files.join(self._folder, TENSORBOARD), purge_step=first_step or None)


class _Lines:
    """A jsonl file whose lines are numbered by `key`; those that the checkpoint, which has the first `num_done` behind
    it, does not cover are dropped on opening."""

    def __init__(self, kind: JsonLines[dict[str, Any]], folder: str, key: str, num_done: int) -> None:
        self._kind, self._folder = kind, folder
        self._new: list[dict[str, Any]] = []
        if files.exists(kind.path(folder)):
            kind.write(folder, [line for line in kind.read(folder) if line[key] <= num_done])

    def add(self, line: dict[str, Any]) -> None:
        self._new.append(line)

    def flush(self) -> None:
        if self._new:
            self._kind.append(self._folder, self._new)
            self._new = []
