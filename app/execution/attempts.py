"""A training's attempts: how they are counted, which failures are worth another, and what the user is told."""

import dataclasses
import json
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app import records
from app.data import files
from app.errors import ResourceError, TwofoldError, find_user_error

if TYPE_CHECKING:  # the driver of a study counts attempts without loading torch
    from app.training.loop import TrainingJob

ATTEMPTS_FILE = "attempts.jsonl"
FAILED_FILE = "failed.json"


@dataclass(frozen=True)
class Failure:
    """Why an attempt ended."""

    kind: Literal["final", "error", "death"]
    """`final`: trying again would only repeat it. `error`: it may have been a passing trouble of a network or another
    worker. `death`: a worker's process or node is gone."""
    reason: str


def is_worth_another(failures: Sequence[Failure], max_retries: int) -> bool:
    """Whether a trial whose attempts failed so, in this order, is tried again. The same error twice in a row will come
    a third time; a death says nothing about the trial."""
    last = failures[-1]
    if last.kind == "final" or len(failures) > max_retries:
        return False
    return last.kind == "death" or last not in failures[-2:-1]


def note_attempt(job: "TrainingJob") -> "TrainingJob":
    """Count this start of the workers. After a restart start-up is counted from now: the time before went into steps
    that were lost, and into the time that the checkpoint knows."""
    path = files.join(job.folder, ATTEMPTS_FILE)
    lines = files.read_bytes(path).decode().splitlines() if files.exists(path) else []
    restarted = any(json.loads(line)["command_start_s"] == job.start_s for line in lines)
    times = {"command_start_s": job.start_s, "attempt_start_s": time.time()}
    lines.append(json.dumps({**times, "until_epoch": job.until_epoch}))
    files.write_bytes_atomic(path, "".join(f"{line}\n" for line in lines).encode())
    return dataclasses.replace(job, start_s=time.time()) if restarted else job


def count_restarts(folder: str) -> int:
    """Starts but the first; the rounds of a population are started one by one."""
    path = files.join(folder, ATTEMPTS_FILE)
    lines = files.read_bytes(path).decode().splitlines() if files.exists(path) else []
    return len(lines) - len({json.loads(line).get("until_epoch") for line in lines})


def write_failure(folder: str, name: str, message: str) -> None:
    """What is known of a failed trial; the next start of the same command goes on, so no record stands in its way."""
    content = {"name": name, "status": "failed", "failure": message, "versions": records.versions()}
    files.write_json(files.join(folder, FAILED_FILE), content)


def final_error(error: Exception, job: "TrainingJob") -> TwofoldError | None:
    """The error as the user should see it when trying again would only repeat it; None for what a restart may mend:
    a RuntimeError is what the others see when a worker dies, an OSError what a network does."""
    found = find_user_error(error)  # Ray Data wraps what reading a sample raised
    if found is not None:
        return found
    memory = out_of_memory(error, job)
    if memory is not None:
        return memory
    if isinstance(error, RuntimeError | OSError):
        return None
    last = traceback.extract_tb(error.__traceback__)[-1]
    return TwofoldError(f"a bug: {type(error).__name__}: {error} ({last.filename}:{last.lineno}); please report it")


def out_of_memory(error: BaseException, job: "TrainingJob") -> ResourceError | None:
    """What to do about an allocation that failed, or None for an error of another kind."""
    text = str(error)
    if not isinstance(error, MemoryError) and "out of memory" not in text and "can't allocate memory" not in text:
        return None
    experiment = job.experiment
    micro = experiment.max_micro_batch_size or "the worker's whole share"
    first_line = text.splitlines()[0] if text else "MemoryError"
    return ResourceError(
        f"out of memory with a batch of {experiment.batch_size} ({experiment.batch_rule}), micro-batch {micro}: "
        f"{first_line}; set a smaller max_micro_batch_size (the result stays the same) or a smaller patch"
    )
