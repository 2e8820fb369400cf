import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from app.data.samples import grouped_order
from app.data.samples.grouped_order import grouped_sample_order, grouped_sample_seeds
from app.data.samples.order import draw, num_steps, sample_order, sample_seeds, worker_slice

SEEDS = st.integers(0, 2**64 - 1)


def lengths_of(size: int, seed: int = 0) -> np.ndarray:
    """Token counts as of OCR text: log-normal with empty pages, cut at 512."""
    random = np.random.default_rng(seed)
    lengths = np.exp(random.normal(5.6, 0.9, size))
    lengths[random.random(size) < 0.05] = 3
    return np.clip(lengths, 3, 512).astype(np.int32)


def padding(orders: list[np.ndarray], lengths: np.ndarray) -> float:
    padded = sum(int(lengths[rows].max()) * len(rows) for rows in orders)
    return 1 - sum(int(lengths[rows].sum()) for rows in orders) / padded


@given(SEEDS, st.integers(1, 300), st.integers(1, 40), st.integers(1, 4), st.integers(1, 8))
def test_every_row_comes_once_an_epoch(seed: int, size: int, batch: int, epochs: int, pool: int) -> None:
    """Whatever the step an epoch ends in; small pools, so that there are many."""
    lengths = lengths_of(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouped_order, "NUM_POOL_BATCHES", pool)
        steps = range(num_steps(epochs, size, batch))
        orders = [grouped_sample_order(seed, step, lengths, batch) for step in steps]
        seeds = np.concatenate([grouped_sample_seeds(seed, step, lengths, batch) for step in steps])
    rows = np.concatenate(orders)
    assert all(len(order) == batch for order in orders)
    for epoch in range(epochs):  # whole steps between the two seams, and at the seams each row at most once more
        first, end = -(-epoch * size // batch) * batch, (epoch + 1) * size // batch * batch
        assert len(set(rows[first:end].tolist())) == max(0, end - first)
    assert np.bincount(rows, minlength=size).min() >= epochs
    plain = np.concatenate([sample_seeds(seed, step, size, batch) for step in steps])
    by_row = sorted(zip(np.concatenate([sample_order(seed, s, size, batch) for s in steps]), plain, strict=True))
    if len(rows) % size == 0:  # a sample's seed is that of the plain order: of its epoch and row
        assert sorted(zip(rows, seeds, strict=True)) == by_row


def test_a_step_is_a_pure_function_that_seed_and_epoch_change() -> None:
    lengths = lengths_of(1000)
    steps = [grouped_sample_order(3, step, lengths, 10) for step in range(200)]
    assert grouped_sample_order(3, 57, lengths.copy(), 10).tolist() == steps[57].tolist()
    assert grouped_sample_order(4, 57, lengths, 10).tolist() != steps[57].tolist()
    first, second = [{frozenset(order.tolist()) for order in steps[i : i + 100]} for i in (0, 100)]
    assert len(first & second) < 10  # other rows meet in the next epoch


def regrouped(seed: int, epoch: int, lengths: np.ndarray, batch: int, pool: int) -> dict[int, list[int]]:
    """By step, the rows of an epoch in the order of their lengths, put together list by list as the module's first
    lines have it."""

    def taken(rows: list[int], count: int, next_epoch: int) -> list[int]:
        place = int(draw(seed, (2, next_epoch), 1)[0]) / 2**64
        start = int(place * (len(rows) - count + 1))
        found = rows[start : start + count]
        del rows[start : start + count]
        return found

    size = len(lengths)
    stream = sample_order(seed, epoch, size, size).tolist()
    whole = [step for step in range(epoch * size // batch, (epoch + 1) * size // batch) if step * batch >= epoch * size]
    first = whole[0] if whole else -(-epoch * size // batch)
    num_head = min(first * batch - epoch * size, size)
    num_tail = size - num_head - len(whole) * batch
    num_pools = max(1, round(len(whole) / pool))
    steps: dict[int, list[int]] = {}
    for number in range(num_pools):
        of_pool = whole[number * len(whole) // num_pools : (number + 1) * len(whole) // num_pools]
        is_last = number == num_pools - 1
        num_rows = len(of_pool) * batch + (num_head if number == 0 else 0) + (num_tail if is_last else 0)
        rows = sorted(stream[:num_rows], key=lambda row: lengths[row])
        del stream[:num_rows]
        if number == 0 and num_head:
            steps[first - 1] = taken(rows, num_head, epoch)
        last = taken(rows, num_tail, epoch + 1) if is_last else []
        ranks = draw(seed, (1, epoch, number), len(of_pool))
        for step, chosen in zip(of_pool, np.argsort(ranks), strict=True):
            steps[step] = rows[chosen * batch : (chosen + 1) * batch]
        if last:
            steps[first + len(whole)] = last
    return steps


@given(SEEDS, st.integers(0, 3), st.integers(2, 80), st.integers(1, 12), st.integers(1, 4))
def test_a_step_has_the_rows_that_older_runs_had(seed: int, epoch: int, size: int, batch: int, pool: int) -> None:
    """An order is a promise: a training that goes on with a newer version sees the next batch."""
    if size < batch:
        return
    lengths = lengths_of(size)
    before, here, after = (
        regrouped(seed, max(0, number), lengths, batch, pool) for number in (epoch - 1, epoch, epoch + 1)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouped_order, "NUM_POOL_BATCHES", pool)
        for step in here:
            expected = [*(before.get(step, []) if epoch else []), *here[step], *after.get(step, [])]
            assert sorted(grouped_sample_order(seed, step, lengths, batch).tolist()) == sorted(expected)


@pytest.mark.parametrize(("size", "batch"), [(800, 6), (800, 16), (2000, 64), (20_000, 64)])
def test_padding_is_less_than_a_tenth(size: int, batch: int) -> None:
    lengths = lengths_of(size)
    steps = range(num_steps(2, size, batch))
    assert padding([grouped_sample_order(1, step, lengths, batch) for step in steps], lengths) < 0.1
    assert padding([sample_order(1, step, size, batch) for step in steps], lengths) > 0.35


def test_a_batch_over_two_epochs_holds_like_lengths_too() -> None:
    lengths = np.arange(100, dtype=np.int32)  # 16 batches of 6 and 4 over: the seventeenth takes 2 of the next epoch
    spans = [int(np.ptp(grouped_sample_order(seed, 16, lengths, 6))) for seed in range(20)]
    assert max(spans) < 12
    means = [lengths[grouped_sample_order(seed, 16, lengths, 6)].mean() for seed in range(20)]
    assert min(means) < 25 and max(means) > 75  # of short and of long ones, by chance


def test_the_rows_of_a_batch_are_spread_by_van_der_corput() -> None:
    """Of eight lengths the places are 0, 4, 2, 6, 1, 5, 3, 7: each half, quarter and eighth covers them all; of six the
    same order of what is there."""
    assert grouped_sample_order(0, 0, np.arange(8, dtype=np.int32), 8).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]
    assert grouped_sample_order(0, 0, np.arange(6, dtype=np.int32), 6).tolist() == [0, 3, 2, 5, 1, 4]


def test_slices_of_a_batch_have_like_lengths() -> None:
    lengths = np.arange(256, dtype=np.int32)
    rows = grouped_sample_order(0, 0, lengths, 256)
    for num_workers in (2, 4, 8):
        longest = [rows[worker_slice(rank, num_workers, 256)].max() for rank in range(num_workers)]
        assert max(longest) - min(longest) < num_workers


def test_order_of_batches_is_not_by_length() -> None:
    """Five pools of 32 batches: each batch is as often longer as shorter than the one before, and the longest of a pool
    is anywhere in it."""
    lengths = np.random.default_rng(0).permutation(1280).astype(np.int32)
    longest = np.array(
        [[lengths[grouped_sample_order(seed, s, lengths, 8)].max() for s in range(160)] for seed in range(40)]
    )
    assert (np.diff(longest, axis=1) > 0).mean() == pytest.approx(0.5, abs=0.02)  # 0.97 without a shuffle
    places = longest.reshape(200, 32).argmax(axis=1)
    assert chisquare(np.bincount(places // 4, minlength=8)).pvalue > 1e-4


@pytest.mark.parametrize(("step", "size", "batch"), [(0, 0, 1), (0, 1, 0), (-1, 1, 1)])
def test_nonsense_is_refused(step: int, size: int, batch: int) -> None:
    with pytest.raises(ValueError, match="expected at least 1 row"):
        grouped_sample_order(0, step, np.ones(size, np.int32), batch)
