"""What jobs show: lines, and progress with an ETA. Live on a terminal, plain lines elsewhere (logs, submissions)."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from app.printable import printable

PLAIN_INTERVAL_S = 5.0
"""Assumed: often enough to see that a job lives, seldom enough for a log."""


class Advance(Protocol):
    def __call__(self, num_done: int = 1, note: str = "") -> None: ...


def console() -> Console:
    """The console on today's stdout; where that is no terminal, lines are neither wrapped nor coloured."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=10_000, highlight=False, no_color=True)


def say(text: str) -> None:
    """One line to the user, whatever is in the names that it tells."""
    out = console()
    out.print(printable(text, out.encoding), markup=False, emoji=False, highlight=False, soft_wrap=True)
    out.file.flush()


def plain(text: str) -> Text:
    """A cell or title of a table, or a line above it, as `say` has it: rich takes a `str` there for its own markup."""
    return Text(printable(text, getattr(sys.stdout, "encoding", None)))


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """Show `label` advancing to `total`; yields a function to call with the number of items just done."""
    out = console()
    if not out.is_terminal:
        yield _plain_advance(label, total)
        return
    name, note = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[note]}", markup=False)
    told = partial(printable, encoding=out.encoding)
    columns = (
        name,
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        note,
    )
    with Progress(*columns, console=out) as bar:
        task = bar.add_task(told(label), total=total, note="")
        yield lambda num_done=1, note="": bar.update(task, advance=num_done, note=told(note))


def _plain_advance(label: str, total: int) -> Advance:
    start = last = time.monotonic()
    done = 0

    def advance(num_done: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += num_done
        now = time.monotonic()
        if now - last < PLAIN_INTERVAL_S and done < total:
            return
        last = now
        eta_s = (now - start) / max(done, 1) * (total - done)
        say(f"{label}: {done}/{total}  {now - start:.0f} s, ETA {eta_s:.0f} s  {note}".rstrip())

    return advance
