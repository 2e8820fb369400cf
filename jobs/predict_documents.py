"""The half of the predict job that classifies document pages."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from app.command_line import absolute

NUM_PAGES_PER_PART = 2000
"""Read, classified and written before the next: some 300 MB at 384 x 384 pixels, and minutes of OCR."""


@dataclass(frozen=True, kw_only=True)
class PredictDocuments:
    """Classes of pages, by image, by text (OCR) or by both."""

    input: tuple[str, ...] = ()
    """Images (TIFF, JPEG, PNG, ...), PDFs, or folders of them."""
    out: str | None = None
    """Folder for predictions.csv (or .parquet), and for thumbnails by doubt: sheet.html, and sheet.json for reports."""
    image_model: str | None = None
    """Folder (or URL) of a run of document-image."""
    text_model: str | None = None
    """Folder (or URL) of a run of document-text; pages are read by Tesseract."""
    table: Literal["csv", "parquet"] = "csv"
    byte_order_mark: bool = False
    """Begin the CSV with a mark by which Excel knows its umlauts; other readers may take it for a part of `id`."""
    language: str | None = None
    """Of the text, Tesseract's code; that of the text model's own pages if not given, as with all of these:"""
    psm: int | None = None
    """Page segmentation mode, as of jobs/ocr.py."""
    oem: int | None = None
    """Engine mode."""
    orientation: Literal["yes", "no"] | None = None
    """Turn pages that come out as noise the way up that Tesseract thinks right, and read them again."""
    time_limit_s: float = 60.0
    """Of one attempt of OCR at a page."""
    num_retries: int = 1
    """Attempts of OCR after one that failed or ran out of time."""
    max_pixels: int = 200_000_000
    """A page of more is refused, as a decompression bomb; of 1 bit, which is read in reduced form, three times that."""
    labelled: bool = False
    """The name of the folder that a page lies in is its class: the sheet says which pages are right."""
    workers: int = 1
    """Workers that each hold a model and take some pages at a time."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` predicts in this process, without Ray."""
    export: str | None = None
    """Also write the image model as a self-contained folder: weights, preprocessing, ONNX. Needs no --input."""


def predict_documents(arguments: PredictDocuments) -> None:
    """Raises DataError when not one page could be read."""
    from app.console import say
    from app.data import files
    from app.data.store.quarantine import write_quarantine
    from app.errors import DataError
    from app.workloads.documents.pages.files import find_pages
    from app.workloads.documents.predict.table import PredictionTable

    start_s = time.monotonic()
    stored_size, ocr = _check_models(arguments)
    out = absolute(str(arguments.out))
    found = find_pages([absolute(path) for path in arguments.input], arguments.max_pixels, say)
    say(f"{', '.join(arguments.input)}: {len(found)} pages")
    table = PredictionTable(files.join(out, f"predictions.{arguments.table}"), arguments.byte_order_mark)
    bad: list[Any] = []
    shown: list[Any] = []
    try:
        for start in range(0, len(found), NUM_PAGES_PER_PART):
            predictions, pages, unread = _predict(
                found[start : start + NUM_PAGES_PER_PART], stored_size, ocr, arguments
            )
            bad += unread
            table.add(predictions)
            shown += _shown(arguments, predictions, pages)
    finally:
        table.write()
        write_quarantine(out, bad)
    if not len(table):
        raise DataError(f"none of {len(found)} pages could be read; the first: {bad[0].file}: {bad[0].reason}")
    sheet = _write_sheet(arguments, out, shown, stored_size, ocr)
    say(f"written: {table.path}, {sheet}")
    say(f"{arguments.out}: {len(table)} pages classified, {len(bad)} quarantined, {time.monotonic() - start_s:.1f} s")


