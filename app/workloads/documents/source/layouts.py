"""Which files are the pages of a data set, as it is distributed.

- `rvl-cdip`: `labels/{train,val,test}.txt`, lines `path class`, the paths below `images/`; has its own split.
- `tobacco`: Tobacco3482: its ten folders, all of them, named as classes.TOBACCO.
- `metadata`: metadata.jsonl or .csv beside the pages says their classes, as image folders of the Hugging Face hub do.
- `folders`: any other folder a class; below `train/`, `validation/` and `test/` where the set has its own split.
- `parquet`: mirrors with a column of images and one of labels; the split is read from a column `split`
  or the files' names.

A known set is found in the folder given or in one below. A set all of whose pages are in one split (mirrors call it
`train`) has none.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from app.data import files
from app.data.clutter import is_clutter
from app.data.inside import link_reason, listed_path, place_inside
from app.data.names import as_text, is_text
from app.data.store.quarantine import Quarantined
from app.data.text import decode_text
from app.errors import DataError
from app.strict_json import whole_number
from app.workloads.documents.source import classes, mirrors, side_files
from app.workloads.documents.source.folders import Folders, read_folders
from app.workloads.documents.source.grouping import documents_of
from app.workloads.documents.source.listing import (
    ENDINGS,
    SPLIT_NAMES,
    DataSet,
    PageSource,
    SourceOptions,
    distinct,
    document_id,
    outside,
    stem,
)

WANTED = (
    "expected one of: labels/train.txt, val.txt and test.txt beside images/ (RVL-CDIP), a folder for each class with "
    f"its pages (Tobacco3482: {', '.join(classes.TOBACCO)}), metadata.jsonl or .csv beside the pages, or Parquet files "
    "with images and labels"
)
LISTED = "what labels/*.txt do not list is left out, whatever lies beside it"
"""Told rather than counted: RVL-CDIP has 400,000 files, and listing them takes a while."""
MAX_ENDINGS = 10
"""Named in one line."""
NUM_COMPARED = 200
"""Files whose sizes are compared before a folder counts as a copy; assumed: enough."""


def detect_layout(source: str, options: SourceOptions | None = None) -> DataSet:
    """Recognise a folder or URL and list its pages in the data set's order.

    Raises:
        DataError: no layout, or two; says what was seen and what is wanted, or which option chooses.
    """
    options = options or SourceOptions()
    if not files.exists(source):
        raise DataError(f"the source {source} does not exist; {WANTED}")
    if not files.is_folder(source):
        raise DataError(f"the source {source} is a file; expected the data set's folder; {WANTED}")
    if options.layout in (None, "rvl-cdip") and _has_labels(source):  # first: listing 400,000 files takes a while
        return _rvl_cdip(source, "", options)
    listed = [path[len(source) :].lstrip("/") for path in files.list_files(source)]
    paths, bad, notes = _usable(source, listed, options)
    inner = sorted({path.split("/")[0] for path in paths if re.fullmatch(r"[^/]+/labels/(train|val|test)\.txt", path)})
    if options.layout in (None, "rvl-cdip") and len(inner) == 1:
        return _rvl_cdip(source, f"{inner[0]}/", options)
    tables = [path for path in paths if path.endswith(".parquet")]
    pages = [path for path in paths if path.lower().endswith(ENDINGS)]
    sides = side_files.find(paths)
    if options.layout == "parquet" or (options.layout is None and tables):
        found = mirrors.read_mirror(source, tables, options)
    elif options.layout == "metadata" or (
        options.layout is None and sides and side_files.decide(source, sides, options)
    ):
        found = side_files.read(source, sides, pages, options)
    elif any("/" in path for path in pages) and options.layout != "rvl-cdip":
        found = _folders(source, pages, options)
    else:
        seen = ", ".join(paths[:5]) or "no file at all"
        more = ", …" if len(paths) > 5 else ""
        raise DataError(f"{source} has an unrecognized layout: saw {seen}{more}{_above(source)}; {WANTED}")
    if options.layout is None:
        _check_spelling(source, found.classes)
    used = {*(page.source for page in found.pages)} if found.layout == "parquet" else set(pages)
    used |= {"parquet": {*tables}, "metadata": {*sides}}.get(found.layout, set())
    left = [path for path in paths if path not in used]
    notes += [f"left out: {_by_ending(left)}"] if left else []
    return DataSet(found.layout, found.classes, found.pages, (*bad, *found.bad), (*found.notes, *notes))


def _usable(
    source: str, listed: Sequence[str], options: SourceOptions
) -> tuple[list[str], list[Quarantined], list[str]]:
    """Paths that can be stored and lie in the source; those that cannot be or do not; what is told.

    Raises:
        DataError: a folder is made of nothing but links to other pages.
    """
    named = [path for path in listed if not is_clutter(path)]
    paths, bad, others, there = [], [], [], set(named)
    links: dict[str, str] = {}
    for path in named:
        real = place_inside(source, files.join(source, path))
        if real is not None and real != path and real in there and _ending(real) == _ending(path):
            links[path] = real
            continue
        reason = None if is_text(path) else "its name is no UTF-8; rename it"
        if reason is None and not options.allow_outside:
            leads = link_reason(source, files.join(source, path))
            reason = f"it {leads}, outside the source; --allow-outside takes such files" if leads else None
        if reason is None:
            paths.append(path)
        elif path.lower().endswith((*ENDINGS, *side_files.NAMES, ".parquet")):
            bad.append(Quarantined(as_text(path), as_text(path), reason))
        else:
            others.append(as_text(path))
    num_left = len(listed) - len(named)
    notes = [f"left out: {num_left} files of computers' own (@eaDir, __MACOSX and the like)"] if num_left else []
    notes += [f"left out: {len(links)} links to other files of the source"] if links else []
    notes += [f"left out, by name or as links out of the source: {_by_ending(others)}"] if others else []
    _check_links(source, paths, links)
    return paths, bad, notes


def _check_links(source: str, paths: Sequence[str], links: Mapping[str, str]) -> None:
    """Raises DataError for letter/1.tif -> all/1.tif and so on: is `letter` a class, or `all`, or both?"""
    folders = {files.parent_of(path) for path in paths}
    for path, real in links.items():
        folder, other = files.parent_of(path), files.parent_of(real)
        if folder not in folders and folder != "." and os.path.islink(files.join(source, path)):
            raise DataError(
                f"{source}: {folder}/ holds nothing but links to other pages, such as {path} to {real}: move one of "
                f"{folder}/ and {other}/ elsewhere, and say --allow-outside where links then lead out"
            )


def _check_spelling(source: str, names: Sequence[str]) -> None:
    """Raises DataError when two classes differ in capitals, spaces or the like alone: Invoice in one split, invoice in
    another."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(re.sub(r"[\s_-]+", "", name.casefold()) or name, name)
        if other != name:
            raise DataError(
                f"{source}: the classes {other!r} and {name!r} are spelled nearly alike: name them alike, or say by "
                "--layout how the source is to be read, and both are classes"
            )


