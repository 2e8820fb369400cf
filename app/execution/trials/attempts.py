"""A training's attempts: how they are counted, which failures are worth another, and what the user is told."""

import dataclasses
import time
import traceback
from collections.abc import Sequence
from typing import Any

from app import records
from app.data import files
from app.errors import ResourceError, TwofoldError, find_user_error
from app.run_folder.contents import Attempt, Failure, FailureNote
from app.run_folder.run import ATTEMPTS, FAILURE, STATUS
from app.training.order import Order


class AttemptFailed(Exception):
    """Carries the failure of an attempt to whoever decides on the next."""

    def __init__(self, failure: Failure, workers_stay: bool = False) -> None:
        super().__init__(failure.reason)
        self.failure, self.workers_stay = failure, workers_stay

    def __reduce__(self) -> tuple[Any, ...]:
        return AttemptFailed, (self.failure, self.workers_stay)


class HostRefused(Exception):
    """The host of this process does not see what the study uses, or has other versions."""


def is_worth_another(failures: Sequence[Failure], max_retries: int) -> bool:
    """Whether a trial whose attempts failed so, in this order, is tried again. The same error twice in a row will come
    a third time; a death says nothing about the trial."""
    last = failures[-1]
    if last.kind == "final" or len(failures) > max_retries:
        return False
    return last.kind == "death" or last not in failures[-2:-1]


def given_up(failures: Sequence[Failure]) -> Failure:
    """The failure of the trial whose attempts failed so."""
    last = failures[-1]
    if len(failures) == 1:
        return last
    return dataclasses.replace(last, reason=f"given up after {len(failures)} attempts: {last.reason}")


def note_attempt(order: Order, nodes: Sequence[str] = ()) -> Order:
    """Count this start of the workers, on these nodes of Ray. After a restart start-up is counted from now: the time
    before went into steps that were lost, and into the time that the checkpoint knows."""
    attempts, now_s = ATTEMPTS.read(order.folder), time.time()
    restarted = any(attempt.command_start_s == order.start_s for attempt in attempts)
    start_s = now_s if restarted else order.start_s
    if attempts:
        attempts[-1] = dataclasses.replace(attempts[-1], last_sign_s=_last_sign(order.folder))
    started = Attempt(order.start_s, now_s, start_s, tuple(nodes), order.num_workers)
    ATTEMPTS.write(order.folder, [*attempts, started])
    return dataclasses.replace(order, start_s=start_s)


def note_progress(order: Order, trained_s: float) -> None:
    """The attempt under way goes on from a checkpoint that took so long: what came after it, it does again."""
    *earlier, last = ATTEMPTS.read(order.folder)
    ATTEMPTS.write(order.folder, [*earlier, dataclasses.replace(last, trained_s=trained_s)])


def note_failure(order: Order, failure: Failure) -> None:
    """Write down how the attempt under way ended; one that begins its process anew finds it there."""
    attempts = ATTEMPTS.read(order.folder)
    last = attempts[-1] if attempts else None
    if last is None or last.command_start_s != order.start_s or last.failure is not None or last.paused:
        attempts.append(Attempt(order.start_s, time.time()))  # failed before it was noted
    ATTEMPTS.write(order.folder, [*attempts[:-1], dataclasses.replace(attempts[-1], failure=failure)])


def failures_so_far(order: Order) -> list[Failure]:
    """The failed attempts at an order; one whose process died could write no more than that it began."""
    died = Failure("death", "a worker died")
    mine = [attempt for attempt in ATTEMPTS.read(order.folder) if attempt.command_start_s == order.start_s]
    return [attempt.failure or died for attempt in mine if not attempt.paused]


def note_pause(order: Order) -> None:
    """The attempt under way ends because a scheduler pauses the trial: what follows is no restart."""
    *earlier, last = ATTEMPTS.read(order.folder)
    ATTEMPTS.write(order.folder, [*earlier, dataclasses.replace(last, paused=True)])


def nodes_of_starts(folder: str) -> list[tuple[str, ...]]:
    """Ray's ids of the nodes on which each attempt at a trial began."""
    return [attempt.nodes for attempt in ATTEMPTS.read(folder)]


def count_restarts(folder: str) -> int:
    """Starts but the first and those that follow a pause."""
    return sum(not attempt.paused for attempt in ATTEMPTS.read(folder)[:-1])


def earlier_widths(order: Order) -> tuple[int, ...]:
    """Other numbers of workers than its last that a trial had before."""
    before = [attempt.num_workers for attempt in ATTEMPTS.read(order.folder)]
    return tuple(dict.fromkeys(k for k in before if k not in (None, order.num_workers)))


def write_failure(folder: str, name: str, message: str) -> None:
    """What is known of a failed trial; the next start of the same command goes on, so no record stands in its way."""
    FAILURE.write(folder, FailureNote(name, "failed", message, records.versions()))


def failure_of(error: Exception, order: Order) -> Failure:
    """What an attempt's error says. Trying again would only repeat errors of ours and bugs; a RuntimeError is what the
    others see when a worker dies, an OSError what a network does. Of a host that cannot train it, the trial knows as
    little as of one that died."""
    if isinstance(error, HostRefused):
        return Failure("death", str(error))
    found = find_user_error(error) or out_of_memory(error, order)  # Ray Data wraps what reading a sample raised
    if found is not None:
        return Failure("final", str(found), type(found).__name__)
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "without a message")
    if isinstance(error, RuntimeError | OSError):
        return Failure("error", f"{type(error).__name__}: {first}")
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename}:{last.lineno}"
    return Failure(
        "final", f"a bug: {type(error).__name__}: {first} ({where}); please report it", TwofoldError.__name__
    )


def out_of_memory(error: BaseException, order: Order) -> ResourceError | None:
    """What to do about an allocation that failed, or None for an error of another kind."""
    text = str(error)
    if not isinstance(error, MemoryError) and "out of memory" not in text and "can't allocate memory" not in text:
        return None
    experiment = order.experiment
    micro = experiment.max_micro_batch_size or "the worker's whole share"
    first_line = text.splitlines()[0] if text else "MemoryError"
    return ResourceError(
        f"out of memory with a batch of {experiment.batch_size} ({experiment.batch_rule}), micro-batch {micro}: "
        f"{first_line}; set a smaller max_micro_batch_size (the result stays the same, unless there is batch "
        "normalization, which then sees fewer samples at a time) or a smaller patch"
    )


def _last_sign(folder: str) -> float | None:
    """When the attempt before last said something of itself; in an object store nobody knows."""
    path = STATUS.path(folder)
    if files.is_url(folder) or not files.exists(path):
        return None
    return int(files.stamp(path).modified or 0) / 1e9