def _predict(
    found: list[Any], stored_size: int, ocr: Any, arguments: PredictDocuments
) -> tuple[list[Any], list[Any], list[Any]]:
    """PagePrediction of some pages, these pages decoded, and those that are bad."""
    from app.data.store.quarantine import Quarantined
    from app.workloads.documents.ocr.texts import UNREAD

    pages, bad = _read_pages(found, stored_size, arguments)
    texts = _read_texts([page.file for page in pages], ocr, arguments) if arguments.text_model is not None else {}
    if arguments.image_model is None:  # a page without a text says nothing
        unread = {page.file for page in pages if texts[page.file.id].status in UNREAD}
        bad += [Quarantined(file.id, file.path, f"no text: {texts[file.id].reason}") for file in unread]
        pages = [page for page in pages if page.file not in unread]
    return _predictions(pages, texts, arguments), pages, bad


def _write_sheet(arguments: PredictDocuments, out: str, shown: list[Any], stored_size: int, ocr: Any) -> str:
    """The sheet and what stands beside it; its path."""
    from app import records
    from app.data import files
    from app.data.names import as_text
    from app.reporting.run.page_sheet import build_sheet, sheet_data
    from app.run_folder.run import ABOUT, SHEET

    sheet = files.join(out, "sheet.html")
    title = ", ".join(as_text(files.name_of(absolute(path))) for path in arguments.input)
    files.write_bytes_atomic(sheet, build_sheet(title, shown, time.strftime("%Y-%m-%d %H:%M")).encode())
    SHEET.write(out, sheet_data(title, shown))
    about = {"image_model": arguments.image_model, "text_model": arguments.text_model, "stored_size": stored_size}
    ABOUT.write(out, {**about, "ocr": asdict(ocr), "versions": records.versions()})
    return sheet


def _check_models(arguments: PredictDocuments) -> tuple[int, Any]:
    """Pixels along each edge to which a page is shrunk first, as the store was that the image network learned from, and
    the OcrOptions by which it is read, as the pages were that the text network learned from.

    Raises:
        DataError: there is no such model.
        UsageError: a model is of another workload, or the two know different classes.
        ResourceError: text is asked for, and this machine has no Tesseract or not the language.
    """
    from app.console import say
    from app.execution.models.model import load_model_of
    from app.workloads.documents.ocr.engines import check_engine
    from app.workloads.documents.predict.prediction import check_same_classes

    image, text = arguments.image_model, arguments.text_model
    by_image = None if image is None else load_model_of(absolute(image), "document_image").task
    by_text = None if text is None else load_model_of(absolute(text), "document_text").task
    ocr = _ocr_options("" if by_text is None else by_text.ocr, arguments)
    if by_text is not None:
        check_engine(ocr)
    if by_image is not None and by_text is not None:
        check_same_classes(by_image.classes, by_text.classes)
    if by_image is None:
        return 32, ocr  # no network sees these
    if by_image.stored_size is None:
        say(f"{image} does not say at which size its pages were stored: taken to be {by_image.image_size} pixels")
    return int(by_image.stored_size or by_image.image_size), ocr


def _ocr_options(asked: str, arguments: PredictDocuments) -> Any:
    """As the pages of the text model were read, but for what is given."""
    from app.errors import UsageError
    from app.workloads.documents.ocr.engines import OcrOptions

    given = {name: getattr(arguments, name) for name in ("language", "psm", "oem", "time_limit_s", "num_retries")}
    turn = None if arguments.orientation is None else arguments.orientation == "yes"
    try:
        return OcrOptions.of(asked, **given, orientation=turn)
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('_', '-', 1)}") from error


def _read_pages(found: list[Any], stored_size: int, arguments: PredictDocuments) -> tuple[list[Any], list[Any]]:
    """Decoded pages, and those that are bad."""
    from functools import partial

    from app.console import progress, say
    from app.data.store.quarantine import Quarantined
    from app.workloads.documents.pages.files import read_for_prediction

    read = partial(read_for_prediction, stored_size=stored_size)
    pages, bad = [], []
    with progress("read", len(found)) as advance:
        for result in _each(read, found, arguments):
            if isinstance(result, Quarantined):
                bad.append(result)
                say(f"quarantined {result.id}: {result.file}: {result.reason}")
            else:
                for note in result.notes:
                    say(f"noted: {result.file.path}: {note}")
                pages.append(result)
            advance(1, "")
    return sorted(pages, key=lambda page: page.file.id), bad


