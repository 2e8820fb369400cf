"""Which pages are of one document, so that no document is in two splits: by common names, or as a file says.

The rule for names: `acme_p1.png`, `acme-page-02.png`, `acme (page 3).png`, `acme 1of3.png` are pages of `acme`; files
that are named by a number alone, in a folder below that of their class, are pages of that folder (`letter/acme/1.png`);
so are they in any folder that means nothing else where a list says the classes (`acme/1.png`). A bare number at the end
(`letter-1.png`) says nothing.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from app.data import files
from app.data.samples.split_files import check_groups, read_groups
from app.errors import DataError
from app.workloads.documents.source.folders import NO_CLASSES
from app.workloads.documents.source.listing import PageSource, document_id, split_of, stem

BY_NAMES, NONE = "names", "none"
MAX_PAGES = 20
"""Most pages of what counts as a document by names though it holds most of a class; assumed."""

_PAGE = re.compile(
    r"^(?P<name>.*?\w)[\s_.(-]+(?:(?:p|pg|pp|page|seite|blatt)[\s_.-]*\d{1,4}(?:[\s_-]*of[\s_-]*\d+)?"
    r"|\d{1,4}[\s_-]*of[\s_-]*\d+)\)?$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^(?:(?:p|pg|page|seite|blatt|scan|img|image)[\s_.-]*)?\d{1,4}$", re.IGNORECASE)


def documents_of(ids: Sequence[str], below: Sequence[tuple[str, ...]], stamped: bool = False) -> list[str]:
    """The document of each page.

    Args:
        ids: paths without ending, distinct.
        below: the folders between that of the class and each file.
        stamped: file names begin with the number stamped on the first page, as RVL-CDIP's and Tobacco3482's do.
    """
    if stamped:
        return [document_id(page) for page in ids]
    found = [_by_name(page, folders) for page, folders in zip(ids, below, strict=True)]
    names = Counter(files.name_of(page).lower() for page, own in zip(ids, found, strict=True) if own is None)
    alone = [name if names[name := files.name_of(page).lower()] == 1 else page.lower() for page in ids]
    return [own or other for own, other in zip(found, alone, strict=True)]


def folders_of_documents(paths: Sequence[str], names: Sequence[str]) -> list[tuple[str, ...]]:
    """The folders of each page that may be those of documents, where a list says the classes `names`: what is neither
    shared by all pages nor above a folder that has the name of a class or split."""
    folders = [path.split("/")[:-1] for path in paths]
    ends = zip(min(folders, default=[]), max(folders, default=[]), strict=False)  # what these share all between do
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], ends)))
    classes = {_plain(name) for name in names}
    found = []
    for own in folders:
        known = [i for i, name in enumerate(own) if _plain(name) in classes or split_of(name) is not None]
        found.append(tuple(own[max(shared, *(i + 1 for i in known[-1:]), 0) :]))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def _by_name(page: str, folders: tuple[str, ...]) -> str | None:
    name, folders = files.name_of(page), tuple(f for f in folders if f.casefold() not in NO_CLASSES)
    if marked := _PAGE.match(name):
        return "/".join((*folders, marked["name"])).lower()
    return files.parent_of(page).lower() if folders and _NUMBER.match(name) else None


def group_pages(pages: Sequence[PageSource], groups: str) -> tuple[tuple[PageSource, ...], str]:
    """The pages with the documents that `groups` says: `names`, `none`, or a CSV table of pages and documents; and a
    word for store.json that tells one such file from another.

    Raises:
        DataError: the file is not understood, or does not name every page once.
    """
    if groups in (BY_NAMES, NONE):
        return tuple(pages), groups
    by_name = {name: page.id for page in pages for name in (stem(page.source), page.source, page.id)}
    named: dict[str, str] = {}
    for name, document in read_groups(groups).items():
        page_id = by_name.get(name, name)
        if named.setdefault(page_id, document) != document:
            raise DataError(
                f"{groups} names the page {page_id} of {named[page_id]!r} and of {document!r}; expected one"
            )
    check_groups(named, {page.id for page in pages}, groups)
    listed = "".join(f"{page}\t{document}\n" for page, document in sorted(named.items()))
    return (
        tuple(replace(page, document_id=named[page.id]) for page in pages),
        f"file {hashlib.sha256(listed.encode()).hexdigest()[:16]}",
    )


def check_sizes(pages: Sequence[PageSource], names: Sequence[str]) -> None:
    """Whether what counts as a document by its pages' names may be one: `scan_p1` to `scan_p900` are hardly.

    Raises:
        DataError: one holds most pages of a class, which would be in one split alone.
    """
    of_class = Counter(page.label for page in pages if page.label >= 0)
    of_both = Counter((page.document_id, page.label) for page in pages if page.label >= 0)
    for (document, label), number in of_both.most_common():
        if number > MAX_PAGES and number > of_class[label] / 2:
            raise DataError(
                f"by their names {number} of {of_class[label]} pages of the class {names[label]!r} are one document, "
                f"{document!r}, and would be in one split: --groups none takes each page by itself, --groups FILE says "
                "which belong together"
            )


def shared_documents(ids: Sequence[str], documents: Sequence[str], groups: str) -> Mapping[str, str]:
    """id -> document of the pages that are not alone in theirs: what splits keep together. Empty without groups, as in
    stores of before."""
    if groups in ("", NONE):
        return {}
    counts = Counter(documents)
    return {page: document for page, document in zip(ids, documents, strict=True) if counts[document] > 1}
