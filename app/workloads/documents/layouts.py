"""Which files are the pages of a data set, as it is distributed.

- `rvl-cdip`: `labels/{train,val,test}.txt`, lines `path class`, the paths below `images/`; has its own split.
- `tobacco`: Tobacco3482: a folder a class, named as classes.TOBACCO.
- `folders`: any other folder a class; below `train/`, `validation/` and `test/` where the set has its own split.
- `parquet`: mirrors with a column of encoded images and one of labels; the split is read from the files' names.

A set all of whose pages are in one split (mirrors call it `train`) has none.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.data import files
from app.data.quarantine import Quarantined
from app.data.splits import TEST, TRAIN, VALIDATION
from app.errors import DataError
from app.workloads.documents import classes, parquet_source

Layout = Literal["rvl-cdip", "tobacco", "folders", "parquet"]

ENDINGS = (".tif", ".tiff", ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")

SPLIT_NAMES = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
"""What data sets call their splits."""

WANTED = (
    "wanted one of: labels/train.txt, val.txt and test.txt beside images/ (RVL-CDIP), a folder for each class with "
    f"its pages (Tobacco3482: {', '.join(classes.TOBACCO)}), or Parquet files with images and labels"
)


@dataclass(frozen=True, slots=True)
class PageSource:
    """A page to prepare; that it exists and is sound is verified when it is read."""

    id: str
    source: str
    """File, relative to the data set's folder; for a row of a Parquet file its number follows a `#`."""
    label: int
    split: str
    """Of the data set; empty where it has none."""
    document_id: str


@dataclass(frozen=True)
class DataSet:
    layout: Layout
    classes: tuple[str, ...]
    pages: tuple[PageSource, ...]
    bad: tuple[Quarantined, ...] = ()
    """Entries that name no page: malformed lines, labels that are no class, pages listed twice."""

    @property
    def has_split(self) -> bool:
        return len({page.split for page in self.pages}) > 1


def detect_layout(source: str) -> DataSet:
    """Recognise a folder or URL and list its pages in the data set's order.

    Raises:
        DataError: no layout; says what was seen and what is wanted.
    """
    if not files.exists(source):
        raise DataError(f"the source {source} does not exist; {WANTED}")
    if not files.is_folder(source):
        raise DataError(f"the source {source} is a file; wanted the data set's folder; {WANTED}")
    if files.is_folder(files.join(source, "labels")):  # first: listing 400,000 files takes a while
        return _rvl_cdip(source)
    paths = [path[len(source) :].lstrip("/") for path in files.list_files(source)]
    tables = [path for path in paths if path.endswith(".parquet")]
    if tables:
        return _parquet(source, tables)
    pages = [path for path in paths if path.lower().endswith(ENDINGS) and "/" in path]
    if pages:
        return _folders(pages)
    seen = ", ".join(paths[:5]) or "no file at all"
    raise DataError(f"{source} has no layout that is known: saw {seen}{', …' if len(paths) > 5 else ''}; {WANTED}")


def document_id(name: str) -> str:
    """What the pages of one document share in RVL-CDIP and Tobacco3482: the number stamped on its first page.

    Both sets name a file by the range of stamped (Bates) numbers: `2500126531_2500126536`, `50486482-6483`,
    `509132587+-2587`, or one number alone. RVL-CDIP's folder before the file (`eje42e00`) is an archive's own number,
    which Tobacco3482 does not have. A name that does not begin so is kept whole.
    """
    stem = _stem(files.name_of(name)).lower()
    first = re.split(r"[_+-]", stem, maxsplit=1)[0]
    return first if sum(c.isdigit() for c in first) >= 5 else stem


def _rvl_cdip(source: str) -> DataSet:
    pages: list[PageSource] = []
    bad: list[Quarantined] = []
    seen: set[str] = set()
    for name in ("train", "val", "test"):
        listing = f"labels/{name}.txt"
        where = files.join(source, listing)
        if not files.exists(where):
            raise DataError(f"{source} has labels/ but no {listing}; {WANTED}")
        for entry in _label_lines(where, listing):
            if isinstance(entry, Quarantined):
                bad.append(entry)
                continue
            path, label = entry
            page = PageSource(_stem(path), f"images/{path}", label, SPLIT_NAMES[name], document_id(path))
            if page.source in seen:
                bad.append(
                    Quarantined(f"{page.id} ({name})", page.source, f"listed more than once, again in {listing}")
                )
                continue
            seen.add(page.source)
            pages.append(page)
    if not pages:
        raise DataError(f"{source}: labels/ lists no page; wanted lines `path class`")
    return DataSet("rvl-cdip", classes.RVL_CDIP, _distinct(pages), tuple(bad))


