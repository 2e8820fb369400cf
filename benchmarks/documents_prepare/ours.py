"""Our preparation of page files in this process, its parts, and our reads of prepared pages by row."""

import cProfile
import pstats
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.workloads.documents.source.listing import PageSource
from app.workloads.documents.store.prepare import ShardTask
from benchmarks.side import serve

ROWS_AT_ONCE = 32


def prepare(paths: list[str], image_size: int, store: str) -> dict[str, Any]:
    """Pages a second, all that stands between the files and a store: read, decode, shrink, hash, compress, write."""
    from app.workloads.documents.store.prepare import prepare_or_keep

    task = shard_task(paths, image_size, store)
    shutil.rmtree(store, ignore_errors=True)
    began = time.perf_counter()
    shard = prepare_or_keep(task)
    elapsed = time.perf_counter() - began
    assert len(shard.pages) == len(paths), shard.bad
    return {"pages_per_s": len(paths) / elapsed, "num_bytes": int(np.sum(shard.pages["num_bytes"].to_numpy()))}


def profile(paths: list[str], image_size: int, store: str) -> dict[str, Any]:
    """Shares of the time of one preparation by function, the largest first."""
    profiler = cProfile.Profile()
    profiler.runcall(prepare, paths, image_size, store)
    stats: Any = pstats.Stats(profiler)
    rows = [(own, f"{Path(file).name}:{name}") for (file, _, name), (_, _, own, _, _) in stats.stats.items()]
    return {"shares": [[name.removeprefix("~:"), own / stats.total_tt] for own, name in sorted(rows, reverse=True)[:6]]}


def read_rows(store: str, count: int, in_order: bool, seed: int) -> dict[str, Any]:
    """Pages a second of a prepared store, a training batch at a time, rows in order or at random; verified, decoded."""
    from app.workloads.documents.store.prepared import DocumentStore

    opened = DocumentStore(store)
    rows = np.arange(count) % len(opened)
    if not in_order:
        rows = np.random.default_rng(seed).permutation(rows)
    opened.read_images(rows[:ROWS_AT_ONCE])
    began = time.perf_counter()
    for start in range(0, count, ROWS_AT_ONCE):
        opened.read_images(rows[start : start + ROWS_AT_ONCE])
    return {"pages_per_s": count / (time.perf_counter() - began)}


def shard_task(paths: list[str], image_size: int, store: str) -> ShardTask:
    """These files, all of one folder, as one task of the job."""
    folder = Path(paths[0]).parent
    pages = tuple(PageSource(Path(path).stem, Path(path).name, 0, "train", Path(path).stem) for path in paths)
    return ShardTask(pages, 0, str(folder), store, image_size)


if __name__ == "__main__":
    serve({"prepare": prepare, "profile": profile, "read_rows": read_rows})
