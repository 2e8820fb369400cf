import tracemalloc
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from app.data.samples.order import draw, end_step_of_epoch, num_steps, sample_order, sample_seeds, worker_slice

SEEDS = st.integers(0, 2**64 - 1)


def stream(seed: int, size: int, batch: int, steps: int) -> np.ndarray:
    return np.concatenate([sample_order(seed, step, size, batch) for step in range(steps)])


@given(SEEDS, st.integers(1, 300), st.integers(1, 40), st.integers(1, 3))
def test_every_row_comes_once_an_epoch(seed: int, size: int, batch: int, epochs: int) -> None:
    rows = stream(seed, size, batch, num_steps(epochs, size, batch))
    assert len(rows) >= epochs * size
    for epoch in range(epochs):
        assert sorted(rows[epoch * size : (epoch + 1) * size].tolist()) == list(range(size))


@given(SEEDS, st.integers(1, 50), st.integers(1, 5))
def test_a_batch_larger_than_the_data_set_holds_whole_epochs(seed: int, size: int, times: int) -> None:
    rows = sample_order(seed, 0, size, size * times)
    assert np.bincount(rows, minlength=size).tolist() == [times] * size


@given(SEEDS, st.integers(0, 10**6), st.integers(1, 500), st.integers(1, 48))
def test_slices_of_any_number_of_workers_make_the_same_batch(seed: int, step: int, size: int, batch: int) -> None:
    whole = sample_order(seed, step, size, batch)
    for num_workers in (k for k in range(1, batch + 1) if batch % k == 0):
        parts = [whole[worker_slice(rank, num_workers, batch)] for rank in range(num_workers)]
        assert {len(part) for part in parts} == {batch // num_workers}
        assert np.concatenate(parts).tolist() == whole.tolist()


@given(SEEDS, st.integers(1, 200), st.integers(1, 20))
def test_the_stream_does_not_depend_on_the_batch_size(seed: int, size: int, batch: int) -> None:
    """So a training can go on with another batch size where it stopped, and no step depends on the ones before."""
    ones = stream(seed, size, 1, 3 * batch)
    assert stream(seed, size, batch, 3).tolist() == ones.tolist()
    assert sample_order(seed, 2, size, batch).tolist() == ones[2 * batch :].tolist()


@given(SEEDS, st.integers(1, 200), st.integers(1, 20), st.integers(0, 60))
def test_an_offset_moves_along_the_stream(seed: int, size: int, batch: int, start: int) -> None:
    ones = stream(seed, size, 1, start + 2 * batch)
    step, offset = 5, start - 5 * batch  # the sixth step begins at `start`
    for taken, places in ((step, ones[start : start + batch]), (step + 1, ones[start + batch :])):
        assert sample_order(seed, taken, size, batch, offset).tolist() == places.tolist()
    wanted = [int(sample_seeds(seed, start + i, size, 1)[0]) for i in range(batch)]
    assert sample_seeds(seed, step, size, batch, offset).tolist() == wanted


@given(SEEDS, st.integers(1, 200), st.integers(1, 40), st.integers(1, 4))
def test_epochs_of_whole_batches_drop_fewer_rows_than_a_batch_has(
    seed: int, size: int, batch: int, epochs: int
) -> None:
    """No row twice in an epoch, and the rows shown are the first of the epoch's own permutation."""
    batch = min(batch, size)
    kept = size // batch * batch
    for epoch in range(epochs):
        steps = range(num_steps(epoch, kept, batch), end_step_of_epoch(epoch, kept, batch))
        assert len(steps) == size // batch
        rows = [sample_order(seed, step, size, batch, epoch_size=kept) for step in steps]
        seeds = [sample_seeds(seed, step, size, batch, epoch_size=kept) for step in steps]
        shown = np.concatenate(rows).tolist()
        assert len(set(shown)) == len(shown) == kept > size - batch
        assert shown == sample_order(seed, 0, size, kept, offset=epoch * size).tolist()
        whole = sample_seeds(seed, 0, size, kept, offset=epoch * size)
        assert np.concatenate(seeds).tolist() == whole.tolist(), "a sample looks alike, whatever is dropped"


def test_other_rows_are_dropped_in_other_epochs() -> None:
    dropped = [set(range(10)) - set(sample_order(0, e, 10, 8, epoch_size=8).tolist()) for e in range(60)]
    assert {len(rows) for rows in dropped} == {2} and set().union(*dropped) == set(range(10))


@pytest.mark.parametrize("epoch_size", [0, 11])
def test_an_epoch_has_one_row_at_least_and_all_at_most(epoch_size: int) -> None:
    with pytest.raises(ValueError, match=f"epoch of {epoch_size} rows, expected 1 to all 10"):
        sample_order(0, 0, 10, 2, epoch_size=epoch_size)


def test_epochs_and_seeds_differ() -> None:
    first, second = sample_order(0, 0, 100, 100), sample_order(0, 1, 100, 100)
    other = sample_order(1, 0, 100, 100)
    assert (first != second).mean() > 0.9
    assert (first != other).mean() > 0.9
    assert (first != np.arange(100)).mean() > 0.9


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_all_permutations_of_a_small_set_are_about_as_likely(size: int) -> None:
    index = {order: i for i, order in enumerate(permutations(range(size)))}
    counts = np.zeros(len(index), int)
    for seed in range(60 * len(index)):
        counts[index[tuple(sample_order(seed, 0, size, size).tolist())]] += 1
    assert chisquare(counts).pvalue > 1e-4


def test_rows_are_uniform_over_the_places_of_an_epoch() -> None:
    """Where row 0 of 40 lands over many epochs; and no row tends to follow its neighbour."""
    orders = np.stack([sample_order(7, step, 40, 40) for step in range(4000)])
    for row in (0, 17, 39):
        assert chisquare(np.bincount((orders == row).argmax(axis=1), minlength=40)).pvalue > 1e-4
    steps = np.diff(orders, axis=1)
    assert (steps == 1).mean() == pytest.approx(1 / 40, abs=0.003)  # 39 of the 40 * 39 ordered pairs are neighbours


@given(SEEDS, st.integers(2**14 - 2, 2**14 + 3000))
def test_every_row_comes_once_in_a_set_too_large_for_a_table(seed: int, size: int) -> None:
    assert np.bincount(sample_order(seed, 1, size, size), minlength=size).tolist() == [1] * size


def test_rows_of_a_large_set_are_uniform_over_an_epoch() -> None:
    """Neither places and rows nor a row and the next are related; sums of the table are given, hence 81 degrees."""
    size = 30_000
    assert is_independent(np.arange(size), sample_order(11, 0, size, size))
    order = sample_order(11, 0, size, size)
    assert is_independent(order[:-1], order[1:])
    for no_shuffle in (np.arange(size), np.arange(size) * 7919 % size, np.arange(size).reshape(100, 300).T.ravel()):
        assert not is_independent(no_shuffle[:-1], no_shuffle[1:])


def is_independent(a: np.ndarray, b: np.ndarray) -> bool:
    """Nor spread more evenly than chance does."""
    table = np.histogram2d(a, b, bins=10)[0].ravel()
    return 1e-4 < float(chisquare(table, ddof=18).pvalue) < 1 - 1e-4


def test_a_hundred_million_rows_need_no_table() -> None:
    size = 10**8
    sample_order(3, 0, 10, 2)  # what a first call loads is not counted
    tracemalloc.start()
    rows = np.concatenate([sample_order(3, step, size, 1024) for step in (0, 1, 50_000)])
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2 * 2**20
    assert len(set(rows.tolist())) == len(rows)
    assert rows.min() >= 0
    assert rows.max() < size
    assert abs(rows.mean() / size - 0.5) < 0.05


def test_one_row_is_repeated() -> None:
    assert sample_order(5, 3, 1, 4).tolist() == [0, 0, 0, 0]


@given(SEEDS, st.integers(0, 1000), st.integers(1, 100), st.integers(1, 30))
def test_a_sample_has_the_same_seed_whatever_the_batch(seed: int, step: int, size: int, batch: int) -> None:
    whole = sample_seeds(seed, step, size, batch)
    ones = [int(sample_seeds(seed, step * batch + i, size, 1)[0]) for i in range(batch)]
    assert whole.tolist() == ones


def test_seeds_of_samples_differ_by_row_epoch_and_training() -> None:
    seeds = [sample_seeds(seed, step, 500, 500) for seed in (0, 1) for step in (0, 1)]
    assert len(set(np.concatenate(seeds).tolist())) == 4 * 500


def test_steps_cover_the_epochs_and_no_more() -> None:
    assert num_steps(1, 338, 2) == 169  # DistMIS on one GPU
    assert num_steps(3, 10, 4) == 8  # 30 samples in batches of 4
    assert [end_step_of_epoch(e, 10, 4) for e in range(3)] == [3, 5, 8]
    # After two steps of 3 samples, steps of 4 end at 10, 14, 18, 22: step s at 4 s - 2.
    assert [end_step_of_epoch(e, 10, 4, offset=-2) for e in range(2)] == [3, 6]


@pytest.mark.parametrize(("step", "size", "batch"), [(0, 0, 1), (0, 1, 0), (-1, 1, 1)])
def test_nonsense_is_refused(step: int, size: int, batch: int) -> None:
    with pytest.raises(ValueError, match="expected at least 1 row"):
        sample_order(0, step, size, batch)


def test_workers_that_do_not_divide_the_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="batch size 8 is not divisible by 3 workers"):
        worker_slice(0, 3, 8)


