"""A folder of synthetic data that several processes fill and that an interrupted call goes on with."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from app.data import files
from app.errors import ResourceError, UsageError
from app.machine import memory_bytes
from app.strict_json import fault

MARKER = ".synthetic.json"
"""Says which set a folder holds; hidden, so that whatever reads the data set does not see it."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def open_folder(folder: str, wanted: dict[str, Any]) -> None:
    """Begin a set described by `wanted` in a new or empty folder, or go on with the same one.

    Raises:
        UsageError: the folder holds something else, or `wanted` has numbers beyond use.
        DataError: it cannot be written.
    """
    marker = files.join(folder, MARKER)
    if (wrong := fault(wanted)) is not None:  # what is written could not be read
        raise UsageError(f"{folder}: {wrong}")
    if files.exists(marker):
        found = files.read_json(marker)
        if found != wanted:
            raise UsageError(f"{folder} holds another synthetic set ({_difference(found, wanted)}); name a new folder")
    elif Path(folder).exists() and (not Path(folder).is_dir() or any(Path(folder).iterdir())):
        raise UsageError(f"{folder} exists and holds something else; name a folder that is new or empty")
    else:
        files.write_json(marker, wanted)


def write_in_processes(
    write: Callable[[Item], Result], items: Sequence[Item], num_processes: int, num_bytes: float
) -> Iterator[Result]:
    """Yield `write(item)` of each item as soon as it is done; `write` and what it takes and gives are pickled.

    `num_bytes` is the memory of a process.

    Raises:
        ResourceError: this machine has less memory than one process needs, or one was killed, most likely because
            memory ran out; and whatever `write` raises.
    """
    if num_bytes > (most := memory_bytes()):
        raise ResourceError(
            f"an item of this size takes {num_bytes / 2**30:,.0f} GiB of memory, this machine has "
            f"{most / 2**30:,.0f}: make it smaller"
        )
    if num_processes == 1 or len(items) < 2:
        yield from map(write, items)
        return
    pool = ProcessPoolExecutor(
        min(num_processes, len(items)),
        multiprocessing.get_context("spawn"),
        signal.signal,
        (signal.SIGINT, signal.SIG_IGN),
    )  # an interrupt is the parent's to answer: workers finish the item that they are at
    try:
        futures = [pool.submit(write, item) for item in items]
    except (OSError, RuntimeError):  # a limit of processes or threads: those that were started would wait forever
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(wait=False)
        raise
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise ResourceError(
            f"one of {num_processes} processes was killed, most likely because memory ran out "
            f"(each needs {num_bytes / 2**20:.0f} MiB); "
            "run it again with a smaller --num-processes: it resumes where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def follow(folder: str, done: Iterable[str], num_missing: int, num_items: int, what: str) -> None:
    """Show the items as they are done, and before how many were there."""
    from app.console import progress, say

    if num_missing < num_items:
        say(f"{folder}: {num_items - num_missing} of {num_items} {what} are there")
    with progress("synthesize", num_missing) as advance:
        for name in done:
            advance(1, name)


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    have = found if isinstance(found, dict) else {}
    return ", ".join(f"{k} {have.get(k)} there, {v} wanted" for k, v in wanted.items() if have.get(k) != v)
