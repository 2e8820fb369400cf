"""Hosts that come when they are asked for and go when idle, as on the cluster of deploy/aws.yaml."""

import atexit
import math
import os
import time

import ray

from app.console import say
from app.errors import UsageError

WITHIN = "TWOFOLD_HOSTS_WITHIN_S"
"""Environment variable of the head: how long a job waits for hosts to start; not set: none are started."""
POLL_S = 2.0


def ask_for_gpus(num: int) -> None:
    """Return once the cluster has so many GPUs, or the time is over. They are asked for until this process ends: hosts
    that are lost are replaced.

    Raises:
        UsageError: the time in the environment is none.
    """
    within_s = _within_s()
    if not within_s or not num:
        return
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[{"GPU": 1}] * num)
    atexit.register(request_resources, bundles=[])
    deadline, told = time.monotonic() + within_s, False
    while ray.cluster_resources().get("GPU", 0) < num and time.monotonic() < deadline:
        if not told:
            say(f"waiting for hosts with {num} GPUs in all, {within_s:.0f} s at most")
            told = True
        time.sleep(POLL_S)


def _within_s() -> float:
    text = os.environ.get(WITHIN, "0")
    try:
        within_s = float(text or "0")
    except ValueError:
        within_s = math.nan
    if not 0 <= within_s < math.inf:
        raise UsageError(
            f"{WITHIN}: got {text!r}, expected seconds, 0 or more; it is what the head was started with: "
            "correct it there, and start Ray again"
        )
    return within_s
