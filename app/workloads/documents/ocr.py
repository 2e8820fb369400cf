"""Reading the text of a store's pages by OCR, a batch of pages a task. Pure Python, no cluster."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.data.manifest import read_manifest_table
from app.errors import DataError
from app.workloads.documents.ocr_engines import (
    OcrFailure,
    OcrOptions,
    OcrTimeout,
    check_engine,
    find_rotation,
    recognise,
)
from app.workloads.documents.prepare import read_encoded
from app.workloads.documents.reading import BadPage, read_page
from app.workloads.documents.texts import PageText, Status, open_texts, write_part

if TYPE_CHECKING:
    from PIL.Image import Image

NUM_PAGES_PER_TASK = 16
"""About 10 s of work (measured: 0.5 to 1 s a page), so that starting a task does not count."""
NUM_PAGES_PER_PART = 1000
MAX_PART_AGE_S = 60.0
"""A part is written when it has so many pages or is so old: few files, and little lost when the job is stopped."""
NOISE_CONFIDENCE = 50.0
"""Mean word confidence below which a page counts as noise; assumed: printed text comes out above 80, upside down
below 40."""


@dataclass(frozen=True)
class OcrTask:
    """A batch of pages as a worker is sent it."""

    source: str
    """The data set's folder or URL."""
    pages: tuple[tuple[str, str], ...]
    """Id and file, relative to the source, of each."""
    options: OcrOptions


def plan_tasks(
    source: str, pages: Sequence[tuple[str, str]], options: OcrOptions, pages_per_task: int = NUM_PAGES_PER_TASK
) -> list[OcrTask]:
    """Tasks that read these pages (id and file, relative to the source, of each)."""
    batches = [pages[i : i + pages_per_task] for i in range(0, len(pages), pages_per_task)]
    return [OcrTask(source, tuple(batch), options) for batch in batches]


def missing_pages(store: str, again: Sequence[Status] = ()) -> list[tuple[str, str]]:
    """Id and source file of each page of the store that has no text yet, or whose status is one of `again`.

    Raises:
        DataError: the store is missing or damaged.
    """
    done = {page_id for page_id, status in open_texts(store).statuses().items() if status not in again}
    table = read_manifest_table(store).select(["id", "source"])
    return [(row["id"], row["source"]) for row in table.to_pylist() if row["id"] not in done]


def read_batch(task: OcrTask) -> list[PageText]:
    """Text of each page; a page that can not be read is one with a status and a reason.

    Raises:
        ResourceError: this machine lacks the engine or a language.
    """
    check_engine(task.options)
    return [read_text(task.source, page_id, name, task.options) for page_id, name in task.pages]


def read_text(source: str, page_id: str, name: str, options: OcrOptions) -> PageText:
    """Text of one page, with retries."""
    try:
        image = read_page(read_encoded(source, name))
    except (BadPage, DataError) as error:
        return PageText(page_id, "", None, "failed", f"can not be decoded: {error}")
    found = PageText(page_id, "", None, "failed", "not tried")
    for _ in range(1 + options.num_retries):
        found = _attempt(page_id, image, options)
        if found.status not in ("failed", "timeout"):
            break
    if options.orientation and _is_noise(found):
        return _turned(found, image, options)
    return found


def keep(store: str, batches: Iterable[list[PageText]]) -> Iterator[list[PageText]]:
    """Pass the batches on and write them into the store, also those at hand when the job is stopped.

    Raises:
        DataError: the store can not be written.
    """
    part: list[PageText] = []
    written_s = time.monotonic()
    try:
        for batch in batches:
            part += batch
            if len(part) >= NUM_PAGES_PER_PART or time.monotonic() - written_s >= MAX_PART_AGE_S:
                write_part(store, part)
                part, written_s = [], time.monotonic()
            yield batch
    finally:
        if part:
            write_part(store, part)


def _attempt(page_id: str, image: "Image", options: OcrOptions) -> PageText:
    try:
        text, confidence = recognise(image, options)
    except OcrTimeout:
        return PageText(page_id, "", None, "timeout", f"not done after {options.time_limit_s:g} s")
    except (OcrFailure, OSError) as error:
        return PageText(page_id, "", None, "failed", str(error))
    if not text:
        return PageText(page_id, "", None, "empty", "no text was found")
    return PageText(page_id, text, confidence, "ok")


def _is_noise(page: PageText) -> bool:
    return page.status == "empty" or (page.confidence is not None and page.confidence < NOISE_CONFIDENCE)


def _turned(page: PageText, image: "Image", options: OcrOptions) -> PageText:
    """The page read the way up that Tesseract thinks right, if that is the better reading."""
    degrees = find_rotation(image, options)
    if degrees == 0:
        return page
    again = _attempt(page.id, image.rotate(-degrees, expand=True, fillcolor=255), options)
    if again.status != "ok" or (again.confidence or 0) <= (page.confidence or 0):
        return page
    return PageText(page.id, again.text, again.confidence, "ok", f"turned by {degrees} degrees")