def splitmix(state: int) -> int:
    """SplitMix64 as its authors have it (Steele, Lea and Flood 2014), in Python's own integers."""
    z = (state + 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def test_the_reference_is_the_published_generator() -> None:
    assert [splitmix(n * 0x9E3779B97F4A7C15 % 2**64) for n in range(3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


@given(SEEDS, st.integers(0, 9))
def test_seeds_and_draws_are_what_older_runs_had(seed: int, epoch: int) -> None:
    """An order is a promise: a training that goes on with a newer version sees the next sample."""
    of_epoch = splitmix((splitmix(seed) + epoch) % 2**64)
    by_row = sorted(range(30), key=lambda row: splitmix((of_epoch + row) % 2**64))
    assert sample_order(seed, epoch, 30, 30).tolist() == by_row
    assert sample_seeds(seed, epoch, 30, 30).tolist() == [splitmix((of_epoch + row) % 2**64) for row in by_row]
    key = splitmix(splitmix(splitmix(seed) ^ 7) ^ epoch)
    assert draw(seed, (7, epoch), 4).tolist() == [splitmix((key + n) % 2**64) for n in range(4)]


def feistel(seed: int, epoch: int, position: int, size: int) -> int:
    """Six rounds on the smallest even number of bits that count to `size`, again until the image is below it."""
    half = next(bits for bits in range(1, 33) if 4**bits >= size)
    of_epoch = splitmix((splitmix(seed) + epoch) % 2**64)
    left, right = divmod(position, 2**half)
    for number in range(6):
        key = splitmix((of_epoch + number) % 2**64)
        left, right = right, left ^ (splitmix((right + key) % 2**64) % 2**half)
    image = left * 2**half + right
    return image if image < size else feistel(seed, epoch, image, size)


@given(
    SEEDS, st.integers(0, 9), st.sampled_from([2**14 + 1, 2**16 - 1, 2**16, 2**16 + 1, 10**8]), st.integers(4, 2**14)
)
def test_so_is_the_order_of_a_large_set(seed: int, epoch: int, size: int, start: int) -> None:
    first = epoch * size + start - 4
    wanted = [feistel(seed, *divmod(first + number, size), size) for number in range(4)]
    assert sample_order(seed, 0, size, 4, offset=first).tolist() == wanted
