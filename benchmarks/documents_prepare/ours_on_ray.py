"""The jobs' work on Ray Data with a number of cores: pages a second between the first task's start and the last's end.

Starting Ray and planning a run cost seconds once, which jobs over whole data sets do not feel; they are left out.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.documents_prepare.ours import shard_task
from benchmarks.side import serve

Stamps = tuple[float, float, int]
"""When a task began and ended (time.time()), and its pages."""


def prepare(paths: list[str], image_size: int, store: str, num_tasks: int, num_cpus: int) -> dict[str, Any]:
    """Every task prepares all these files into a store of its own."""
    tasks = [shard_task(paths, image_size, f"{store}/{number}") for number in range(num_tasks)]
    return _run(_prepare, tasks, num_cpus)


def read_texts(source: str, names: list[str], num_pages_per_task: int, num_cpus: int) -> dict[str, Any]:
    """OCR of these pages as jobs/ocr.py does it."""
    from app.workloads.documents.ocr.engines import OcrOptions
    from app.workloads.documents.ocr.recognition import OcrTask

    parts = [names[i : i + num_pages_per_task] for i in range(0, len(names), num_pages_per_task)]
    tasks = [OcrTask(source, tuple((name, name) for name in part), OcrOptions()) for part in parts]
    return _run(_read_texts, tasks, num_cpus)


def texts(source: str, names: list[str]) -> dict[str, Any]:
    """What our OCR reads on these pages."""
    from app.workloads.documents.ocr.engines import OcrOptions
    from app.workloads.documents.ocr.recognition import read_text

    return {"texts": [read_text(source, name, name, OcrOptions()).text for name in names]}


def _run(function: Callable[[Any], Stamps], tasks: Sequence[Any], num_cpus: int) -> dict[str, Any]:
    from app.execution.parallel.tasks import run_cases

    stamps = list(run_cases(function, tasks, num_cpus))  # the functions of __main__ are pickled by value
    elapsed = max(end for _, end, _ in stamps) - min(begin for begin, _, _ in stamps)
    return {"pages_per_s": sum(pages for _, _, pages in stamps) / elapsed}


def _prepare(task: Any) -> Stamps:
    import shutil

    from app.workloads.documents.store.prepare import prepare_or_keep

    shutil.rmtree(task.store, ignore_errors=True)
    began = time.time()
    num_pages = len(prepare_or_keep(task).pages)
    ended = time.time()
    shutil.rmtree(task.store, ignore_errors=True)
    return began, ended, num_pages


def _read_texts(task: Any) -> Stamps:
    from app.workloads.documents.ocr.recognition import read_batch

    began = time.time()
    pages = read_batch(task)
    assert all(page.status in ("ok", "empty") for page in pages), pages
    return began, time.time(), len(pages)


if __name__ == "__main__":
    serve({"prepare": prepare, "read_texts": read_texts, "texts": texts})
