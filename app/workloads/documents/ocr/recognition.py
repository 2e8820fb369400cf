"""Reading the text of a store's pages by OCR, a batch of pages a task. Pure Python, no cluster."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from app.data.store.manifest import read_manifest_table
from app.errors import DataError
from app.workloads.documents.ocr.engines import (
    OcrFailure,
    OcrOptions,
    OcrTimeout,
    check_engine,
    find_rotation,
    recognise,
)
from app.workloads.documents.ocr.pieces import pieces
from app.workloads.documents.ocr.texts import IMPORTED, Note, PageText, Status, read_notes, unread_pages, write_part
from app.workloads.documents.pages.bad_page import BadPage
from app.workloads.documents.pages.reading import read_page
from app.workloads.documents.store.prepare import page_of, read_encoded

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


Again = Status | Literal["imported", "unknown"]
"""Which texts are read again; `unknown`: an older version did not note how."""


@dataclass(frozen=True)
class OcrTask:
    """A batch of pages as a worker is sent it."""

    source: str
    """The data set's folder or URL."""
    pages: tuple[tuple[str, str], ...]
    """Id and file, relative to the source, of each."""
    options: OcrOptions
    max_pixels: int | None = None
    """Most pixels that are decoded; None: reading.MAX_PIXELS."""


def plan_tasks(
    source: str,
    pages: Sequence[tuple[str, str]],
    options: OcrOptions,
    pages_per_task: int = NUM_PAGES_PER_TASK,
    max_pixels: int | None = None,
) -> list[OcrTask]:
    """Tasks that read these pages (id and file, relative to the source, of each)."""
    batches = [pages[i : i + pages_per_task] for i in range(0, len(pages), pages_per_task)]
    return [OcrTask(source, tuple(batch), options, max_pixels) for batch in batches]


@dataclass(frozen=True)
class Missing:
    """A page of a store that is to be read."""

    id: str
    source: str
    """File, relative to the data set."""
    picture: int
    """Checksum of the page as it is stored now."""
    why: str
    """`new`, or what is no longer so of the text that it has."""


def missing_pages(store: str, asked: str = "", again: Sequence[Again] = ()) -> list[Missing]:
    """Pages of the store that have no text which was read as is asked now, from the picture that is stored now.

    Args:
        asked: OcrOptions.asked or IMPORTED; empty: however it was read. OCR leaves text alone that was taken over, and
            both leave alone what an older version read without noting how.
        again: statuses and origins of texts to read anew.

    Raises:
        DataError: the store is missing or damaged.
    """
    notes, found = read_notes(store), []
    for row in read_manifest_table(store).select(["id", "source", "crc32"]).to_pylist():
        why = _why(notes.get(row["id"]), row["crc32"], asked, again)
        if why is not None:
            found.append(Missing(row["id"], row["source"], row["crc32"], why))
    return found


def _why(note: Note | None, picture: int, asked: str, again: Sequence[Again]) -> str | None:
    """Why a page is to be read, if it is."""
    if note is None:
        return "new"
    if note.picture is not None and note.picture != picture:
        return "of another picture"
    origin = {"": "unknown", IMPORTED: "imported"}.get(note.asked)
    if note.status in again or origin in again:
        return "to be read again"
    others = {asked, "", IMPORTED} if asked != IMPORTED else {asked, ""}
    return "read otherwise" if asked and note.asked not in others else None


def check_read(store: str, max_bad_fraction: float) -> None:
    """Raises DataError when OCR failed on more of the store's pages than this share."""
    notes = read_notes(store)
    failed = sorted(unread_pages(store))
    if len(failed) > max_bad_fraction * len(notes):
        raise DataError(
            f"OCR failed on {len(failed)} of {len(notes)} pages of {store} (the first: {failed[0]}), at most "
            f"{max_bad_fraction:.0%} are allowed: is --source the data set that the store was made of? --again failed "
            "timeout reads them again, --max-bad-fraction accepts more"
        )


def read_batch(task: OcrTask) -> list[PageText]:
    """Text of each page; a page that cannot be read is one with a status and a reason.

    Raises:
        ResourceError: this machine lacks the engine or a language.
    """
    check_engine(task.options)
    return [read_text(task.source, page_id, name, task.options, task.max_pixels) for page_id, name in task.pages]


def read_text(source: str, page_id: str, name: str, options: OcrOptions, max_pixels: int | None = None) -> PageText:
    """Text of one page of a data set, with retries."""
    return read_opened(page_id, lambda: read_page(read_encoded(source, name), page_of(name)[1], max_pixels), options)


def read_opened(page_id: str, open_image: "Callable[[], Image]", options: OcrOptions) -> PageText:
    """Text of the page that `open_image` decodes, with retries; what goes wrong is in its status."""
    try:
        image = open_image()
    except (BadPage, DataError) as error:
        return PageText(page_id, "", None, "failed", f"cannot be decoded: {error}")
    found = PageText(page_id, "", None, "failed", "not tried")
    for _ in range(1 + options.num_retries):
        found = _attempt(page_id, image, options)
        if found.status not in ("failed", "timeout"):
            break
    if options.orientation and _is_noise(found):
        return _turned(found, image, options)
    return found


def keep(
    store: str, batches: Iterable[list[PageText]], asked: str = "", pages: Sequence[Missing] = ()
) -> Iterator[list[PageText]]:
    """Pass the batches on and write them into the store, also those at hand when the job is stopped; beside each text
    stands how (`asked`) which picture (that of `pages`) was read.

    Raises:
        DataError: the store cannot be written.
    """
    part: list[PageText] = []
    written_s = time.monotonic()
    pictures = {page.id: page.picture for page in pages}
    try:
        for batch in batches:
            part += [replace(page, asked=asked, picture=pictures.get(page.id)) for page in batch]
            if len(part) >= NUM_PAGES_PER_PART or time.monotonic() - written_s >= MAX_PART_AGE_S:
                write_part(store, part)
                part, written_s = [], time.monotonic()
            yield batch
    finally:
        if part:
            write_part(store, part)


def _attempt(page_id: str, image: "Image", options: OcrOptions) -> PageText:
    parts = pieces(image)
    try:
        read = [recognise(part, options) for part in parts]
    except OcrTimeout:
        return PageText(page_id, "", None, "timeout", f"not done after {options.time_limit_s:g} s")
    except (OcrFailure, OSError) as error:
        return PageText(page_id, "", None, "failed", str(error))
    size = [f"read at {parts[0].width / image.width:.0%} of its size"] if parts[0].width < image.width else []
    how = ", ".join([*size, *([f"read in {len(parts)} pieces"] if len(parts) > 1 else [])])
    found = [(text, confidence or 0, len(text.split())) for text, confidence in read if text]
    if not found:
        return PageText(page_id, "", None, "empty", ", ".join(["no text was found", *([how] if how else [])]))
    confidence = sum(of_words * number for _, of_words, number in found) / sum(number for *_, number in found)
    return PageText(page_id, "\n\n".join(text for text, *_ in found), confidence, "ok", how)


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
    return replace(again, reason=", ".join([f"turned by {degrees} degrees", *filter(None, [again.reason])]))
