"""Where the driver of trials and the workers of a TorchTrainer meet: an actor that holds one command at a time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from app.run_folder.contents import Failure

GRACE_S = 5.0
"""How long the other workers may take to say what went wrong, once one has failed: the first to tell may only have
noticed that another is gone."""
CLOSE, BEGIN, ADVANCE, FINISH, END = "close", "begin", "advance", "finish", "end"


@dataclass(frozen=True)
class Verdict:
    """What came of a command: an answer of worker 0, or a failure."""

    answer: Any = None
    failure: Failure | None = None
    workers_stay: bool = True


class Desk:
    """Where the driver puts commands and the workers answer. Its methods run in turns on one event loop."""

    def __init__(self, num_workers: int, name: str = "") -> None:
        self._num_workers, self._name = num_workers, name
        self._changed = asyncio.Condition()
        self._number, self._command = 0, (CLOSE, ())
        self._failures: dict[int, Failure] = {}
        self._verdict: Verdict | None = None
        self._lost: Failure | None = None
        self._is_taken, self._has_ended = False, False

    def __repr__(self) -> str:  # in Ray's dashboard
        return f"Desk({self._name}, {self._num_workers} workers)"

    async def take(self) -> bool:
        """For the driver of trials: whether the group is there for it; nobody is told so twice."""
        was_taken, self._is_taken = self._is_taken, True
        return not was_taken and self._lost is None

    async def next(self, last: int) -> tuple[int, Any]:
        """For a worker: the command after number `last`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._number > last)
            return self._number, self._command

    async def give(self, command: Any) -> Verdict:
        """For the driver: a command to all workers, and what comes of it."""
        async with self._changed:
            if self._lost is not None:
                return Verdict(failure=self._lost, workers_stay=False)
            self._number, self._command = self._number + 1, command
            self._failures, self._verdict = {}, None
            self._changed.notify_all()
            if command[0] == CLOSE:
                return Verdict()
            await self._changed.wait_for(lambda: self._verdict is not None)
            assert self._verdict is not None
            return self._verdict

    async def answer(self, number: int, value: Any) -> None:
        """For worker 0."""
        async with self._changed:
            if number == self._number and self._verdict is None:
                self._conclude(Verdict(value))

    async def fail(self, number: int, rank: int, failure: Failure) -> bool:
        """For a worker whose part of a command failed; whether it may stay for the next one."""
        async with self._changed:
            if number != self._number or self._lost is not None:
                return False
            self._failures[rank] = failure
            if self._verdict is None and len(self._failures) == self._num_workers:
                stay = all(f.spares_workers for f in self._failures.values())
                self._conclude(Verdict(None, telling(list(self._failures.values())), stay))
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: self._verdict is not None), GRACE_S)
            except TimeoutError:
                self._conclude(Verdict(None, telling(list(self._failures.values())), False))
            verdict = self._verdict
            assert verdict is not None
            if not verdict.workers_stay or verdict.failure is None:
                self._lost = self._lost or verdict.failure or failure
                return False
            return True

    async def lose(self, failure: Failure) -> None:
        """For whoever sees that the workers are gone."""
        async with self._changed:
            if self._lost is None:
                self._lost = failure
                self._conclude(Verdict(None, telling([*self._failures.values(), failure]), False))

    async def end(self) -> None:
        """For whoever sees that the workers have ended and their places are free."""
        async with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    async def ended(self) -> None:
        """Waits for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_ended)

    def _conclude(self, verdict: Verdict) -> None:
        if self._verdict is None:
            self._verdict = verdict
            self._changed.notify_all()


def telling(failures: list[Failure]) -> Failure:
    """The failure that says most: what is known to repeat itself, then a death, then what others noticed of it."""
    return min(failures, key=lambda failure: ("final", "death", "error").index(failure.kind))
