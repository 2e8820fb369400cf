"""The same batches through Ray Data: a row is a step number, and a worker's pipeline reads its share of each step.

A pipeline runs over as many of the remaining steps as Ray plans quickly: starting one anew each epoch was measured to
cost 2-3 s.
"""

import time
from collections.abc import Iterator

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

IDLE_TURN_S = 0.005
"""A turn of Ray Data's scheduling loop that took less than this waited for nothing."""
NUM_IDLE_TURNS = 3
"""So many in a row are what handing on blocks takes; with more the loop spins."""
PAUSE_S = 0.05
"""The longest; the first is 2 ms, each twice the one before."""


class Pace:
    """Callback of Ray Data's scheduling loop that lets it pause when it has nothing to do.

    While blocks are ready but the consumer is behind, the loop's `ray.wait` returns at once and the loop spins: a
    thread at 72 % of a core, inside the worker that trains (measured: a training at half its speed until all was
    read). Written to the protocol of Ray's ExecutionCallback.
    """

    def __init__(self) -> None:
        self._num_idle = 0
        self._last_s = time.monotonic()

    def before_execution_starts(self, executor: object) -> None:
        pass

    def on_execution_step(self, executor: object) -> None:
        idle = time.monotonic() - self._last_s < IDLE_TURN_S
        self._num_idle = self._num_idle + 1 if idle else 0
        if self._num_idle > NUM_IDLE_TURNS:
            time.sleep(min(PAUSE_S, 0.001 * 2.0 ** min(self._num_idle - NUM_IDLE_TURNS, 6)))
        self._last_s = time.monotonic()

    def after_execution_succeeds(self, executor: object) -> None:
        pass

    def after_execution_fails(self, executor: object, error: Exception) -> None:
        pass


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
