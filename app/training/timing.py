"""Where the time of a training goes: exactly one phase at a time, so that the phases add up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from app.records import Timings

NUM_WARMUP_STEPS = 3
"""Left out of rates: memory pools fill and kernels are chosen in the first steps (measured: step 1 takes 1.3x)."""


class PhaseTimer:
    """Adds up seconds by phase. `start_s`: time.time() at which the command began, so that start-up counts whole."""

    def __init__(self, device: torch.device, start_s: float | None = None) -> None:
        self._device = device
        already_s = time.time() - start_s if start_s is not None else 0.0
        self._begin = time.perf_counter() - already_s
        self.seconds: dict[str, float] = {}
        self.num_steps = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._add(name, time.perf_counter() - began)

    @contextmanager
    def step(self) -> Iterator[None]:
        """One training step; the first ones count as warm-up."""
        with self.phase("warmup_steps" if self.num_steps < NUM_WARMUP_STEPS else "step"):
            yield
        self.num_steps += 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Waiting for a batch; the first, and those of the warm-up, count apart from the rest."""
        name = "first_batch" if self.num_steps == 0 else "warmup_steps" if self.in_warmup else "data_wait"
        with self.phase(name):
            yield

    @property
    def in_warmup(self) -> bool:
        return self.num_steps < NUM_WARMUP_STEPS

    def startup_done(self) -> None:
        """Everything until now that no phase took was start-up."""
        self._add("startup", time.perf_counter() - self._begin - sum(self.seconds.values()))

    def synchronize(self) -> None:
        """Wait for the device, so that its work counts in the phase that asked for it."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def timings(self) -> Timings:
        total_s = time.perf_counter() - self._begin
        named = {f"{name}_s": seconds for name, seconds in self.seconds.items()}
        num_warmup = min(self.num_steps, NUM_WARMUP_STEPS)
        return Timings(
            **named,
            other_s=max(0.0, total_s - sum(named.values())),
            total_s=total_s,
            num_warmup_steps=num_warmup,
            num_timed_steps=self.num_steps - num_warmup,
        )

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
