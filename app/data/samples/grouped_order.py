"""The order of samples when they differ in length and a batch is padded to its longest: like lengths together.

The stream of app.data.samples.order, rearranged within each epoch: the positions that fill whole batches are cut into
pools of some NUM_POOL_BATCHES batches; the rows of a pool are sorted by length, cut into batches, and the batches of
the pool shuffled. The batch that holds the last rows of one epoch and the first of the next takes both at the same
place of their pools' lengths, a place drawn anew for each such batch. So what the plain order promises holds here too:
a pure function of the seed and the step, whatever the number of workers, and every row once an epoch. Only the batch
size matters: another one makes another order.
"""

import numpy as np
import numpy.typing as npt

from app.data.samples.order import Int64Array, UInt64Array, draw, permute, seeds_of
from app.errors import UsageError

Int32Array = npt.NDArray[np.int32]

NUM_POOL_BATCHES = 32
"""Measured on lengths as of OCR text (mean 280, cut at 512): 3 % padding; 8 batches leave 9 to 10 %, no grouping 42 to
48 %. An epoch of fewer batches pads more (5 batches: 14 %). Larger pools would pad less, and show pages of like length,
which are often of one class, together."""

_BATCH_KEY, _SEAM_KEY = 1, 2


def grouped_sample_order(seed: int, step: int, lengths: Int32Array, global_batch_size: int) -> Int64Array:
    """Row ids of global step `step`, shape [global_batch_size], int64; `lengths` has one entry a row.

    The rows of a batch are spread such that the slices of any number of workers have like lengths.

    Raises:
        UsageError: an empty data set, an empty batch or a negative step.
    """
    return _stream(seed, step, lengths, global_batch_size)[1]


def grouped_sample_seeds(seed: int, step: int, lengths: Int32Array, global_batch_size: int) -> UInt64Array:
    """One seed for each sample of the step, shape [global_batch_size], uint64: that of its epoch and row."""
    return seeds_of(seed, *_stream(seed, step, lengths, global_batch_size))


def _stream(seed: int, step: int, lengths: Int32Array, batch: int) -> tuple[Int64Array, Int64Array]:
    """Epochs and rows of a step."""
    size = len(lengths)
    if size < 1 or batch < 1 or step < 0:
        raise UsageError(
            f"got {size} rows, a global batch of {batch} and step {step}; "
            "expected at least 1 row, a batch of at least 1 and a step of at least 0"
        )
    first, last = step * batch // size, ((step + 1) * batch - 1) // size
    parts = [_Epoch(seed, epoch, lengths, batch).rows_of(step) for epoch in range(first, last + 1)]
    epochs = np.repeat(np.arange(first, last + 1), [len(part) for part in parts])
    rows = np.concatenate(parts)
    spread = np.argsort(lengths[rows], kind="stable")[_spread(batch)]
    return epochs[spread], rows[spread]


class _Epoch:
    """How one epoch's positions fall into batches: `num_head` finish the batch that the epoch before began, then
    whole batches, then `num_tail` begin the next epoch's first batch."""

    def __init__(self, seed: int, epoch: int, lengths: Int32Array, batch: int) -> None:
        self.seed, self.epoch, self.lengths, self.batch = seed, epoch, lengths, batch
        self.size = len(lengths)
        start, end = epoch * self.size, (epoch + 1) * self.size
        self.first_step = -(-start // batch)
        self.num_batches = max(0, end // batch - self.first_step)
        self.num_head = min(self.first_step * batch - start, self.size)
        self.num_tail = self.size - self.num_head - self.num_batches * batch
        self.num_pools = max(1, round(self.num_batches / NUM_POOL_BATCHES))

    def rows_of(self, step: int) -> Int64Array:
        """This epoch's rows in the batch of `step`."""
        place = step - self.first_step
        if place < 0:
            return self._pool(0)[0]
        if place >= self.num_batches:
            return self._pool(self.num_pools - 1)[2]
        pool = int(np.searchsorted(self._pool_starts(), place, side="right")) - 1
        rows: Int64Array = self._pool(pool)[1][place - self._pool_starts()[pool]]
        return rows

    def _pool_starts(self) -> Int64Array:
        """First batch of each pool, and the end of the last, [num_pools + 1]."""
        starts: Int64Array = np.arange(self.num_pools + 1, dtype=np.int64)
        starts *= self.num_batches
        starts //= self.num_pools
        return starts

    def _pool(self, pool: int) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Rows of the head (empty but in the first pool), of the batches [n, batch] and of the tail (last pool)."""
        starts = self._pool_starts()
        head = self.num_head if pool == 0 else 0
        tail = self.num_tail if pool == self.num_pools - 1 else 0
        start = self.num_head + starts[pool] * self.batch - head
        end = self.num_head + starts[pool + 1] * self.batch + tail
        rows = permute(self.seed, self.epoch, np.arange(start, end, dtype=np.int64), self.size)
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        head_rows, rows = _take(rows, head, self._seam(self.epoch))
        tail_rows, rows = _take(rows, tail, self._seam(self.epoch + 1))
        batches = rows.reshape(-1, self.batch)
        return head_rows, batches[np.argsort(draw(self.seed, (_BATCH_KEY, self.epoch, pool), len(batches)))], tail_rows

    def _seam(self, epoch: int) -> float:
        """Where among the sorted lengths the batch before `epoch`'s first whole one takes its rows, in [0, 1)."""
        return float(draw(self.seed, (_SEAM_KEY, epoch), 1)[0]) / 2.0**64


def _take(rows: Int64Array, count: int, place: float) -> tuple[Int64Array, Int64Array]:
    """A run of `count` rows at the relative `place`, and the rest."""
    start = int(place * (len(rows) - count + 1))
    return rows[start : start + count], np.concatenate([rows[:start], rows[start + count :]])


def _spread(count: int) -> Int64Array:
    """An order of range(count) any slice of which covers the range evenly: van der Corput's sequence."""
    numbers, values, weight = np.arange(count), np.zeros(count), 0.5
    while numbers.any():
        values += weight * (numbers % 2)
        numbers, weight = numbers // 2, weight / 2
    return np.argsort(values, kind="stable").argsort(kind="stable")
