"""Read the text of a prepared store's pages by OCR, or take over ready text; started again, it does what is missing."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from app.command_line import absolute

if TYPE_CHECKING:
    from app.workloads.documents.ocr.engines import OcrOptions
    from app.workloads.documents.ocr.recognition import OcrTask
    from app.workloads.documents.ocr.texts import PageText

NUM_TASKS_PER_RUN = 1000
"""Ray Data plans all tasks of a run before the first starts: 1000 take well under a second."""


@dataclass(frozen=True)
class Ocr:
    """Tesseract on every core of the machine or cluster, one thread a page; text and confidence go into STORE/ocr."""

    store: str
    """Prepared store, made by jobs/prepare.py documents."""
    source: str | None = None
    """Folder or URL of the data set that the store was made from; not needed with --import."""
    ready: Annotated[str | None, tyro.conf.arg(name="import")] = None
    """Folder with ready OCR text to take over instead: one .txt for each page at its relative path, as QS-OCR has."""
    encoding: str | None = None
    """Encoding of the texts taken over, by the name that Python knows (cp1251, shift_jis); UTF-8, UTF-16 and
    Windows-1252 are detected."""
    engine: Literal["pytesseract", "tesserocr"] = "pytesseract"
    """`tesserocr` calls the library in the process; it has to be installed."""
    language: str = "eng"
    """Tesseract's language codes, several joined by +."""
    psm: int = 3
    """Page segmentation mode; 3 is fully automatic."""
    oem: int = 1
    """Engine mode; 1 is the LSTM."""
    time_limit_s: float = 60.0
    """Time limit of one attempt at a page."""
    num_retries: int = 1
    """Attempts after one that failed or ran out of time."""
    orientation: bool = False
    """Turn pages that come out as noise the way up that Tesseract thinks right, and read them again."""
    again: tuple[Literal["failed", "timeout", "empty", "imported", "unknown"], ...] = ()
    """Pages of these statuses are read again, or those whose text was imported, or read by an older version that did
    not note how."""
    max_pixels: int = 200_000_000
    """A page of more fails, as a decompression bomb; of 1 bit, which is read in reduced form, three times that. As
    jobs/prepare.py was told."""
    max_bad_fraction: float = 0.2
    """The job fails when OCR failed on a larger share of the store's pages."""
    num_cpus: int | None = None
    """Pages read at a time; all cores of the machine or cluster if not given."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` reads on this machine without Ray: quicker for some hundred pages."""


def main(arguments: Ocr) -> None:
    from app.data import files
    from app.data.store.manifest import read_manifest_table
    from app.data.store.ownership import held
    from app.workloads.documents.store.prepared import OCR_FOLDER

    read_manifest_table(absolute(arguments.store))  # before anything is made in a store that is none
    # Beside preparing, which has the store itself: they write different files.
    with held(files.join(absolute(arguments.store), OCR_FOLDER), "the texts in"):
        _read(arguments)


