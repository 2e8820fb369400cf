"""metadata.jsonl and metadata.csv beside the pages, as the Hugging Face hub's image folders have them: who is what.

A line names a page (`file_name`, relative to the side file) and its class: a column called label, class or the like, at
the top or deeper, also in JSON within a text (Donut's `{"gt_parse": {"class": "invoice"}}`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.data import files
from app.data.inside import listed_path
from app.data.store.quarantine import Quarantined
from app.data.tables import csv_rows
from app.data.text import decode_text
from app.errors import DataError
from app.strict_json import DamagedFileError, parse, whole_number
from app.workloads.documents.source.folders import read_folders
from app.workloads.documents.source.grouping import documents_of, folders_of_documents
from app.workloads.documents.source.listing import (
    DataSet,
    PageSource,
    SourceOptions,
    distinct,
    outside,
    split_of,
    stem,
    told,
)

NAMES = ("metadata.jsonl", "metadata.csv")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_path")
CLASS_COLUMNS = ("label", "labels", "class", "class_name", "category", "document_class", "document_type")
SPLIT_COLUMNS = ("split", "subset")


@dataclass(frozen=True)
class Line:
    place: str
    """Side file and line."""
    folder: str
    """Folder of the side file, with a `/` at its end; empty at the top."""
    values: Mapping[str, Any]
    """By dotted name; of nested JSON the ends alone."""


def find(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if files.name_of(path).lower() in NAMES]


def decide(source: str, sides: Sequence[str], options: SourceOptions) -> bool:
    """Whether the side files have classes.

    Raises:
        DataError: one cannot be read, or several columns may be the class.
    """
    lines = [line for side in sides for line in _lines(source, side, options) if isinstance(line, Line)]
    return _class_column(source, lines, options) is not None


def read(source: str, sides: Sequence[str], paths: Sequence[str], options: SourceOptions) -> DataSet:
    """Pages of the side files; `paths` are the pages that there are.

    Raises:
        DataError: no class in them, or the folders say other classes.
    """
    entries = [line for side in sides for line in _lines(source, side, options)]
    lines = [line for line in entries if isinstance(line, Line)]
    column = _class_column(source, lines, options)
    if column is None:
        seen = told(sorted({name for line in lines for name in line.values}), 20)
        raise DataError(
            f"{source}: its {told(sides)} have no column of classes: saw {seen or 'no line'}; expected "
            f"{CLASS_COLUMNS[0]}, or --class-column NAME"
        )
    bad = [line for line in entries if isinstance(line, Quarantined)]
    found: dict[str, Line] = {}
    for line in lines:
        name = next((str(line.values[c]) for c in FILE_COLUMNS if line.values.get(c)), None)
        path = name if name is None or name.startswith("/") else line.folder + name.removeprefix("./")
        if path is None:
            bad.append(Quarantined(line.place, line.place, f"{line.place} names no file; expected {FILE_COLUMNS[0]}"))
        elif leads := outside(source, path, line.place, options):
            bad.append(leads)
        elif path in found:
            bad.append(Quarantined(line.place, path, f"listed more than once: {found[path].place} and {line.place}"))
        else:
            found[path] = line
    without = [path for path in paths if path not in found]
    labels = {path: _text(line.values.get(column)) for path, line in found.items()} | dict.fromkeys(without)
    _check_folders(source, labels, options)
    names = tuple(sorted({name for name in labels.values() if name is not None}, key=_by_number))
    notes = [f"classes are those of {column!r} in {told(sides)}"]
    notes += [f"{len(without)} pages have no line there: without a class"] if without else []
    return DataSet("metadata", names, _pages(labels, found, names), tuple(bad), tuple(notes))


def _pages(
    labels: Mapping[str, str | None], found: Mapping[str, Line], names: tuple[str, ...]
) -> tuple[PageSource, ...]:
    label_of: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    ids = [stem(path) for path in labels]
    documents = documents_of(ids, folders_of_documents(list(labels), names))
    return distinct(
        [
            PageSource(page, path, label_of.get(name, -1), _split(path, found.get(path)), document)
            for page, document, (path, name) in zip(ids, documents, labels.items(), strict=True)
        ]
    )


def _split(path: str, line: Line | None) -> str:
    named = [str(line.values[c]) for c in SPLIT_COLUMNS if line.values.get(c)] if line else []
    return next((split for name in (*named, *path.split("/")[:-1]) if (split := split_of(name))), "")


def _check_folders(source: str, labels: Mapping[str, str | None], options: SourceOptions) -> None:
    """Raises DataError when the pages' folders are classes too, and others than the side files say."""
    if options.layout == "metadata":
        return
    try:
        placed = read_folders(source, list(labels), None).pages
    except DataError:  # folders that are no classes contradict nothing
        return
    pairs = {(page.name, labels[page.path]) for page in placed if page.name and labels[page.path] is not None}
    by_folder, by_line = {name for name, _ in pairs}, {label for _, label in pairs}
    if len(by_folder) > 1 and len(pairs) > max(len(by_folder), len(by_line)):
        raise DataError(
            f"{source}: its side files say the classes {told(sorted(map(str, by_line)))}, its folders "
            f"{told(sorted(map(str, by_folder)))}, and they do not agree: --layout metadata takes the first, --layout "
            "class-folders (or split-folders) the others"
        )


def _class_column(source: str, lines: Sequence[Line], options: SourceOptions) -> str | None:
    names = list(dict.fromkeys(name for line in lines for name in line.values))
    if options.class_column is not None:
        if options.class_column not in names:
            raise DataError(
                f"{source}: --class-column {options.class_column}, but its side files have {told(names, 20)}"
            )
        return options.class_column
    found = [name for name in names if name.rpartition(".")[2].lower() in CLASS_COLUMNS]
    if len(found) > 1:
        raise DataError(f"{source}: {', '.join(found)} of its side files may be the class: --class-column says which")
    return found[0] if found else None


def _lines(source: str, side: str, options: SourceOptions) -> Iterator[Line | Quarantined]:
    where = listed_path(source, side, source, options.allow_outside)
    folder, content = side[: -len(files.name_of(side))], files.read_bytes(where)
    try:
        if side.lower().endswith(".csv"):
            rows = csv_rows(content)
            _, header = next(rows, (0, []))
            for number, row in rows:
                yield Line(f"{side}:{number}", folder, dict(zip(header, row, strict=False)))
            return
        text = decode_text(content).text
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        place = f"{side}:{number}"
        if not line.strip():
            continue
        values = _parsed(line)
        if isinstance(values, dict):
            yield Line(place, folder, dict(_flat("", values)))
        else:
            yield Quarantined(place, side, f"line {number} is {line.strip()[:100]!r}; expected a JSON object")


def _parsed(text: str) -> Any:
    """None where it is no JSON, or none that one can use."""
    try:
        return parse(text.encode(), "", any_number=True)
    except DamagedFileError:
        return None


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    inside = _parsed(value) if isinstance(value, str) and value.lstrip()[:1] == "{" else value
    if not isinstance(inside, dict):
        yield prefix, value
        return
    for name, inner in inside.items():
        yield from _flat(f"{prefix}.{name}" if prefix else str(name), inner)


def _text(value: Any) -> str | None:
    """A class as it is written; None where there is none."""
    if value is None or isinstance(value, list | float) or not str(value).strip():
        return None
    return str(value).strip()


def _by_number(name: str) -> tuple[int, str]:
    """Numbers in their order, before words in theirs."""
    number = whole_number(name)
    return (2**63, name) if number is None else (number, "")
