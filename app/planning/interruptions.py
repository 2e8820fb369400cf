"""What lost workers and limits of a job's time cost a study, and how often to write a checkpoint."""

import math
from dataclasses import dataclass

from app.errors import UsageError


@dataclass(frozen=True)
class Jobs:
    """A study that a queue lets run for a limited time, again and again."""

    number: int
    total_s: float
    """Over all jobs, without the time in which none runs."""


def checkpoint_interval_s(checkpoint_s: float, failures_per_s: float) -> float:
    """How often to write a checkpoint, so that writing and lost work cost least: sqrt(2 C / lambda) (Young 1974).

    Raises:
        UsageError: a time or rate is not above 0.
    """
    if not (checkpoint_s > 0 and failures_per_s > 0):
        raise UsageError(
            f"got a checkpoint of {checkpoint_s} s and {failures_per_s} failures a second, expected above 0"
        )
    return math.sqrt(2 * checkpoint_s / failures_per_s)


def lost_by_failures_s(
    total_s: float, k: int, failures_per_s: float, checkpoint_every_s: float, restart_s: float
) -> float:
    """Expected of a study: each failure costs its trial half the time between two checkpoints, and a restart.

    Args:
        total_s: of the study without failures.
        k: workers a trial.
        failures_per_s: of one worker.
    """
    return total_s * k * failures_per_s * (checkpoint_every_s / 2 + restart_s)


def jobs_of(total_s: float, limit_s: float, checkpoint_every_s: float, restart_s: float) -> Jobs:
    """How many jobs of at most `limit_s` a study takes: each but the first does again what came after the last
    checkpoint, half the time between two on average, and starts anew.

    Raises:
        UsageError: a job ends before it gets anywhere.
    """
    again_s = checkpoint_every_s / 2 + restart_s
    if total_s <= limit_s:
        return Jobs(1, total_s)
    if limit_s <= again_s:
        raise UsageError(
            f"--job-limit-h: got {limit_s / 3600:.3g}, expected more than {again_s / 3600:.3g}: so long a job takes to "
            "start, and to do again what came after the last checkpoint"
        )
    number = math.ceil((total_s - again_s) / (limit_s - again_s))
    return Jobs(number, total_s + (number - 1) * again_s)