def _read(arguments: Ocr) -> None:
    from collections import Counter

    from app.console import progress, say
    from app.data import files
    from app.data.text import is_encoding
    from app.errors import UsageError
    from app.workloads.documents.ocr.recognition import check_read, keep, missing_pages
    from app.workloads.documents.ocr.texts import IMPORTED, read_notes
    from app.workloads.documents.store.prepared import OCR_FOLDER

    start_s = time.monotonic()
    if arguments.num_cpus is not None and arguments.num_cpus < 1:
        raise UsageError(f"--num-cpus: got {arguments.num_cpus}, expected 1 or more")
    if arguments.encoding is not None and not is_encoding(arguments.encoding):
        raise UsageError(f"--encoding: got {arguments.encoding!r}, expected one that Python knows, such as cp1251")
    if not 0 <= arguments.max_bad_fraction <= 1:
        raise UsageError(f"--max-bad-fraction: got {arguments.max_bad_fraction}, expected 0 to 1")
    store = absolute(arguments.store)
    asked = IMPORTED if arguments.ready else _options(arguments).asked
    missing = missing_pages(store, asked, arguments.again)
    num_unknown = sum(not note.asked for note in read_notes(store).values())
    if num_unknown and "unknown" not in arguments.again:
        say(f"{num_unknown} texts do not say how they were read and are kept; --again unknown reads them again")
    for why, number in sorted(Counter(page.why for page in missing if page.why != "new").items()):
        say(f"{number} pages have a text {why}: read again")
    files.check_folder(files.join(store, OCR_FOLDER))
    pages = [(page.id, page.source) for page in missing]
    batches = _ready(arguments, pages) if arguments.ready else _recognised(arguments, pages)
    counts: Counter[str] = Counter()
    with progress("ocr", len(pages)) as advance:
        for batch in keep(store, batches, asked, missing):
            counts.update(page.status for page in batch)
            for page in batch:
                if page.status in ("failed", "timeout"):
                    say(f"{page.status} {page.id}: {page.reason}")
            advance(len(batch))
    elapsed_s = time.monotonic() - start_s
    num_done = sum(counts.values())
    told = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "nothing was missing"
    rate = f", {num_done / elapsed_s:.2f} pages/s" if num_done and not arguments.ready else ""
    say(f"{arguments.store}: {told}{rate}, {elapsed_s:.1f} s")
    read = read_notes(store)
    if num_left := sum(page.id not in read for page in missing):
        say(f"{num_left} pages have no text yet: run this job with --source to read them")
    check_read(store, arguments.max_bad_fraction)


def _recognised(arguments: Ocr, pages: list[tuple[str, str]]) -> "Iterator[list[PageText]]":
    """Batches of pages read by OCR. Raises before the first when this machine lacks the engine."""
    from app.data import files
    from app.errors import DataError, UsageError
    from app.workloads.documents.ocr.engines import check_engine
    from app.workloads.documents.ocr.recognition import plan_tasks

    if arguments.source is None:
        raise UsageError("got neither --source (the data set to read) nor --import (text to take over); expected one")
    options = _options(arguments)
    check_engine(options)
    source = absolute(arguments.source)
    if not files.is_folder(source):
        raise DataError(
            f"the source {source} is not a folder that exists; expected the data set that the store was made of"
        )
    if arguments.launcher == "local":
        from app.execution.parallel import in_process
        from app.workloads.documents.ocr.recognition import read_batch

        tasks = plan_tasks(source, pages, options, 1, arguments.max_pixels)  # a page a task: no core waits at the end
        num_threads = 1 if arguments.engine == "tesserocr" else arguments.num_cpus  # it has one reader a process
        return in_process.run_cases(read_batch, tasks, num_threads)
    from app.execution.trials.gauges import with_rate

    store = files.name_of(arguments.store)
    texts = _run(plan_tasks(source, pages, options, max_pixels=arguments.max_pixels), arguments.num_cpus, store, source)
    return with_rate("ocr_pages_per_s", store, texts, len)


def _options(arguments: Ocr) -> "OcrOptions":
    from app.workloads.documents.ocr.engines import OcrOptions

    return OcrOptions(
        arguments.engine,
        arguments.language,
        arguments.psm,
        arguments.oem,
        arguments.time_limit_s,
        arguments.num_retries,
        arguments.orientation,
    )


def _run(tasks: "list[OcrTask]", num_cpus: int | None, store: str, source: str) -> "Iterator[list[PageText]]":
    from app.execution.parallel.tasks import run_cases
    from app.workloads.documents.ocr.recognition import read_batch

    for start in range(0, len(tasks), NUM_TASKS_PER_RUN):
        reads = [] if start else [source]
        yield from run_cases(read_batch, tasks[start : start + NUM_TASKS_PER_RUN], num_cpus, f"ocr:{store}", reads)


def _ready(arguments: Ocr, pages: list[tuple[str, str]]) -> "Iterator[list[PageText]]":
    from app.workloads.documents.ocr.text_import import find_texts, import_texts

    assert arguments.ready is not None
    return import_texts(find_texts(absolute(arguments.ready), pages), arguments.encoding)


if __name__ == "__main__":
    from app.command_line import run

    run(Ocr, main, description=__doc__)
