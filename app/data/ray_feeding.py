"""The same batches through Ray Data: a row is a step number, and a worker's pipeline reads its share of each step.

A pipeline runs over as many of the remaining steps as Ray plans quickly: starting one anew each epoch was measured to
cost 2-3 s.
"""

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
        context.target_max_block_size = max(step_bytes, 2**20)
        context.execution_options.preserve_order = True
        for batch in dataset.iter_batches(batch_size=reader.share, batch_format="numpy", prefetch_batches=2):
            yield dict(batch)


def _dataset(
    reader: StepReader, first: int, end: int, steps_per_task: int, num_concurrent_tasks: int
) -> ray.data.Dataset:
    def load(rows: dict[str, npt.NDArray[np.int64]]) -> Iterator[HostBatch]:
        for step in rows["id"]:
            yield reader.load(first + int(step))

    # The same concurrency for both, and whole blocks as batches: else Ray does not fuse them into one task a block.
    steps = ray.data.range(
        end - first, override_num_blocks=-(-(end - first) // steps_per_task), concurrency=num_concurrent_tasks
    )
    return steps.map_batches(load, batch_size=None, compute=TaskPoolStrategy(size=num_concurrent_tasks))
