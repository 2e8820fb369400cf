"""Data sets as Parquet tables, as mirrors have them: classes, splits and documents of all rows."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from app.data import files
from app.data.store.quarantine import Quarantined
from app.errors import DataError
from app.workloads.documents.source import classes, parquet_source
from app.workloads.documents.source.grouping import documents_of, folders_of_documents
from app.workloads.documents.source.listing import (
    SPLIT_NAMES,
    DataSet,
    PageSource,
    SourceOptions,
    distinct,
    outside,
    split_of,
    stem,
)

KNOWN = (classes.RVL_CDIP, classes.TOBACCO)


def read_mirror(source: str, paths: Sequence[str], options: SourceOptions) -> DataSet:
    """The pages of all rows of all tables.

    Raises:
        DataError: a table is damaged, has no images or labels, or they name different classes.
    """
    if not paths:
        raise DataError(f"{source} has no Parquet file; expected some with images and labels")
    tables = [parquet_source.list_rows(source, path, options.class_column) for path in paths]
    names, numbers = _classes(source, tables)
    pages: list[PageSource] = []
    bad: list[Quarantined] = []
    for table in tables:
        beside = None if table.has_bytes else _folder_of_images(source, table)
        of_file = _split_of(table.path)
        splits = [(split_of(name) if name else None) or of_file for name in table.splits] or [of_file] * len(
            table.labels
        )
        for row, (path, label, split) in enumerate(zip(table.image_paths, table.labels, splits, strict=True)):
            id_ = stem(path) if path else f"{stem(table.path)}/{row:06d}"
            file = f"{table.path}#{row}"
            if beside is not None:
                file = path if path and path.startswith("/") else f"{beside}{path or ''}"
                leads = outside(source, file, f"{table.path}#{row}", options)
                if leads or not path:
                    bad.append(leads or Quarantined(id_, f"{table.path}#{row}", "the row has no image"))
                    continue
            pages.append(PageSource(id_, file, numbers.get(label, -1), split, "" if path else id_))
    if not pages:
        raise DataError(f"{source}: its {len(paths)} Parquet files have no row with an image")
    return DataSet("parquet", names, _with_documents(distinct(pages), names), tuple(bad))


def _with_documents(pages: tuple[PageSource, ...], names: tuple[str, ...]) -> tuple[PageSource, ...]:
    """Documents of rows that have a file's name, by it; the others stand alone, and so do files of one name in several
    tables."""
    own, stamped = [page.id.partition("@")[0] for page in pages], names in KNOWN
    below = folders_of_documents(own, names)
    counts, named = Counter(own), []
    for page, name, document in zip(pages, own, documents_of(own, below, stamped), strict=True):
        is_alone = counts[name] > 1 and document == name.lower() and not stamped
        named.append(page if page.document_id else replace(page, document_id=page.id if is_alone else document))
    return tuple(named)


def _classes(source: str, tables: Sequence[parquet_source.Rows]) -> tuple[tuple[str, ...], dict[int | str, int]]:
    """Names of the classes, and the number here of each label there: known sets take the order of their own."""
    described = {table.class_names for table in tables if table.class_names}
    if len(described) > 1:
        raise DataError(f"{source}: its files name different classes: {' and '.join(map(str, sorted(described)))}")
    labels = {label for table in tables for label in table.labels if label != -1}
    words = sorted({label for label in labels if isinstance(label, str)})
    if words and len(words) < len(labels):
        raise DataError(f"{source}: some files have labels in words ({words[0]!r}), others numbers; expected one kind")
    largest = max((label for label in labels if isinstance(label, int)), default=-1)
    given = tuple(words) or (described.pop() if described else tuple(str(i) for i in range(largest + 1)))
    if largest >= len(given):
        raise DataError(f"{source}: a row has the label {largest}, but only {len(given)} classes are named")
    keys: list[int | str] = [*words] or [*range(len(given))]
    plain = [name.replace("_", " ").casefold() for name in given]
    for known in KNOWN:
        order = [name.casefold() for name in known]
        if set(plain) == set(order):
            return known, {key: order.index(name) for key, name in zip(keys, plain, strict=True)}
    return given, {key: i for i, key in enumerate(keys)}


def _folder_of_images(source: str, table: parquet_source.Rows) -> str:
    """Where the paths of a table begin: beside it, or at the top, with a `/` at the end.

    Raises:
        DataError: the first image is in neither place.
    """
    first = next((path for path in table.image_paths if path), "")
    head = table.path[: -len(files.name_of(table.path))]
    for folder in (head, ""):
        if first.startswith("/") or files.exists(files.join(source, f"{folder}{first}")):
            return folder
    raise DataError(
        f"{files.join(source, table.path)} names its images by path and holds none: {first!r} is neither beside it nor "
        f"in {source}; expected the images there"
    )


def _split_of(path: str) -> str:
    """`data/train-00000-of-00008.parquet` and `train/0000.parquet` are both of the training split."""
    words = re.split(r"[^a-z]+", path.lower())
    return next((SPLIT_NAMES[word] for word in reversed(words) if word in SPLIT_NAMES), "")
