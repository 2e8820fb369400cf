"""One worker's share of each step's samples, read in the order of app.data.samples.order; without Ray or torch."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.data.samples.grouped_order import grouped_sample_order, grouped_sample_seeds
from app.data.samples.order import sample_order, sample_seeds, worker_slice
from app.errors import UsageError

HostBatch = dict[str, npt.NDArray[Any]]
"""Samples as they are read: named arrays, the first axis of each being B."""
SEEDS = "sample_seed"
"""Key under which a batch carries its samples' seeds, uint64 [B]."""


class Samples(Protocol):
    """The training split of a prepared store. Opening costs little; it is pickled to the processes that read."""

    lengths: npt.NDArray[np.int32] | None = None
    """The length of each row, where samples differ in length and a batch is padded to its longest: rows of like length
    then come in one batch (app.data.samples.grouped_order). None: the order does not look at what is in a row."""

    def __len__(self) -> int:
        """Rows of one epoch."""
        ...

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        """Read the samples of these rows; all that is random about each is drawn from its own seed."""
        ...


@dataclass(frozen=True)
class StepReader:
    """Reads what worker `rank` of `world_size` sees at a step. Small to pickle; a pure function of the step.

    Samples that have `lengths` come in batches of like length (app.data.samples.grouped_order).
    """

    samples: Samples
    seed: int
    global_batch_size: int
    rank: int
    world_size: int
    offset: int = 0
    """Where step 0 would begin in the stream of samples; not of samples with lengths."""
    epoch_size: int | None = None
    """Rows that an epoch shows; None: all, as of samples with lengths always."""

    @property
    def share(self) -> int:
        """Samples of one step on this worker."""
        return self.global_batch_size // self.world_size

    def load(self, step: int, num_steps: int = 1) -> HostBatch:
        """The share of `num_steps` steps from `step` on, one after the other, read as one batch."""
        mine = worker_slice(self.rank, self.world_size, self.global_batch_size)
        orders = [self._order(s) for s in range(step, step + num_steps)]
        rows = np.concatenate([rows[mine] for rows, _ in orders])
        seeds = np.concatenate([seeds[mine] for _, seeds in orders])
        return {**self.samples.load(rows, seeds), SEEDS: seeds}

    def _order(self, step: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        """Rows and seeds of the whole global batch."""
        lengths = self.samples.lengths
        if lengths is not None:
            return (
                grouped_sample_order(self.seed, step, lengths, self.global_batch_size),
                grouped_sample_seeds(self.seed, step, lengths, self.global_batch_size),
            )
        size = len(self.samples)
        return (
            sample_order(self.seed, step, size, self.global_batch_size, self.offset, self.epoch_size),
            sample_seeds(self.seed, step, size, self.global_batch_size, self.offset, self.epoch_size),
        )


def rows_of_epoch(samples: Samples, global_batch_size: int, drop_remainder: bool) -> int:
    """Rows that an epoch shows: all, or as many as fill whole batches; 0 where there are fewer than one batch has.

    Raises:
        UsageError: a remainder is to be dropped of samples that come in batches of like length.
    """
    if not drop_remainder:
        return len(samples)
    if samples.lengths is not None:
        raise UsageError(
            "drop_remainder: got true for samples that come in batches of like length, expected false: their order "
            "has no remainder to drop"
        )
    return len(samples) // global_batch_size * global_batch_size


class Prefetcher(Iterator[HostBatch]):
    """Pulls batches in a thread of its own, so that reading goes on while the device computes.

    It starts at once: make it before the network is built. An error of the source is raised where the batch is asked
    for. `close` ends the thread.
    """

    def __init__(self, source: Callable[[], Iterator[HostBatch]], depth: int = 2) -> None:
        self._ready: queue.Queue[tuple[HostBatch | None, BaseException | None]] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._pull, args=(source,), name="prefetch", daemon=True)
        self._thread.start()

    def __next__(self) -> HostBatch:
        batch, error = self._ready.get()
        if batch is None:
            self._ready.put((None, error))  # whoever asks again gets the same answer
            raise StopIteration if error is None else error
        return batch

    def close(self) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(timeout=0.05)

    def _pull(self, source: Callable[[], Iterator[HostBatch]]) -> None:
        try:
            for batch in source():
                if not self._offer((batch, None)):
                    return
            self._offer((None, None))
        except BaseException as error:  # handed to the consumer, whatever it is
            self._offer((None, error))

    def _offer(self, item: tuple[HostBatch | None, BaseException | None]) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


def read_steps(reader: StepReader, start: int, end: int) -> Iterator[HostBatch]:
    """The batches of steps [start, end), read here and now."""
    for step in range(start, end):
        yield reader.load(step)
