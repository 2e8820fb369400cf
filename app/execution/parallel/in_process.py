"""Running one function over many items in this process, without Ray: for few items, which Ray's start would outlast."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from app.machine import num_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_cases(
    function: Callable[[Item], Result], items: Sequence[Item], num_threads: int | None = None
) -> Iterator[Result]:
    """As app.execution.parallel.tasks.run_cases: yield `function(item)` of every item as soon as it is done.

    `num_threads` items at a time (None: a thread a core). It pays where the work leaves Python's lock, as decoding
    images and waiting for Tesseract do. What the function raises ends the run.
    """
    pool = ThreadPoolExecutor(num_threads or num_cores())
    try:
        for future in as_completed([pool.submit(function, item) for item in items]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
