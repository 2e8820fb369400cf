"""Figures that Ray's dashboard and Prometheus see, as ray_twofold_NAME; docs/dashboard.md has them as a table.

Ray's agent forgets a gauge soon after the process that set it has ended. A process that goes on to another trial sets
those of the last to NaN first, which no chart draws.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import TypeVar

from ray.util.metrics import Gauge

from app.training.order import Order

T = TypeVar("T")
TRIAL = ("study", "trial")
WORKER = (*TRIAL, "rank")

GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "loss": ("Mean training loss of the last epoch", TRIAL),
    "score": ("Score of the last evaluation, by which trials compare", TRIAL),
    "samples_per_s": ("Steady samples a second over all workers of the trial", TRIAL),
    "waiting_share": ("Share of the steady time that waited for data, 0 to 1", TRIAL),
    "epoch": ("Epochs that have ended", TRIAL),
    "eta_s": ("Seconds to the end of the trial, as of the end of its last epoch", TRIAL),
    "device_memory_bytes": ("Most that torch held of a GPU; on a CPU the memory of the worker's process", WORKER),
    "trials": ("Trials of a study by state: waiting, running, finished, stopped, failed", ("study", "state")),
    "ocr_pages_per_s": ("Pages read by OCR a second, over the last 10 s", ("store",)),
    "prepared_per_s": ("Scans or pages prepared a second, over the last 10 s", ("store",)),
}
"""What each is, and its tags: few values each, so that a study of many trials stays small in Prometheus."""

RATE_EVERY_S = 10.0
"""As often as Ray's processes report."""


def show(name: str, value: float, tags: Mapping[str, str]) -> None:
    _gauge(name).set(value, dict(tags))


def trial_tags(order: Order) -> dict[str, str]:
    """`study` is empty where one training runs alone."""
    return {"study": order.study, "trial": order.experiment.name}


def forget_trial(order: Order, rank: int) -> None:
    """The trial has ended, and this process may go on."""
    tags = trial_tags(order)
    for name, (_, keys) in GAUGES.items():
        if keys == WORKER:
            show(name, math.nan, {**tags, "rank": str(rank)})
        elif keys == TRIAL and rank == 0:
            show(name, math.nan, tags)


def with_rate(name: str, store: str, results: Iterable[T], count: Callable[[T], int]) -> Iterator[T]:
    """Pass the results on, and show how many of what `count` counts in them come in a second."""
    since_s, num = time.monotonic(), 0
    for result in results:
        num += count(result)
        passed_s = time.monotonic() - since_s
        if passed_s >= RATE_EVERY_S:
            show(name, num / passed_s, {"store": store})
            since_s, num = time.monotonic(), 0
        yield result


@cache
def _gauge(name: str) -> Gauge:
    description, tags = GAUGES[name]
    return Gauge(f"twofold_{name}", description, tag_keys=tags)
