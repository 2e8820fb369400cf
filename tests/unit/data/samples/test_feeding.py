import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from app.data.samples.feeding import SEEDS, HostBatch, Prefetcher, Samples, StepReader, read_steps, rows_of_epoch
from app.errors import UsageError


@dataclass(frozen=True)
class Rows(Samples):
    num_rows: int

    def __len__(self) -> int:
        return self.num_rows

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        return {"row": rows}


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_workers_together_read_what_one_reads(world_size: int) -> None:
    whole = list(read_steps(StepReader(Rows(10), 3, 6, 0, 1), 2, 7))
    parts = [list(read_steps(StepReader(Rows(10), 3, 6, rank, world_size), 2, 7)) for rank in range(world_size)]
    for step, batch in enumerate(whole):
        for key in ("row", SEEDS):
            np.testing.assert_array_equal(np.concatenate([part[step][key] for part in parts]), batch[key])


@dataclass(frozen=True)
class RowsWithLengths(Rows):
    lengths: npt.NDArray[np.int32]


def test_rows_of_an_epoch() -> None:
    assert [rows_of_epoch(Rows(10), 4, drop) for drop in (False, True)] == [10, 8]
    assert [rows_of_epoch(Rows(10), batch, True) for batch in (5, 11)] == [10, 0]
    grouped = RowsWithLengths(10, np.arange(10, dtype=np.int32))
    assert rows_of_epoch(grouped, 4, False) == 10
    with pytest.raises(UsageError, match="drop_remainder: got true for samples that come in batches of like length"):
        rows_of_epoch(grouped, 4, True)


def test_samples_with_lengths_come_in_batches_of_like_length() -> None:
    samples = RowsWithLengths(64, np.arange(64, dtype=np.int32))
    batches = list(read_steps(StepReader(samples, 0, 8, 0, 1), 0, 8))
    assert sorted(np.concatenate([batch["row"] for batch in batches]).tolist()) == list(range(64))
    assert {int(np.ptp(batch["row"])) for batch in batches} == {7}
    assert len({int(seed) for batch in batches for seed in batch[SEEDS]}) == 64


def test_prefetcher_gives_all_batches_in_order_and_then_stops() -> None:
    batches = Prefetcher(lambda: read_steps(StepReader(Rows(10), 0, 2, 0, 1), 0, 20))
    got = [batch["row"] for batch in batches]
    expected = [batch["row"] for batch in read_steps(StepReader(Rows(10), 0, 2, 0, 1), 0, 20)]
    np.testing.assert_array_equal(got, expected)
    with pytest.raises(StopIteration):
        next(batches)


def test_an_error_of_the_source_reaches_whoever_asks() -> None:
    def source() -> Iterator[HostBatch]:
        yield {"row": np.zeros(1, np.int64)}
        raise OSError("the store is gone")

    batches = Prefetcher(source)
    next(batches)
    for _ in range(2):
        with pytest.raises(OSError, match="the store is gone"):
            next(batches)


def test_it_reads_ahead_no_further_than_its_depth_and_close_ends_its_thread() -> None:
    num_read = 0

    def source() -> Iterator[HostBatch]:
        nonlocal num_read
        while True:
            num_read += 1
            yield {"row": np.zeros(1, np.int64)}

    before = threading.active_count()
    batches = Prefetcher(source, depth=2)
    deadline = time.monotonic() + 5
    while num_read < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert num_read == 3  # two waiting, one in hand
    batches.close()
    assert threading.active_count() == before
