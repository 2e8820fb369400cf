"""Our reads of training patches: in this process, in several plain processes, and through Ray Data."""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from app.machine import num_cores
from benchmarks.side import serve

LOCAL_BATCH_SIZE = 2
MAX_STEPS_PER_S = 250
"""Assumed: more than two processes read; a stream that ended in mid-measurement would show as an error."""


class Feeding:
    def __init__(self, store: str, patch: tuple[int, int, int]) -> None:
        self._store, self._patch = store, patch
        self._samples = open_samples(store, patch)
        self._next_step = 0

    def load(self, num_patches: int) -> dict[str, Any]:
        """Patches a second as VolumeSamples.load gives them, read here on one core."""
        steps = range(num_patches // LOCAL_BATCH_SIZE)
        began = time.perf_counter()
        for step in steps:
            self._batch(step)
        return {"patches_per_s": LOCAL_BATCH_SIZE * len(steps) / (time.perf_counter() - began)}

    def load_normalized(self, num_patches: int) -> dict[str, Any]:
        """The same, turned into the z-scores and regions that a network takes (in training the device does that)."""
        import torch

        from app.workloads.brats.task import BratsTask
        from app.workloads.brats.workload import BratsWorkload

        torch.set_num_threads(1)
        workload, task = BratsWorkload(), BratsTask(patch_size=self._patch)
        steps = range(num_patches // LOCAL_BATCH_SIZE)
        began = time.perf_counter()
        for step in steps:
            batch = {key: torch.as_tensor(value) for key, value in self._batch(step).items()}
            workload.to_inputs(task, batch, None)
        return {"patches_per_s": LOCAL_BATCH_SIZE * len(steps) / (time.perf_counter() - began)}

    def load_in_processes(self, num_processes: int, duration_s: float) -> dict[str, Any]:
        """Patches a second of `num_processes` processes that read and drop; they start counting together."""
        spawn = multiprocessing.get_context("spawn")
        ready, results = spawn.Barrier(num_processes), spawn.Queue()
        fixed = (self._store, self._patch, num_processes, duration_s, ready, results)
        workers = [spawn.Process(target=_read_for, args=(rank, *fixed)) for rank in range(num_processes)]
        for worker in workers:
            worker.start()
        rates = [results.get(timeout=duration_s + 60) for _ in workers]
        for worker in workers:
            worker.join()
        return {"patches_per_s": sum(rates)}

    def start_ray(self) -> dict[str, Any]:

        import ray

        from app.execution.cluster.connection import start_local

        start_local(num_cores())
        return {"ray": ray.__version__}

    def load_through_ray(self, num_tasks: int, warmup_s: float, duration_s: float) -> dict[str, Any]:
        """Patches a second that arrive here through Ray Data, after `warmup_s` of the same stream."""
        from app.data.samples.feeding import StepReader
        from app.data.samples.ray_feeding import ray_steps

        num_steps = int((warmup_s + duration_s) * MAX_STEPS_PER_S)
        reader = StepReader(self._samples, 0, LOCAL_BATCH_SIZE, 0, 1)
        stream: Iterator[Any] = ray_steps(reader, 0, num_steps, num_concurrent_tasks=num_tasks)
        next(stream)
        _consume(stream, warmup_s)
        return {"patches_per_s": _consume(stream, duration_s)}

    def _batch(self, step: int) -> dict[str, Any]:
        return read_batch(self._samples, step)


def open_samples(store: str, patch: tuple[int, int, int]) -> Any:
    from app.workloads.volumes.store.prepared import VolumeStore
    from app.workloads.volumes.store.samples import VolumeSamples

    return VolumeSamples(VolumeStore(store), patch, samples_per_case=1, foreground_share=1 / 3)


def read_batch(samples: Any, step: int) -> dict[str, Any]:
    """Any two cases, any place: as scattered as a training reads."""
    random = np.random.default_rng(step)
    rows = random.integers(0, len(samples), LOCAL_BATCH_SIZE)
    seeds = random.integers(0, 2**63, LOCAL_BATCH_SIZE, dtype=np.uint64)
    batch: dict[str, Any] = samples.load(rows, seeds)
    return batch


def _read_for(
    rank: int, store: str, patch: tuple[int, int, int], num_processes: int, duration_s: float, ready: Any, results: Any
) -> None:
    samples = open_samples(store, patch)
    read_batch(samples, rank)
    ready.wait()
    num_batches, began = 0, time.perf_counter()
    while time.perf_counter() - began < duration_s:
        read_batch(samples, rank + num_batches * num_processes)
        num_batches += 1
    results.put(num_batches * LOCAL_BATCH_SIZE / (time.perf_counter() - began))


def _consume(stream: Iterator[Any], duration_s: float) -> float:
    num_batches, began = 0, time.perf_counter()
    while time.perf_counter() - began < duration_s:
        next(stream)
        num_batches += 1
    return num_batches * LOCAL_BATCH_SIZE / (time.perf_counter() - began)


if __name__ == "__main__":
    edge = int(sys.argv[2])
    ours = Feeding(sys.argv[1], (edge, edge, edge))
    names = ("load", "load_normalized", "load_in_processes", "start_ray", "load_through_ray")
    serve({name: getattr(ours, name) for name in names})