def _ending(path: str) -> str:
    name = files.name_of(path)
    return f".{name.rpartition('.')[2].lower()}" if "." in name else "no ending"


def _by_ending(paths: Sequence[str]) -> str:
    counts = Counter(map(_ending, paths))
    named = counts.most_common(MAX_ENDINGS)
    others = counts.total() - sum(number for _, number in named)
    return ", ".join([f"{number} {ending}" for ending, number in named] + ([f"{others} of others"] if others else []))


def _has_labels(folder: str) -> bool:
    return any(files.exists(files.join(folder, "labels", f"{name}.txt")) for name in ("train", "val", "test"))


def _above(source: str) -> str:
    """Where the source is a part of a known set: its folder."""
    parent = files.parent_of(source)
    if files.name_of(source) in ("images", "labels") and _has_labels(parent):
        return f" (it is a part of RVL-CDIP, which is {parent})"
    if files.name_of(source) in classes.TOBACCO and all(
        files.is_folder(files.join(parent, name)) for name in classes.TOBACCO
    ):
        return f" (it is one class of Tobacco3482, which is {parent})"
    return ""


def _rvl_cdip(source: str, folder: str, options: SourceOptions) -> DataSet:
    pages: list[PageSource] = []
    bad: list[Quarantined] = []
    seen: set[str] = set()
    for name in ("train", "val", "test"):
        listing = f"{folder}labels/{name}.txt"
        where = listed_path(source, listing, source, options.allow_outside)
        if not files.exists(where):
            raise DataError(f"{source} has labels/ but no {listing}; {WANTED}")
        for entry in _label_lines(where, listing):
            if isinstance(entry, Quarantined):
                bad.append(entry)
                continue
            number, path, label = entry
            file = path if path.startswith("/") else f"{folder}images/{path}"
            page = PageSource(stem(path), file, label, SPLIT_NAMES[name], document_id(path))
            if leads := outside(source, file, f"{listing}:{number}", options):
                bad.append(leads)
            elif page.source in seen:
                reason = f"listed more than once, again in {listing}"
                bad.append(Quarantined(f"{page.id} ({name})", page.source, reason))
            else:
                seen.add(page.source)
                pages.append(page)
    if not pages:
        raise DataError(f"{source}: labels/ lists no page; expected lines `path class`")
    notes = (*([f"RVL-CDIP was found in {folder}"] if folder else []), LISTED)
    return DataSet("rvl-cdip", classes.RVL_CDIP, distinct(pages), tuple(bad), notes)


