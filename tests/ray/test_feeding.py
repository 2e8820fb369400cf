"""Ray Data gives each worker exactly the batches that are read without Ray, in the same order, from any step on."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from app.data.feeding import StepReader, read_steps
from app.data.ray_feeding import MAX_TASKS_PER_PIPELINE, PAUSE_S, Pace, ray_steps
from app.errors import DataError, find_user_error
from app.workloads.brats.building import finish_store, plan_store
from app.workloads.brats.prepare import prepare_or_keep
from app.workloads.brats.samples import BratsSamples
from app.workloads.brats.store import BratsStore
from app.workloads.brats.synthetic import SyntheticSet, finish_set, open_set, write_case

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> BratsSamples:
    folder = tmp_path_factory.mktemp("feeding")
    which, raw, store = SyntheticSet("msd", 5, 0, (40, 40, 40), 0), str(folder / "raw"), str(folder / "store")
    for case in open_set(raw, which):
        write_case(raw, which, case)
    finish_set(raw, which)
    _, tasks = plan_store(raw, store)
    finish_store(store, [prepare_or_keep(task) for task in tasks], 0.0)
    return BratsSamples(BratsStore(store), (16, 16, 16), samples_per_case=2, foreground_share=0.5)


@pytest.mark.parametrize(("rank", "world_size", "start", "end"), [(0, 1, 0, 9), (0, 2, 0, 9), (1, 2, 4, 9)])
def test_same_batches_as_without_ray(
    ray_cluster: None, samples: BratsSamples, rank: int, world_size: int, start: int, end: int
) -> None:
    reader = StepReader(samples, 5, 4, rank, world_size)
    plain = list(read_steps(reader, start, end))
    streamed = list(ray_steps(reader, start, end))
    assert len(streamed) == len(plain) == end - start
    for ours, theirs in zip(streamed, plain, strict=True):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert ours[key].dtype == theirs[key].dtype, key
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_a_long_training_starts_as_soon_as_a_short_one(ray_cluster: None, samples: BratsSamples) -> None:
    """Ray plans each task of a pipeline beforehand; a million steps must not become 60,000 tasks."""
    reader = StepReader(samples, 5, 2, 0, 1)
    stream = ray_steps(reader, 0, 100 * 16 * MAX_TASKS_PER_PIPELINE)
    np.testing.assert_array_equal(next(stream)["image"], reader.load(0)["image"])
    stream.close()


def test_a_consumer_that_lags_behind_does_not_set_the_scheduling_loop_spinning(
    ray_cluster: None, samples: BratsSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone, the loop turns several hundred times a second here and takes most of a core from the training."""
    turns = []
    pace = Pace.on_execution_step
    monkeypatch.setattr(Pace, "on_execution_step", lambda self, executor: (turns.append(1), pace(self, executor))[1])
    stream = ray_steps(StepReader(LargeSamples(samples), 5, 4, 0, 1), 0, 400)
    next(stream)
    time.sleep(5)  # by now all that may be read ahead is read
    turns.clear()
    time.sleep(4)
    stream.close()
    assert 0 < len(turns) <= 2 * 4 / PAUSE_S  # some pauses are shorter


class LargeSamples:
    """Samples of some MB, so that few of them fill what Ray Data reads ahead."""

    def __init__(self, samples: BratsSamples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def load(self, rows: np.ndarray, seeds: np.ndarray) -> dict[str, np.ndarray]:
        return {**self._samples.load(rows, seeds), "ballast": np.zeros((len(rows), 2**20), np.float32)}


def test_a_store_that_vanishes_is_a_data_error_that_names_the_file(
    ray_cluster: None, samples: BratsSamples, tmp_path: Path
) -> None:
    copy = tmp_path / "store"
    shutil.copytree(samples.store.root, copy)
    reader = StepReader(BratsSamples(BratsStore(str(copy)), (16, 16, 16)), 5, 2, 0, 1)
    stream = ray_steps(_SizedBeforehand(reader), 0, 4)  # type: ignore[arg-type]
    shutil.rmtree(copy)
    with pytest.raises(Exception) as caught:
        list(stream)
    found = find_user_error(caught.value)
    assert isinstance(found, DataError) and str(copy) in str(found)


class _SizedBeforehand:
    """A reader whose first batch, which tells how large a step is, does not come from the store."""

    def __init__(self, reader: StepReader) -> None:
        self._reader, self.share, self._asked = reader, reader.share, False

    def load(self, step: int, num_steps: int = 1) -> dict[str, np.ndarray]:
        if not self._asked:
            self._asked = True
            return {"image": np.zeros((2, 1), np.int16)}
        return self._reader.load(step, num_steps)
