"""Ray Data gives each worker exactly the batches that are read without Ray, in the same order, from any step on."""

import gc
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import ray

from app.data.samples import ray_feeding
from app.data.samples.feeding import Prefetcher, Samples, StepReader, read_steps
from app.data.samples.ray_feeding import PAUSE_S, Pace, ray_steps, task_bounds
from app.errors import DataError, find_user_error
from app.workloads.brats.store.plan import plan_store
from app.workloads.brats.synthetic.data_sets import SyntheticSet, finish_set, open_set, write_case
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.prepare import prepare_or_keep
from app.workloads.volumes.store.prepared import VolumeStore
from app.workloads.volumes.store.samples import VolumeSamples

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> VolumeSamples:
    folder = tmp_path_factory.mktemp("feeding")
    which, raw, store = SyntheticSet("msd", 5, 0, (40, 40, 40), 0), str(folder / "raw"), str(folder / "store")
    for case in open_set(raw, which):
        write_case(raw, which, case)
    finish_set(raw, which)
    _, tasks = plan_store(raw, store)
    finish_store(store, [prepare_or_keep(task) for task in tasks], 0.0)
    return VolumeSamples(VolumeStore(store), (16, 16, 16), samples_per_case=2, foreground_share=0.5)


@pytest.mark.parametrize(("rank", "world_size", "start", "end"), [(0, 1, 0, 9), (0, 2, 0, 9), (1, 2, 4, 9)])
def test_same_batches_as_without_ray(
    ray_cluster: None, samples: VolumeSamples, rank: int, world_size: int, start: int, end: int
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


def test_tasks_grow_from_one_step_to_as_many_as_a_block_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert task_bounds(5, 20, most=4).tolist() == [5, 6, 8, 12, 16, 20]
    assert task_bounds(5, 6, most=4).tolist() == [5, 6]
    assert task_bounds(0, 10, most=128).tolist() == [0, 1, 3, 7, 10]
    monkeypatch.setattr(ray_feeding, "MAX_TASKS_PER_PIPELINE", 3)
    assert task_bounds(5, 20, most=4).tolist() == [5, 6, 8, 12]  # the next pipeline begins at 12


def test_one_pipeline_after_the_other_leaves_no_step_out(
    ray_cluster: None, samples: VolumeSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_feeding, "MAX_TASKS_PER_PIPELINE", 3)
    reader = StepReader(samples, 5, 2, 0, 1)
    seeds = [batch["sample_seed"].tolist() for batch in ray_steps(reader, 2, 20)]
    assert seeds == [batch["sample_seed"].tolist() for batch in read_steps(reader, 2, 20)]


def test_a_long_training_starts_as_soon_as_a_short_one(ray_cluster: None, samples: VolumeSamples) -> None:
    """Ray plans each task of a pipeline beforehand; a million steps must not become 8,000 tasks."""
    reader = StepReader(samples, 5, 2, 0, 1)
    assert len(task_bounds(0, 10**6, most=128)) <= 101
    stream = ray_steps(reader, 0, 10**6)
    np.testing.assert_array_equal(next(stream)["image"], reader.load(0)["image"])
    stream.close()


def test_the_pipeline_carries_the_name_of_the_trial(
    ray_cluster: None, samples: VolumeSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    set_name = ray.data.Dataset.set_name
    monkeypatch.setattr(ray.data.Dataset, "set_name", lambda self, name: (names.append(name), set_name(self, name))[1])
    list(ray_steps(StepReader(samples, 5, 2, 0, 1), 0, 2, "unet-rate0.1"))
    assert names == ["unet-rate0.1"]


def test_trials_stopped_early_one_after_the_other_leave_nothing_behind(
    ray_cluster: None, samples: VolumeSamples
) -> None:
    """Neither threads nor tasks that hold a CPU nor what was read ahead."""
    reader, before = StepReader(LargeSamples(samples), 5, 4, 0, 1), set(threading.enumerate())

    def trial(number: int) -> None:
        batches = Prefetcher(lambda: ray_steps(reader, 0, 400, f"trial-{number}"))
        for _ in range(3):
            next(batches)
        batches.close()

    for number in range(8):
        trial(number)
    # collected as after each trial: Ray's executor refers to itself in circles, and ends in a thread of its own
    _until(lambda: gc.collect() >= 0 and not any(_reads(each) for each in {*threading.enumerate()} - before))
    everything = ray.cluster_resources()
    held = ("CPU", "object_store_memory")
    _until(lambda: all(ray.available_resources().get(name) == everything[name] for name in held))
    assert not any(_reads(each) for each in {*threading.enumerate()} - before)


def test_an_iterator_that_nobody_refers_to_ends_its_pipeline(ray_cluster: None, samples: VolumeSamples) -> None:
    stream = ray_steps(StepReader(LargeSamples(samples), 5, 4, 0, 1), 0, 400)
    next(stream)
    assert any(name.startswith("StreamingExecutor") for name in _threads())
    del stream
    _until(lambda: not any(name.startswith("StreamingExecutor") for name in _threads()))


def test_a_process_that_ends_with_an_open_iterator_ends(tmp_path: Path) -> None:
    """Ray would be started anew to end the pipeline, after its own end, and hang."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "[3]\n", "")


ROOT = Path(__file__).parents[2]
SCRIPT = """
from app.data.samples.feeding import Samples, StepReader
from app.data.samples.ray_feeding import ray_steps
from app.execution.cluster.connection import start_local

class Threes(Samples):
    def __len__(self): return 10
    def load(self, rows, seeds): return {"row": rows * 0 + 3}

start_local(2)
stream = ray_steps(StepReader(Threes(), 0, 1, 0, 1), 0, 1000)
print(next(stream)["row"])
"""


def test_a_consumer_that_lags_behind_lets_the_scheduling_loop_rest_and_the_lead_end(
    ray_cluster: None, samples: VolumeSamples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone, the loop turns several hundred times a second here and takes most of a core from the training, and
    what is read ahead fills the object store."""
    turns = []
    pace = Pace.on_execution_step
    monkeypatch.setattr(Pace, "on_execution_step", lambda self, executor: (turns.append(1), pace(self, executor))[1])
    monkeypatch.setattr(ray_feeding, "TASK_BYTES", 16 * 2**20)  # a step of four samples
    stream = ray_steps(StepReader(LargeSamples(samples, str(tmp_path)), 5, 4, 0, 1), 0, 400)
    next(stream)
    time.sleep(8)  # by now all that may be read ahead is read
    turns.clear()
    num_read = len(os.listdir(tmp_path))
    time.sleep(4)
    assert 0 < len(turns) <= math.ceil(4 / PAUSE_S) + 1
    assert len(os.listdir(tmp_path)) == num_read <= 12  # of 400: the first, blocks in the store, and two under way
    stream.close()


def _reads(thread: threading.Thread) -> bool:
    """Whether it is one of those that Ray Data or our prefetching start."""
    return "Streaming" in thread.name or "etch" in thread.name


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def _until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, (_threads(), ray.available_resources())
        time.sleep(0.1)


class LargeSamples(Samples):
    """Samples of some MB, so that few of them fill what Ray Data reads ahead."""

    def __init__(self, samples: VolumeSamples, notes: str | None = None) -> None:
        self._samples, self._notes = samples, notes

    def __len__(self) -> int:
        return len(self._samples)

    def load(self, rows: np.ndarray, seeds: np.ndarray) -> dict[str, np.ndarray]:
        if self._notes is not None:
            Path(self._notes, str(seeds[0])).touch()
        return {**self._samples.load(rows, seeds), "ballast": np.zeros((len(rows), 2**20), np.float32)}


def test_a_store_that_vanishes_is_a_data_error_that_names_the_file(
    ray_cluster: None, samples: VolumeSamples, tmp_path: Path
) -> None:
    copy = tmp_path / "store"
    shutil.copytree(samples.store.root, copy)
    reader = StepReader(VolumeSamples(VolumeStore(str(copy)), (16, 16, 16)), 5, 2, 0, 1)
    stream = ray_steps(_SizedBeforehand(reader), 0, 4)  # type: ignore[arg-type]
    shutil.rmtree(copy)
    with pytest.raises(DataError) as caught:
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