def _label_lines(path: str, listing: str) -> Iterator[tuple[str, int] | Quarantined]:
    for i, line in enumerate(files.read_bytes(path).decode("utf-8", "replace").splitlines()):
        if not line.strip():
            continue
        name, _, number = line.strip().rpartition(" ")
        name = name.strip().removeprefix("./").removeprefix("images/")
        known = number.isascii() and number.isdigit() and int(number) < len(classes.RVL_CDIP)
        if name and known and not name.startswith("/") and ".." not in name.split("/"):
            yield name, int(number)
        else:
            wanted = f"`path class` with a class from 0 to {len(classes.RVL_CDIP) - 1}"
            yield Quarantined(f"{listing}:{i + 1}", listing, f"line {i + 1} is {line.strip()[:100]!r}; wanted {wanted}")


def _folders(paths: Sequence[str]) -> DataSet:
    """Class folders at the top, below the folders of splits, or below one folder that holds them all."""
    parts = [path.split("/") for path in paths]
    while len({p[0] for p in parts}) == 1 and min(map(len, parts)) > 2:
        parts = [p[1:] for p in parts]
    with_split = {p[0].lower() for p in parts} <= SPLIT_NAMES.keys() and min(map(len, parts)) > 2
    named = [(SPLIT_NAMES[p[0].lower()] if with_split else "", p[1 if with_split else 0]) for p in parts]
    names = tuple(sorted({name for _, name in named}))
    is_tobacco = set(names) <= set(classes.TOBACCO) and not with_split
    names = classes.TOBACCO if is_tobacco else names
    label_of = {name: i for i, name in enumerate(names)}
    pages = [
        PageSource(
            _stem("/".join(part)),
            path,
            label_of[name],
            split,
            document_id(path) if is_tobacco else _stem(files.name_of(path)).lower(),
        )
        for path, part, (split, name) in zip(paths, parts, named, strict=True)
    ]
    return DataSet("tobacco" if is_tobacco else "folders", names, _distinct(pages))


def _parquet(source: str, paths: Sequence[str]) -> DataSet:
    tables = [parquet_source.list_rows(source, path) for path in paths]
    names, numbers = _parquet_classes(source, tables)
    pages = []
    for table in tables:
        split = _split_of(table.path)
        for row, (path, label) in enumerate(zip(table.image_paths, table.labels, strict=True)):
            name = f"{_stem(table.path)}/{row:06d}"
            pages.append(
                PageSource(
                    _stem(path) if path else name,
                    f"{table.path}#{row}",
                    numbers.get(label, -1),
                    split,
                    document_id(path) if path else name,
                )
            )
    if not pages:
        raise DataError(f"{source}: its {len(paths)} Parquet files have no row")
    return DataSet("parquet", names, _distinct(pages))


def _parquet_classes(source: str, tables: Sequence[parquet_source.Rows]) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names of the classes, and the number here of each number there: known sets take the order of their own."""
    described = {table.class_names for table in tables if table.class_names}
    if len(described) > 1:
        raise DataError(f"{source}: its files name different classes: {' and '.join(map(str, sorted(described)))}")
    largest = max((max(table.labels, default=-1) for table in tables), default=-1)
    given = described.pop() if described else tuple(str(i) for i in range(largest + 1))
    if largest >= len(given):
        raise DataError(f"{source}: a row has the label {largest}, but only {len(given)} classes are named")
    plain = [name.replace("_", " ").casefold() for name in given]
    for known in (classes.RVL_CDIP, classes.TOBACCO):
        order = [name.casefold() for name in known]
        if set(plain) == set(order):
            return known, {i: order.index(name) for i, name in enumerate(plain)}
    return given, {i: i for i in range(len(given))}


def _split_of(path: str) -> str:
    """`data/train-00000-of-00008.parquet` and `train/0000.parquet` are both of the training split."""
    words = re.split(r"[^a-z]+", path.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "")


def _distinct(pages: Sequence[PageSource]) -> tuple[PageSource, ...]:
    """Where two pages have one id (a.tif beside a.jpg), the file or row tells them apart; its whole path where files of
    one name do not."""
    counts = Counter(page.id for page in pages)
    named = [p.id if counts[p.id] == 1 else f"{p.id}@{files.name_of(p.source)}" for p in pages]
    counts = Counter(named)
    ids = [name if counts[name] == 1 else f"{p.id}@{p.source}" for name, p in zip(named, pages, strict=True)]
    return tuple(p if p.id == name else replace(p, id=name) for name, p in zip(ids, pages, strict=True))


def _stem(path: str) -> str:
    head, dot, ending = path.rpartition(".")
    return head if dot and f".{ending.lower()}" in (*ENDINGS, ".parquet") else path
