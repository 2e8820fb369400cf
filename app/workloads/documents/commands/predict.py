"""Pages into a table of classes and a sheet of thumbnails."""

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from app import records
from app.command_line import absolute
from app.console import progress, say
from app.data import files
from app.data.names import as_text
from app.data.store.quarantine import Quarantined, write_quarantine
from app.errors import DataError, UsageError
from app.reporting.run.page_sheet import NUM_CHARACTERS, SheetPage, build_sheet, sheet_data, with_shown_thumbnails
from app.run_folder.run import ABOUT, SHEET
from app.workloads.declaration import Engine
from app.workloads.documents.commands.flags import PredictDocuments
from app.workloads.documents.ocr import engines
from app.workloads.documents.ocr.texts import UNREAD, WITHOUT_TEXT
from app.workloads.documents.pages.files import find_pages, read_for_prediction
from app.workloads.documents.predict.prediction import (
    NUM_PAGES_AT_ONCE,
    PagePrediction,
    check_same_classes,
    classify_numbered,
    combine,
    read_text,
)
from app.workloads.documents.predict.table import PredictionTable

NUM_PAGES_PER_PART = 2000
"""Read, classified and written before the next: some 300 MB at 384 x 384 pixels, and minutes of OCR."""

NOT_FINITE = "a network's output is not finite; expected numbers: train the model in fp32"


def predict(arguments: PredictDocuments, engine: Engine) -> None:
    """Raises DataError when not one page could be read."""
    start_s = time.monotonic()
    stored_size, ocr = _check_models(arguments, engine)
    out = absolute(str(arguments.out))
    found = find_pages([absolute(path) for path in arguments.input], arguments.max_pixels, say)
    say(f"{', '.join(arguments.input)}: {len(found)} pages")
    table = PredictionTable(files.join(out, f"predictions.{arguments.table}"), arguments.byte_order_mark)
    bad: list[Any] = []
    shown: list[Any] = []
    try:
        for start in range(0, len(found), NUM_PAGES_PER_PART):
            predictions, pages, unread = _predict(
                found[start : start + NUM_PAGES_PER_PART], stored_size, ocr, arguments, engine
            )
            bad += unread
            table.add(predictions)
            shown = with_shown_thumbnails([*shown, *_shown(arguments, predictions, pages)])
    finally:
        table.write()
        write_quarantine(out, bad)
    if not len(table):
        raise DataError(f"none of {len(found)} pages could be read; the first: {bad[0].file}: {bad[0].reason}")
    sheet = _write_sheet(arguments, out, shown, stored_size, ocr)
    say(f"written: {table.path}, {sheet}")
    say(f"{arguments.out}: {len(table)} pages classified, {len(bad)} quarantined, {time.monotonic() - start_s:.1f} s")


def _predict(
    found: list[Any], stored_size: int, ocr: Any, arguments: PredictDocuments, engine: Engine
) -> tuple[list[Any], list[Any], list[Any]]:
    """PagePrediction of some pages, these pages decoded, and those that are bad."""
    pages, bad = _read_pages(found, stored_size, arguments, engine)
    texts = (
        _read_texts([page.file for page in pages], ocr, arguments, engine) if arguments.text_model is not None else {}
    )
    if arguments.image_model is None:  # a page without a text says nothing
        unread = {page.file for page in pages if texts[page.file.id].status in UNREAD}
        bad += [Quarantined(file.id, file.path, f"no text: {texts[file.id].reason}") for file in unread]
        pages = [page for page in pages if page.file not in unread]
    said = _predictions(pages, texts, arguments, engine)
    lost = [Quarantined(one.id, one.path, NOT_FINITE) for one in said if not one.is_finite]
    for one in lost:
        say(f"quarantined {one.id}: {one.file}: {one.reason}")
    pages = [page for page, one in zip(pages, said, strict=True) if one.is_finite]
    return [one for one in said if one.is_finite], pages, [*bad, *lost]


def _write_sheet(arguments: PredictDocuments, out: str, shown: list[Any], stored_size: int, ocr: Any) -> str:
    """The sheet and what stands beside it; its path."""
    sheet = files.join(out, "sheet.html")
    title = ", ".join(as_text(files.name_of(absolute(path))) for path in arguments.input)
    files.write_bytes_atomic(sheet, build_sheet(title, shown, time.strftime("%Y-%m-%d %H:%M")).encode())
    SHEET.write(out, sheet_data(title, shown))
    about = {"image_model": arguments.image_model, "text_model": arguments.text_model, "stored_size": stored_size}
    ABOUT.write(out, {**about, "ocr": asdict(ocr), "versions": records.versions()})
    return sheet


