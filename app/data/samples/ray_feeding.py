"""The same batches through Ray Data: a row is a task, which reads a worker's share of several steps as one block.

What it costs beside the reading is Ray Data's scheduling loop, a thread of the process that trains: so blocks are
large, and the loop pauses while the training has what it needs.
"""

import atexit
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import ray.data
from ray.data import ExecutionResources, TaskPoolStrategy
from ray.data.block import BlockAccessor

from app.data.samples.feeding import HostBatch, StepReader

TASK_BYTES = 64 * 2**20
"""A task reads steps up to about this size: large enough that a task's own cost (some 10 ms) does not count."""
MAX_STEPS_PER_TASK = 128
"""The first task reads one step, each further one twice as many up to these bounds: the first batch comes soon."""
MAX_TASKS_PER_PIPELINE = 100
"""Ray plans every task before the first runs: 1000 took 1.5 s, 60,000 minutes (measured)."""

FIRST_PAUSE_S, PAUSE_S = 0.1, 1.0
"""First and longest pause of the loop; a training that runs out of batches ends it at once."""


class Pace:
    """Callback of Ray Data's scheduling loop that lets it pause while the training has batches to work on.

    Left alone the loop spins whenever blocks are ready that nobody takes, and it turns at least ten times a second:
    2 ms and more of the core that trains each time. Pauses double from one turn to the next until the training asks
    for a block. Written to the protocol of Ray's ExecutionCallback, whose class Ray calls for an instance; this one
    is its own, so that the consumer and the loop share it.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._num_turns = 0

    def __call__(self) -> "Pace":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Pace":
        return self

    def __reduce__(self) -> tuple[type["Pace"], tuple[()]]:
        return Pace, ()  # to a task, which has no loop

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While the consumer waits for a block."""
        self._asked.set()
        yield
        self._asked.clear()

    def end(self) -> None:
        """No more pauses: nobody consumes."""
        self._asked.set()

    def before_execution_starts(self, executor: object) -> None:
        pass

    def on_execution_step(self, executor: object) -> None:
        self._num_turns = 0 if self._asked.is_set() else self._num_turns + 1
        if self._num_turns:
            self._asked.wait(min(PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._num_turns - 1, 10)))

    def after_execution_succeeds(self, executor: object) -> None:
        pass

    def after_execution_fails(self, executor: object, error: Exception) -> None:
        pass


def ray_steps(
    reader: StepReader, start: int, end: int, name: str = "feeding", num_concurrent_tasks: int = 2
) -> Iterator[HostBatch]:
    """The batches of steps [start, end), in order, read by Ray tasks anywhere on the cluster.

    Ray's dashboard shows the pipeline by `name`. Closing the iterator ends the pipeline.
    """
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it says what it does, not what to do
    step_bytes = sum(array.nbytes for array in reader.load(start).values())
    most = max(1, min(MAX_STEPS_PER_TASK, TASK_BYTES // max(step_bytes, 1)))
    while start < end:
        bounds = task_bounds(start, end, most)
        pace = Pace()
        dataset = _dataset(reader, bounds, num_concurrent_tasks)
        dataset.set_name(name)
        context = dataset.context
        context.enable_progress_bars = False
        context.raise_original_map_exception = True  # else a DataError of the store loses its class
        context.target_max_block_size = 2 * max(most * step_bytes, 2**20)
        context.execution_options.preserve_order = True
        context.execution_options.resource_limits = ExecutionResources.for_limits(
            object_store_memory=4 * max(most * step_bytes, 2**20)
        )
        context.custom_execution_callback_classes = [pace]  # type: ignore[list-item]  # its protocol, not its class
        for block in _blocks(dataset, pace):
            num_steps = len(next(iter(block.values()))) // reader.share
            for i in range(num_steps):
                yield {key: array[i * reader.share : (i + 1) * reader.share] for key, array in block.items()}
        start = int(bounds[-1])


def task_bounds(start: int, end: int, most: int) -> npt.NDArray[np.int64]:
    """Task i reads steps [bounds[i], bounds[i + 1]): one step, then twice as many each, up to `most`."""
    sizes = np.minimum(2 ** np.minimum(np.arange(MAX_TASKS_PER_PIPELINE), 30), most)
    bounds = start + np.concatenate([[0], np.cumsum(sizes)])
    return np.unique(np.minimum(bounds, end))


def _dataset(reader: StepReader, bounds: npt.NDArray[np.int64], num_concurrent_tasks: int) -> ray.data.Dataset:
    def load(rows: dict[str, npt.NDArray[np.int64]]) -> HostBatch:
        task = int(rows["id"][0])
        return reader.load(int(bounds[task]), int(bounds[task + 1] - bounds[task]))

    num_tasks = len(bounds) - 1
    # The same concurrency for both, and whole blocks as batches: else Ray does not fuse them into one task a block.
    tasks = ray.data.range(num_tasks, override_num_blocks=num_tasks, concurrency=num_concurrent_tasks)
    return tasks.map_batches(load, batch_size=None, compute=TaskPoolStrategy(size=num_concurrent_tasks))


def _blocks(dataset: ray.data.Dataset, pace: Pace) -> Iterator[HostBatch]:
    """Whole blocks. `iter_batches` would hand each step on through four threads, and leave one behind when closed."""
    pipeline: list[Iterator[Any]] = []

    def end() -> None:
        pace.end()  # the loop is waited for
        pipeline.clear()  # what nobody refers to, Ray ends

    atexit.register(end)  # before Ray's own end: after it, Ray would start anew to end the pipeline, and hang
    try:
        while True:
            with pace.asking():
                if not pipeline:
                    pipeline.append(iter(dataset.iter_internal_ref_bundles()))
                bundle = next(pipeline[0], None)
            if bundle is None:
                return
            for entry in bundle.blocks:
                block: Any = BlockAccessor.for_block(ray.get(entry.ref)).to_numpy()
                yield block
    finally:
        atexit.unregister(end)
        end()
