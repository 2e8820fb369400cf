"""What a training writes down while it runs: metrics.jsonl, steps.jsonl, spans.jsonl, TensorBoard and status.json.

Rank 0 only."""

import json
import os
import time
from typing import Any

from app.data import files
from app.records import Span

SPANS_FILE = "spans.jsonl"
"""Where the time went, all attempts one after the other; no line is dropped on opening."""

STATUS_INTERVAL_S = 1.0
"""Assumed: what a person watching wants; a write takes 0.1 ms on a local disk."""


class TrainingLog:
    """Files of one trial's folder. Opened again after an interruption it drops the lines after the checkpoint."""

    def __init__(self, folder: str, first_step: int, num_epochs: int) -> None:
        self._folder = folder
        self._epochs = _Lines(files.join(folder, "metrics.jsonl"), "epoch", num_epochs)
        self._steps = _Lines(files.join(folder, "steps.jsonl"), "step", first_step)
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
            files.write_json(files.join(self._folder, "status.json"), values)

    def spans(self, spans: list[Span]) -> None:
        """Stretches of time that have ended."""
        if spans:
            lines = "".join(json.dumps(vars(span)) + "\n" for span in spans)
            _append(files.join(self._folder, SPANS_FILE), lines)

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

        return SummaryWriter(files.join(self._folder, "tensorboard"), purge_step=first_step or None)


class _Lines:
    """A jsonl file whose lines are numbered by `key`; those that the checkpoint, which has the first `num_done` behind
    it, does not cover are dropped on opening."""

    def __init__(self, path: str, key: str, num_done: int) -> None:
        self._path = path
        self._new: list[str] = []
        if files.exists(path):
            kept = [line for line in _whole_lines(path) if json.loads(line)[key] <= num_done]
            files.write_bytes_atomic(path, "".join(f"{line}\n" for line in kept).encode())

    def add(self, line: dict[str, Any]) -> None:
        self._new.append(json.dumps(line))

    def flush(self) -> None:
        if self._new:
            _append(self._path, "".join(f"{line}\n" for line in self._new))
            self._new = []


def _whole_lines(path: str) -> list[str]:
    """Lines that a crash did not cut: a last one without its newline is left out."""
    return files.read_bytes(path).decode().split("\n")[:-1]


def _append(path: str, text: str) -> None:
    """Lines at the end of a file, on disk when this returns; object stores know no appending, so all is put anew."""
    if files.is_url(path):
        before = files.read_bytes(path) if files.exists(path) else b""
        files.write_bytes_atomic(path, before + text.encode())
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
