"""Which folders are classes and which are splits, from the paths of the pages alone.

The rule: folders that hold all the rest are passed by. Of those that come then,
- none has the name of a split: each is a class (and where all folders in all of them are, these have them);
- all have the name of a split: the folders below are the classes; what lies in none of these has no class;
- some have: nobody knows, and the two readings are named.
A folder that repeats the folders beside it, with the same pages, is a copy and left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.errors import DataError
from app.workloads.documents.source import classes
from app.workloads.documents.source.listing import Choice, split_of, told

NO_CLASSES = frozenset({"images", "image", "img", "imgs", "pages", "scans", "data", "documents", "docs", "files"})
"""Names that say nothing of the pages in them."""


@dataclass(frozen=True)
class Placed:
    """A page by the folders that it lies in."""

    path: str
    """Below the source."""
    inner: str
    """Without the folders that hold all the rest."""
    name: str | None
    """Name of its class; None: it has none."""
    split: str
    below: tuple[str, ...]
    """Folders between that of its class and the file."""


@dataclass(frozen=True)
class Folders:
    pages: tuple[Placed, ...]
    notes: tuple[str, ...]
    has_splits: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({page.name for page in self.pages if page.name is not None}))


def read_folders(
    source: str, paths: Sequence[str], choice: Choice | None, same: Callable[[str, str], bool] = lambda a, b: True
) -> Folders:
    """Class and split of each page.

    Args:
        source: for messages.
        paths: below it, with `/`.
        choice: `class-folders` and `split-folders` decide between the two readings.
        same: whether two files have the same content, as far as that is cheap.

    Raises:
        DataError: the folders can be read in two ways, or in none; with the option that chooses.
    """
    rows = [(path, path.split("/")) for path in paths if "/" in path]
    notes = [f"{len(paths) - len(rows)} pages in no folder: left out"] if 0 < len(rows) < len(paths) else []
    if not rows:
        raise DataError(
            f"{source} has {len(paths)} pages in no folder; expected a folder for each class, or metadata.csv"
        )
    while len({parts[0] for _, parts in rows}) == 1 and min(len(parts) for _, parts in rows) > 2:
        rows = [(path, parts[1:]) for path, parts in rows]
    tops = sorted({parts[0] for _, parts in rows})
    splits = [top for top in tops if split_of(top) is not None]
    if choice not in ("class-folders", "split-folders"):
        if not splits:
            rows, copied = _without_copy(source, rows, tops, same)
            notes += copied
        choice = _choose(source, rows, tops, splits)
    if choice == "split-folders":
        return _split_folders(source, rows, splits, notes)
    return _class_folders(source, rows, notes)


def _choose(source: str, rows: Sequence[tuple[str, list[str]]], tops: Sequence[str], splits: Sequence[str]) -> Choice:
    if not splits:
        return "class-folders"
    if set(splits) != set(tops):
        others = [top for top in tops if top not in splits]
        raise DataError(
            f"{source}: of its folders {told(splits)} are named as splits, {told(others)} are not: either all are "
            f"classes (--layout class-folders), or the first are splits and the others are left out (--layout "
            "split-folders)"
        )
    if max(len(parts) for _, parts in rows) <= 2:
        raise DataError(
            f"{source}: its folders {told(splits)} are named as splits and hold the pages themselves: either the "
            "classes are missing (expected a folder for each class in them, or metadata.jsonl or .csv with a column "
            "`label`), or these are the classes (--layout class-folders)"
        )
    return "split-folders"


def _split_folders(
    source: str, rows: Sequence[tuple[str, list[str]]], splits: Sequence[str], notes: Sequence[str]
) -> Folders:
    inside = [(path, parts) for path, parts in rows if parts[0] in splits]
    if not inside:
        raise DataError(f"{source}: --layout split-folders, but no folder has the name of a split (train, val, test)")
    notes = [
        *notes,
        *([f"{len(rows) - len(inside)} pages outside of splits: left out"] if len(inside) < len(rows) else []),
    ]
    pages = [
        Placed(
            path, "/".join(parts), parts[1] if len(parts) > 2 else None, split_of(parts[0]) or "", tuple(parts[2:-1])
        )
        for path, parts in inside
    ]
    return _checked(source, Folders(tuple(pages), tuple(notes), True))


def _class_folders(source: str, rows: Sequence[tuple[str, list[str]]], notes: Sequence[str]) -> Folders:
    seconds = [split_of(parts[1]) if len(parts) > 2 else None for _, parts in rows]
    has_splits = None not in seconds and len(set(seconds)) > 1
    pages = [
        Placed(path, "/".join(parts), parts[0], second or "" if has_splits else "", tuple(parts[1 + has_splits : -1]))
        for (path, parts), second in zip(rows, seconds, strict=True)
    ]
    return _checked(source, Folders(tuple(pages), tuple(notes), has_splits))


def _checked(source: str, found: Folders) -> Folders:
    if len(found.names) == 1 and found.names[0].lower() in NO_CLASSES:
        raise DataError(
            f"{source}: all its pages lie in folders named {found.names[0]!r}, which is not a class; expected a folder "
            "for each class, or metadata.jsonl or .csv with a column `label`"
        )
    return found


def _without_copy(
    source: str, rows: list[tuple[str, list[str]]], tops: Sequence[str], same: Callable[[str, str], bool]
) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """Without a folder that holds the folders beside it once more."""
    below: dict[str, set[str]] = {top: set() for top in tops}
    for _, parts in rows:
        if len(parts) > 2:
            below[parts[0]].add(parts[1])
    known = [top for top in tops if below[top] >= set(classes.TOBACCO)]
    for top in tops:
        others = set(tops) - {top}
        if len(others) < 2 or not below[top] >= others:
            continue
        beside = {"/".join(parts): path for path, parts in rows if parts[0] != top}
        inside = {"/".join(parts[1:]): path for path, parts in rows if parts[0] == top}
        if all(name in beside and same(path, beside[name]) for name, path in inside.items()):
            kept = [(path, parts) for path, parts in rows if parts[0] != top]
            return kept, [f"{top}/ is a copy of the folders beside it, {len(inside)} pages twice: left out"]
        raise DataError(
            f"{source}: {top}/ has folders named as those beside it, with other pages: either it is another state of "
            f"the same set (--source {source.rstrip('/')}/{top} takes it alone), or a class (--layout class-folders)"
        )
    alike = len(tops) > 1 and len(below[tops[0]]) > 1 and all(below[top] == below[tops[0]] for top in tops)
    if (alike and any(split_of(name) is None for name in below[tops[0]])) or known:
        which = known or list(tops)
        names = told(sorted(below[tops[0]]))
        what = "hold all of Tobacco3482" if known else f"hold folders of the same names ({names})"
        raise DataError(
            f"{source}: {told(which)} {what}: either each is a data set (--source {source.rstrip('/')}/{which[0]} "
            f"takes one), or {told(tops)} are the classes (--layout class-folders)"
        )
    return rows, []
