"""Ray Data over many items: what every pipeline of the jobs has in common, those of tasks and those of workers."""

import logging
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def run_items(function: Any, items: Sequence[Any], name: str, **options: Any) -> Iterator[Any]:
    """Yield the result of every item exactly once, in the order in which they are done; Ray is connected.

    `function` is what `on_pickles` makes, or a class whose `__call__` is such; `options` are those of `map_batches`.
    Ray's dashboard shows the pipeline by `name`. What the function raises ends the run, keeps its class, and is told by
    the job alone.
    """
    import ray.data

    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):  # the console; Ray's own log files have everything
            handler.setLevel(logging.CRITICAL)
    rows = [{"item": pickle.dumps(item)} for item in items]
    tasks = ray.data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of max_restarts: it has no successor
        results = tasks.map_batches(function, batch_size=1, num_cpus=1, **options)
    results.set_name(re.sub(r"[^\w.:-]+", "_", name))  # also part of a file's name
    results.context.enable_progress_bars = False  # the job shows its own
    results.context.raise_original_map_exception = True  # else only the text of an error comes back
    for row in results.iter_rows():
        yield pickle.loads(row["result"])


def on_pickles(function: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, list[bytes]]]:
    """`function` as `run_items` calls it, with batches of pickled items."""

    def run(batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"result": [pickle.dumps(function(pickle.loads(item))) for item in batch["item"]]}

    return run