def _label_lines(path: str, listing: str) -> Iterator[tuple[int, str, int] | Quarantined]:
    """Number, page and class of each line: between them spaces or tabs."""
    try:
        text = decode_text(files.read_bytes(path)).text
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        found = re.fullmatch(r"(?:\./)?(?:images/)?(.*\S)\s+([0-9]+)", line.strip())
        label = whole_number(found[2]) if found else None
        if found and label is not None and label < len(classes.RVL_CDIP):
            yield number, found[1], label
        else:
            wanted = f"`path class` with a class from 0 to {len(classes.RVL_CDIP) - 1}"
            yield Quarantined(
                f"{listing}:{number}", listing, f"line {number} is {line.strip()[:100]!r}; expected {wanted}"
            )


def _folders(source: str, paths: Sequence[str], options: SourceOptions) -> DataSet:
    found = read_folders(source, paths, options.layout, _same_sizes(source))
    names = found.names
    is_tobacco = set(names) == set(classes.TOBACCO) and not found.has_splits
    if options.layout == "tobacco":
        if found.has_splits or not set(names) <= set(classes.TOBACCO):
            raise DataError(f"{source}: --layout tobacco, but its folders are {', '.join(names)}; {WANTED}")
        is_tobacco, names = True, classes.TOBACCO
    known = ("all ten folders of Tobacco3482",) if set(names) == set(classes.TOBACCO) else ()
    return DataSet(
        "tobacco" if is_tobacco else "folders", names, _placed(found, names, is_tobacco), (), (*known, *found.notes)
    )


def _placed(found: Folders, names: tuple[str, ...], stamped: bool) -> tuple[PageSource, ...]:
    label_of: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    ids = [stem(page.inner) for page in found.pages]
    documents = documents_of(ids, [page.below for page in found.pages], stamped)
    return distinct(
        [
            PageSource(id_, page.path, label_of.get(page.name, -1), page.split, document)
            for id_, page, document in zip(ids, found.pages, documents, strict=True)
        ]
    )


class _same_sizes:
    """Whether two files of a source are of one size; after so many that were, the others are believed to be."""

    def __init__(self, source: str) -> None:
        self._source, self._left = source, NUM_COMPARED

    def __call__(self, one: str, other: str) -> bool:
        self._left -= 1
        if self._left < 0:
            return True
        first, second = (files.stamp(files.join(self._source, path)).num_bytes for path in (one, other))
        return first == second
