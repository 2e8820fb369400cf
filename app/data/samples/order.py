"""The order of samples as a pure function of the seed and the step.

A training sees one endless stream of samples: epoch after epoch, each a permutation of all rows. Step s takes the
positions [s * B, (s + 1) * B) of that stream, B being the global batch size, and worker r of k takes slice r of
them. So the order depends on neither the number of workers nor on restarts; every row comes once an epoch; no batch
is ever short and no row is dropped, because a batch may hold the last rows of one epoch and the first of the next.
A training that goes on with another batch size takes the stream up where it was: its step s begins at s * B + offset.
Who wants it otherwise ends each epoch with its last whole batch (`epoch_size`): other rows are dropped each time.

The permutation of a large set is a Feistel network with cycle walking (Black and Rogaway, "Ciphers with arbitrary
finite domains", CT-RSA 2002), computed for the positions asked for alone: 10^8 rows cost no table. On a tiny domain a
Feistel network is biased (measured: with 5 rows the frequencies of the orders vary by 18 %; it makes even permutations
only), so the rows of a small set are sorted by a hash, which makes all orders equally likely.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from app.errors import UsageError

Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]

MAX_TABLE_ROWS = 2**14
"""Sets up to this size are sorted by hash: 128 KiB and about a millisecond, once an epoch."""
NUM_FEISTEL_ROUNDS = 6
"""Four give a strong pseudo-random permutation with ideal round functions (Luby and Rackoff 1988); two to spare."""


def num_steps(epochs: int, dataset_size: int, global_batch_size: int, offset: int = 0) -> int:
    """Steps that show every row at least `epochs` times: the last batch is filled up, never cut short."""
    return -((offset - epochs * dataset_size) // global_batch_size)


def end_step_of_epoch(epoch: int, dataset_size: int, global_batch_size: int, offset: int = 0) -> int:
    """The number of steps after which epoch `epoch` (from 0) has been seen whole."""
    return num_steps(epoch + 1, dataset_size, global_batch_size, offset)


def sample_order(
    seed: int, step: int, dataset_size: int, global_batch_size: int, offset: int = 0, epoch_size: int | None = None
) -> Int64Array:
    """Row ids of global step `step`, shape [global_batch_size], int64.

    An epoch ends after its first `epoch_size` rows, others each time; None: after all.

    Raises:
        UsageError: an empty data set, an empty batch, an empty or too long epoch, or a step before the stream begins.
    """
    return _stream(seed, step, dataset_size, global_batch_size, offset, epoch_size)[1]


def sample_seeds(
    seed: int, step: int, dataset_size: int, global_batch_size: int, offset: int = 0, epoch_size: int | None = None
) -> UInt64Array:
    """One seed for each sample of the step, shape [global_batch_size], uint64.

    It depends on the training's seed, the epoch and the row alone and decides all that is random about the sample:
    where a patch is cut, how it is augmented.
    """
    return seeds_of(seed, *_stream(seed, step, dataset_size, global_batch_size, offset, epoch_size))


def seeds_of(seed: int, epochs: Int64Array, rows: Int64Array) -> UInt64Array:
    """The seeds of the samples of these epochs and rows."""
    return _mix(_mix(_mix(_as_uint64(seed)) + epochs.astype(np.uint64)) + rows.astype(np.uint64))


def worker_slice(rank: int, world_size: int, global_batch_size: int) -> slice:
    """The part of each global batch that worker `rank` of `world_size` takes."""
    if global_batch_size % world_size:
        raise UsageError(f"batch size {global_batch_size} is not divisible by {world_size} workers")
    share = global_batch_size // world_size
    return slice(rank * share, (rank + 1) * share)


def _stream(
    seed: int, step: int, dataset_size: int, global_batch_size: int, offset: int, epoch_size: int | None
) -> tuple[Int64Array, Int64Array]:
    start = step * global_batch_size + offset
    if dataset_size < 1 or global_batch_size < 1 or start < 0:
        raise UsageError(
            f"got {dataset_size} rows, a global batch of {global_batch_size} and step {step}; "
            "expected at least 1 row, a batch of at least 1 and a step of at least 0"
        )
    epoch_size = dataset_size if epoch_size is None else epoch_size
    if not 1 <= epoch_size <= dataset_size:
        raise UsageError(f"got an epoch of {epoch_size} rows, expected 1 to all {dataset_size}")
    positions = np.arange(start, start + global_batch_size, dtype=np.int64)
    epochs, offsets = np.divmod(positions, epoch_size)
    rows = np.empty_like(offsets)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        rows[here] = permute(seed, int(epoch), offsets[here], dataset_size)
    return epochs, rows


def permute(seed: int, epoch: int, positions: Int64Array, size: int) -> Int64Array:
    """Images of `positions` under the pseudo-random permutation of range(size) that seed and epoch choose."""
    if size <= MAX_TABLE_ROWS:
        return _table(seed, epoch, size)[positions]
    half_bits = -(-(size - 1).bit_length() // 2)
    mask = np.uint64((1 << half_bits) - 1)
    shift = np.uint64(half_bits)
    keys = _keys(seed, epoch, NUM_FEISTEL_ROUNDS)

    def encrypt(values: UInt64Array) -> UInt64Array:
        left, right = values >> shift, values & mask
        for key in keys:
            left, right = right, left ^ (_mix(right + key) & mask)
        return (left << shift) | right

    images = encrypt(positions.astype(np.uint64))
    outside = images >= size
    while outside.any():  # cycle walking; the domain is less than 4 * size + 4, so few rounds are expected
        images[outside] = encrypt(images[outside])
        outside = images >= size
    return images.astype(np.int64)


@lru_cache(maxsize=4)  # a batch may span two epochs; training and its look-ahead may be in different ones
def _table(seed: int, epoch: int, size: int) -> Int64Array:
    table = np.argsort(_keys(seed, epoch, size), kind="stable").astype(np.int64)
    table.setflags(write=False)
    return table


def _keys(seed: int, epoch: int, count: int) -> UInt64Array:
    """Independent 64-bit keys, shape [count]."""
    numbers: UInt64Array = np.arange(count, dtype=np.uint64)
    return _mix(_mix(_mix(_as_uint64(seed)) + np.uint64(epoch)) + numbers)


def draw(seed: int, name: tuple[int, ...], count: int) -> UInt64Array:
    """Random numbers that belong to a name, shape [count], uint64."""
    key = _mix(_as_uint64(seed))
    for part in name:
        key = _mix(key ^ np.uint64(part))
    numbers: UInt64Array = np.arange(count, dtype=np.uint64)
    return _mix(key + numbers)


def _as_uint64(value: int) -> UInt64Array:
    return np.array([value % 2**64], dtype=np.uint64)


def _mix(values: UInt64Array) -> UInt64Array:
    """SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014): a bijection that spreads every bit."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
