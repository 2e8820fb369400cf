"""The same batches through Ray Data: a row is a step number, and a worker's pipeline reads its share of each step.

A pipeline runs over as many of the remaining steps as Ray plans quickly: starting one anew each epoch was measured to
cost 2-3 s.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import ray.data
from ray.data import TaskPoolStrategy

from app.data.feeding import HostBatch, StepReader

TASK_BYTES = 64 * 2**20
"""A task reads steps up to about this size: large enough that a task's own cost (some 10 ms) does not count."""
MAX_STEPS_PER_TASK = 16
MAX_TASKS_PER_PIPELINE = 1000
"""Ray plans every task before the first runs: 1000 take well under a second, 60,000 took minutes (measured)."""

WAITING_TURN_S = 0.08
"""A turn of Ray Data's scheduling loop that took longer waited for a task: it waits for up to 0.1 s."""
PAUSE_S = 0.4
"""The longest; the first is 2 ms, each twice the one before, so that none is longer than the wait so far."""


class Pace:
    """Callback of Ray Data's scheduling loop that lets it pause when it has nothing to do.

    While blocks are ready but the consumer is behind, the loop's `ray.wait` returns at once and the loop spins: a
    thread at 72 % of a core, inside the worker that trains (measured: a training at half its speed until all was
    read). A turn takes 2 ms and more of that core, so even 20 a second are felt. Written to the protocol of Ray's
    ExecutionCallback.
    """

    def __init__(self) -> None:
        self._num_idle = 0
        self._num_events = 0
        self._last_s = time.monotonic()

    def before_execution_starts(self, executor: object) -> None:
        pass

    def on_execution_step(self, executor: object) -> None:
        num_events = _count_events(executor)
        idle = num_events == self._num_events and time.monotonic() - self._last_s < WAITING_TURN_S
        self._num_events = num_events
        self._num_idle = self._num_idle + 1 if idle else 0
        if idle:
            time.sleep(min(PAUSE_S, 0.001 * 2.0 ** min(self._num_idle, 9)))
        self._last_s = time.monotonic()

    def after_execution_succeeds(self, executor: object) -> None:
        pass

    def after_execution_fails(self, executor: object, error: Exception) -> None:
        pass


def _count_events(executor: Any) -> int:
    """Tasks begun and ended, and blocks made and handed on, since the pipeline began."""
    metrics = [operator.metrics for operator in executor._topology]  # no public count has the blocks handed on
    return sum(
        m.num_tasks_submitted + m.num_tasks_finished + m.num_task_outputs_generated + m.num_outputs_taken
        for m in metrics
    )


def ray_steps(reader: StepReader, start: int, end: int, num_concurrent_tasks: int = 2) -> Iterator[HostBatch]:
    """The batches of steps [start, end), in order, read by Ray tasks anywhere on the cluster."""
    step_bytes = sum(array.nbytes for array in reader.load(start).values())
    steps_per_task = max(1, min(MAX_STEPS_PER_TASK, TASK_BYTES // max(step_bytes, 1), (end - start) // 4))
    steps_per_pipeline = steps_per_task * MAX_TASKS_PER_PIPELINE
    for first in range(start, end, steps_per_pipeline):
        dataset = _dataset(reader, first, min(first + steps_per_pipeline, end), steps_per_task, num_concurrent_tasks)
        context = dataset.context
        context.enable_progress_bars = False
        context.raise_original_map_exception = True  # else a DataError of the store loses its class
        context.target_max_block_size = 2 * max(steps_per_task * step_bytes, 2**20)
        context.execution_options.preserve_order = True
        context.custom_execution_callback_classes = [Pace]  # type: ignore[list-item]  # its protocol, not its class
        for batch in dataset.iter_batches(batch_size=reader.share, batch_format="numpy", prefetch_batches=2):
            yield dict(batch)


def _dataset(
    reader: StepReader, first: int, end: int, steps_per_task: int, num_concurrent_tasks: int
) -> ray.data.Dataset:
    def load(rows: dict[str, npt.NDArray[np.int64]]) -> HostBatch:
        # One block a task: each block that is handed over waits for a turn of the scheduling loop.
        return reader.load(first + int(rows["id"][0]), len(rows["id"]))

    # The same concurrency for both, and whole blocks as batches: else Ray does not fuse them into one task a block.
    steps = ray.data.range(
        end - first, override_num_blocks=-(-(end - first) // steps_per_task), concurrency=num_concurrent_tasks
    )
    return steps.map_batches(load, batch_size=None, compute=TaskPoolStrategy(size=num_concurrent_tasks))
