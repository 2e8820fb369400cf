"""What a source of pages comes down to: pages with class, split and document; and the words that all layouts share."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.data import files
from app.data.inside import ALLOW, outside_reason
from app.data.samples.splits import TEST, TRAIN, VALIDATION
from app.data.store.quarantine import Quarantined

Layout = Literal["rvl-cdip", "tobacco", "folders", "metadata", "parquet"]
Choice = Literal["rvl-cdip", "tobacco", "class-folders", "split-folders", "metadata", "parquet"]
"""What a person may say that the layout is."""

ENDINGS = (".tif", ".tiff", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".bmp", ".gif", ".webp")

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""What data sets call their splits."""
PLAIN_WORDS = frozenset({"set", "data", "images", "pages", "documents", "split", "files"})
"""Words beside a split's name that change nothing: train_images, Test Set."""


@dataclass(frozen=True)
class SourceOptions:
    """What a person says of a source that it does not say itself."""

    layout: Choice | None = None
    class_column: str | None = None
    """Column of side files and tables that holds the class."""
    allow_outside: bool = False
    """Take files outside the source that a list or a link names."""


@dataclass(frozen=True, slots=True)
class PageSource:
    """A page to prepare; that it exists and is sound is verified when it is read."""

    id: str
    source: str
    """File, relative to the data set's folder; for a row of a Parquet file its number follows a `#`."""
    label: int
    """-1: none."""
    split: str
    """The data set's own split; empty where it has none."""
    document_id: str


@dataclass(frozen=True)
class DataSet:
    layout: Layout
    classes: tuple[str, ...]
    pages: tuple[PageSource, ...]
    bad: tuple[Quarantined, ...] = ()
    """Entries that name no page: malformed lines, labels that are no class, pages listed twice."""
    notes: tuple[str, ...] = ()
    """How it was read and what was left out, a line each."""

    @property
    def has_split(self) -> bool:
        return len({page.split for page in self.pages}) > 1


def split_of(name: str) -> str | None:
    """The split that a folder of this name holds, if it is a split's: any case, `train_images` as well."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    found = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    others = [word for word in words if word not in SPLIT_NAMES and word not in PLAIN_WORDS]
    return found[0] if len(found) == 1 and not others else None


def stem(path: str) -> str:
    """A path without the ending of a page or table."""
    head, dot, ending = path.rpartition(".")
    return head if dot and f".{ending.lower()}" in (*ENDINGS, ".parquet") else path


def known_number(name: str) -> str | None:
    """The number stamped on a document's first page, with which RVL-CDIP and Tobacco3482 begin a file's name."""
    first = re.split(r"[_+-]", stem(files.name_of(name)).lower(), maxsplit=1)[0]
    return first if sum(c.isdigit() for c in first) >= 5 else None


def document_id(name: str) -> str:
    """What the pages of one document share in RVL-CDIP and Tobacco3482: the number stamped on its first page.

    Both sets name a file by the range of stamped (Bates) numbers: `2500126531_2500126536`, `50486482-6483`,
    `509132587+-2587`, or one number alone. RVL-CDIP's folder before the file (`eje42e00`) is an archive's own number,
    which Tobacco3482 does not have. A name that does not begin so is kept whole.
    """
    return known_number(name) or stem(files.name_of(name)).lower()


def distinct(pages: Sequence[PageSource]) -> tuple[PageSource, ...]:
    """Where two pages have one id (a.tif beside a.jpg), the file or row tells them apart; its whole path where files of
    one name do not."""
    counts = Counter(page.id for page in pages)
    named = [p.id if counts[p.id] == 1 else f"{p.id}@{files.name_of(p.source)}" for p in pages]
    counts = Counter(named)
    ids = [name if counts[name] == 1 else f"{p.id}@{p.source}" for name, p in zip(named, pages, strict=True)]
    return tuple(p if p.id == name else replace(p, id=name) for name, p in zip(ids, pages, strict=True))


def outside(source: str, path: str, where: str, options: SourceOptions) -> Quarantined | None:
    """An entry whose path leaves the source, unless that is allowed; `where`: the entry's own place."""
    reason = None if options.allow_outside else outside_reason(source, path)
    if reason is None:
        return None
    return Quarantined(where, path, f"{path} {reason}: not read; {ALLOW} takes such files, where that is meant")


def told(names: Sequence[str], most: int = 5) -> str:
    """A few of many names, in one line."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