def _read_texts(found: list[Any], options: Any, arguments: PredictDocuments) -> dict[str, Any]:
    """PageText of each page by its id; those that failed are told."""
    from functools import partial

    from app.console import progress, say
    from app.workloads.documents.ocr.texts import WITHOUT_TEXT
    from app.workloads.documents.predict.prediction import read_text

    texts = {}
    with progress("ocr", len(found)) as advance:
        for text in _each(partial(read_text, options=options), found, arguments):
            texts[text.id] = text
            if text.status in WITHOUT_TEXT:
                alone = "is classified as a page without text" if text.status == "empty" else "is not classified"
                what = alone if arguments.image_model is None else "is classified by its image alone"
                say(f"{text.id} {what}: OCR {text.status}: {text.reason}")
            advance(1, text.id)
    return texts


def _predictions(pages: list[Any], texts: dict[str, Any], arguments: PredictDocuments) -> list[Any]:
    """What the models say of each page, in their order; the image alone where OCR found nothing or failed."""
    from app.data.names import as_text
    from app.workloads.documents.ocr.texts import UNREAD, WITHOUT_TEXT
    from app.workloads.documents.predict.prediction import PagePrediction, combine

    by_image: list[Any] = [None] * len(pages)
    by_text: dict[str, dict[str, float]] = {}
    if arguments.image_model is not None:
        by_image = _classify(arguments.image_model, "document_image", [page.pixels for page in pages], arguments)
    if arguments.text_model is not None:
        silent = UNREAD if arguments.image_model is None else WITHOUT_TEXT
        read = [texts[page.file.id] for page in pages if texts[page.file.id].status not in silent]
        said = _classify(arguments.text_model, "document_text", [text.text for text in read], arguments)
        by_text = {text.id: shares for text, shares in zip(read, said, strict=True)}
    found = []
    for page, image in zip(pages, by_image, strict=True):
        text, file = texts.get(page.file.id), page.file
        told = ("", "") if text is None else (text.text, text.status)
        found.append(
            PagePrediction(file.id, as_text(file.path), file.page, combine(image, by_text.get(file.id)), *told)
        )
    return found


def _classify(run: str, workload: str, contents: list[Any], arguments: PredictDocuments) -> list[dict[str, float]]:
    """Probabilities of each content by class."""
    from app.console import progress
    from app.execution.models.model import load_model_of
    from app.execution.models.predict import map_with_model
    from app.workloads.documents.predict.prediction import NUM_PAGES_AT_ONCE, classify_numbered

    classes = load_model_of(absolute(run), workload).task.classes
    starts = range(0, len(contents), NUM_PAGES_AT_ONCE)
    items = [(start, contents[start : start + NUM_PAGES_AT_ONCE]) for start in starts]
    found: dict[int, list[list[float]]] = {}
    with progress(workload, len(contents)) as advance:
        for start, rows in map_with_model(
            absolute(run), classify_numbered, items, arguments.workers, arguments.launcher
        ):
            found[start] = rows
            advance(len(rows), "")
    return [dict(zip(classes, row, strict=True)) for start in starts for row in found[start]]


def _each(function: Any, items: list[Any], arguments: PredictDocuments) -> Iterator[Any]:
    if arguments.launcher == "local":
        from app.execution.parallel import in_process

        return in_process.run_cases(function, items)
    from app.execution.parallel import tasks

    return tasks.run_cases(function, items, name="pages", reads=[absolute(path) for path in arguments.input])


def _shown(arguments: PredictDocuments, predictions: list[Any], pages: list[Any]) -> list[Any]:
    """The pages as the sheet shows them."""
    from app.reporting.run.page_sheet import NUM_CHARACTERS, SheetPage
    from app.workloads.documents.ocr.texts import UNREAD

    shown = []
    for one, page in zip(predictions, pages, strict=True):
        width, height = page.thumbnail_size
        truth = Path(one.path).parent.name if arguments.labelled else None
        none = "No text was found" if one.ocr == "empty" else one.text[:NUM_CHARACTERS]
        text = "No text: OCR failed" if one.ocr in UNREAD else none
        shown.append(SheetPage(one.id, page.thumbnail, width, height, one.shares, text, truth))
    return shown
