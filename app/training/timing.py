"""Where the time of a training goes: exactly one phase at a time, so that the phases add up."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.records import Span, Timings

NUM_WARMUP_STEPS = 3
"""Left out of rates: memory pools fill and kernels are chosen in the first steps (measured: step 1 takes 1.3x)."""

SHORT_WAIT_S = 0.5
SHORT_S = 0.05
"""Waits for data, and stretches of any kind but steps, too short to be seen beside what is around them (assumed)."""


class Stretches:
    """The same time as a few long stretches for a timeline: what is short belongs to the stretch before it."""

    def __init__(self) -> None:
        self._open: Span | None = None
        self._closed: list[Span] = []

    def add(self, phase: str, start_s: float, end_s: float) -> None:
        """Stretches come in the order of time, on the clock of time.time()."""
        last = self._open
        short_s = {"data_wait": SHORT_WAIT_S, "step": 0.0}.get(phase, SHORT_S)
        joins = (
            last is not None and start_s - last.end_s < SHORT_S and (phase == last.phase or end_s - start_s < short_s)
        )
        if last is not None and joins:
            self._open = Span(last.phase, last.start_s, end_s)
            return
        self._closed += self.take_open()
        self._open = Span(phase, start_s, end_s)

    def take(self) -> list[Span]:
        """What has ended since the last call."""
        closed, self._closed = self._closed, []
        return closed

    def take_open(self) -> list[Span]:
        """The stretch under way, which ends with this."""
        last, self._open = self._open, None
        return [] if last is None else [last]


class Lengths:
    """How much the lengths of steps differ, by their sums alone: a training may have millions."""

    def __init__(self) -> None:
        self._num, self._sum_s, self._squares_s2 = 0, 0.0, 0.0

    def add(self, length_s: float) -> None:
        self._num += 1
        self._sum_s += length_s
        self._squares_s2 += length_s**2

    def spread(self) -> float:
        """Standard deviation as a share of the mean; 0 of fewer than two."""
        if self._num < 2 or self._sum_s <= 0:
            return 0.0
        variance_s2 = (self._squares_s2 - self._sum_s**2 / self._num) / (self._num - 1)
        return math.sqrt(max(0.0, variance_s2)) / (self._sum_s / self._num)


class PhaseTimer:
    """Adds up seconds by phase. `start_s`: time.time() at which the command began, so that start-up counts whole."""

    def __init__(self, start_s: float | None = None) -> None:
        already_s = time.time() - start_s if start_s is not None else 0.0
        self._begin = time.perf_counter() - already_s
        self._clock_s = time.time() - time.perf_counter()
        self.stretches = Stretches()
        self.seconds: dict[str, float] = {}
        self.num_steps = 0
        self._choosing_s, self.evaluated_share = 0.0, 1.0
        self._lengths = Lengths()
        self._busy_s = 0.0
        """At the end of the last step."""

    @contextmanager
    def phase(self, name: str, shown_as: str | None = None) -> Iterator[None]:
        began = time.perf_counter()
        yield
        ended = time.perf_counter()
        self._add(name, ended - began)
        self.stretches.add(shown_as or name, self._clock_s + began, self._clock_s + ended)

    @contextmanager
    def step(self) -> Iterator[None]:
        """One training step; the first ones count as warm-up."""
        with self.phase("warmup_steps" if self.in_warmup else "step", shown_as="step"):
            yield
        busy_s = self.seconds.get("step", 0.0) + self.seconds.get("data_wait", 0.0)
        if not self.in_warmup:
            self._lengths.add(busy_s - self._busy_s)
        self._busy_s = busy_s
        self.num_steps += 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Waiting for a batch; the first, and those of the warm-up, count apart from the rest."""
        name = "first_batch" if self.num_steps == 0 else "warmup_steps" if self.in_warmup else "data_wait"
        with self.phase(name, shown_as="first_batch" if self.num_steps == 0 else "data_wait"):
            yield

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """A part of the start-up."""
        began = time.perf_counter()
        yield
        self._choosing_s += time.perf_counter() - began

    @property
    def in_warmup(self) -> bool:
        return self.num_steps < NUM_WARMUP_STEPS

    def startup_done(self) -> None:
        """Everything until now that no phase took was start-up."""
        now = time.perf_counter()
        self._add("startup", now - self._begin - sum(self.seconds.values()))
        self.stretches.add("startup", self._clock_s + self._begin, self._clock_s + now)

    def timings(self, synchronised_s: float = 0.0) -> Timings:
        """`synchronised_s`: of the steps, where it is known."""
        total_s = time.perf_counter() - self._begin
        named = {f"{name}_s": seconds for name, seconds in self.seconds.items()}
        num_warmup = min(self.num_steps, NUM_WARMUP_STEPS)
        return Timings(
            **named,
            other_s=max(0.0, total_s - sum(named.values())),
            total_s=total_s,
            num_warmup_steps=num_warmup,
            num_timed_steps=self.num_steps - num_warmup,
            choosing_share=self._choosing_s / max(self._choosing_s, self.seconds.get("startup", 0.0), 1e-9),
            synchronising_share=min(1.0, synchronised_s / max(1e-9, self.seconds_of_steps())),
            evaluated_share=self.evaluated_share,
            step_spread=self._lengths.spread(),
        )

    def seconds_of_steps(self) -> float:
        return self.seconds.get("step", 0.0) + self.seconds.get("warmup_steps", 0.0)

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