def _check_models(arguments: PredictDocuments, engine: Engine) -> tuple[int, Any]:
    """Pixels along each edge to which a page is shrunk first, as the store was that the image network learned from, and
    the OcrOptions by which it is read, as the pages were that the text network learned from.

    Raises:
        DataError: there is no such model.
        UsageError: a model is of another workload, or the two know different classes.
        ResourceError: text is asked for, and this machine has no Tesseract or not the language.
    """
    image, text = arguments.image_model, arguments.text_model
    by_image = None if image is None else engine.open_model(absolute(image), "document_image").task
    by_text = None if text is None else engine.open_model(absolute(text), "document_text").task
    ocr = _ocr_options("" if by_text is None else by_text.ocr, arguments)
    if by_text is not None:
        engines.check_engine(ocr)
    if by_image is not None and by_text is not None:
        check_same_classes(by_image.classes, by_text.classes)
    if by_image is None:
        return 32, ocr  # no network sees these
    if by_image.stored_size is None:
        say(f"{image} does not say at which size its pages were stored: taken to be {by_image.image_size} pixels")
    return int(by_image.stored_size or by_image.image_size), ocr


def _ocr_options(asked: str, arguments: PredictDocuments) -> Any:
    """As the pages of the text model were read, but for what is given."""
    given = {name: getattr(arguments, name) for name in ("language", "psm", "oem", "time_limit_s", "num_retries")}
    turn = None if arguments.orientation is None else arguments.orientation == "yes"
    try:
        return engines.OcrOptions.of(asked, **given, orientation=turn)
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('_', '-', 1)}") from error


def _read_pages(
    found: list[Any], stored_size: int, arguments: PredictDocuments, engine: Engine
) -> tuple[list[Any], list[Any]]:
    """Decoded pages, and those that are bad."""
    reads = [absolute(path) for path in arguments.input]
    read = partial(read_for_prediction, stored_size=stored_size)
    pages, bad = [], []
    with progress("read", len(found)) as advance:
        for result in engine.run_cases(read, found, "pages", reads=reads):
            if isinstance(result, Quarantined):
                bad.append(result)
                say(f"quarantined {result.id}: {result.file}: {result.reason}")
            else:
                for note in result.notes:
                    say(f"noted: {result.file.path}: {note}")
                pages.append(result)
            advance(1, "")
    return sorted(pages, key=lambda page: page.file.id), bad


def _read_texts(found: list[Any], options: Any, arguments: PredictDocuments, engine: Engine) -> dict[str, Any]:
    """PageText of each page by its id; those that failed are told."""
    reads = [absolute(path) for path in arguments.input]
    texts = {}
    with progress("ocr", len(found)) as advance:
        for text in engine.run_cases(partial(read_text, options=options), found, "pages", reads=reads):
            texts[text.id] = text
            if text.status in WITHOUT_TEXT:
                alone = "is classified as a page without text" if text.status == "empty" else "is not classified"
                what = alone if arguments.image_model is None else "is classified by its image alone"
                say(f"{text.id} {what}: OCR {text.status}: {text.reason}")
            advance(1, text.id)
    return texts


def _predictions(pages: list[Any], texts: dict[str, Any], arguments: PredictDocuments, engine: Engine) -> list[Any]:
    """What the models say of each page, in their order; the image alone where OCR found nothing or failed."""
    by_image: list[Any] = [None] * len(pages)
    by_text: dict[str, dict[str, float]] = {}
    if arguments.image_model is not None:
        by_image = _classify(arguments.image_model, "document_image", [page.pixels for page in pages], engine)
    if arguments.text_model is not None:
        silent = UNREAD if arguments.image_model is None else WITHOUT_TEXT
        read = [texts[page.file.id] for page in pages if texts[page.file.id].status not in silent]
        said = _classify(arguments.text_model, "document_text", [text.text for text in read], engine)
        by_text = {text.id: shares for text, shares in zip(read, said, strict=True)}
    found = []
    for page, image in zip(pages, by_image, strict=True):
        text, file = texts.get(page.file.id), page.file
        told = ("", "") if text is None else (text.text, text.status)
        found.append(
            PagePrediction(file.id, as_text(file.path), file.page, combine(image, by_text.get(file.id)), *told)
        )
    return found


def _classify(run: str, workload: str, contents: list[Any], engine: Engine) -> list[dict[str, float]]:
    """Probabilities of each content by class."""
    classes = engine.open_model(absolute(run), workload).task.classes
    starts = range(0, len(contents), NUM_PAGES_AT_ONCE)
    items = [(start, contents[start : start + NUM_PAGES_AT_ONCE]) for start in starts]
    found: dict[int, list[list[float]]] = {}
    with progress(workload, len(contents)) as advance:
        for start, rows in engine.map_with_model(absolute(run), classify_numbered, items):
            found[start] = rows
            advance(len(rows), "")
    return [dict(zip(classes, row, strict=True)) for start in starts for row in found[start]]


def _shown(arguments: PredictDocuments, predictions: list[Any], pages: list[Any]) -> list[Any]:
    """The pages as the sheet shows them."""
    shown = []
    for one, page in zip(predictions, pages, strict=True):
        width, height = page.thumbnail_size
        truth = Path(one.path).parent.name if arguments.labelled else None
        none = "No text was found" if one.ocr == "empty" else one.text[:NUM_CHARACTERS]
        text = "No text: OCR failed" if one.ocr in UNREAD else none
        shown.append(SheetPage(one.id, page.thumbnail, width, height, one.shares, text, truth))
    return shown
