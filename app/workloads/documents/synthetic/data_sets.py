"""Synthetic data sets in the folders and files of the real ones: RVL-CDIP and Tobacco3482, with known leaks.

A file's bytes depend on the set's seed, the height and the file's own number alone, not on how many pages or processes
there are. `synthetic.json` beside the data holds the truth for tools that look for leaks: files with an equal `page`
are scans of one drawn page, files with an equal `document_id` are of one document, also between a set of RVL-CDIP and
one of Tobacco3482 with the same seed. A document's id is the number that its file's name begins with.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from app.configuration import to_dict
from app.data import files
from app.data.synthetic_folder import open_folder, write_in_processes
from app.errors import UsageError
from app.workloads.documents.source.classes import RVL_CDIP, TOBACCO
from app.workloads.documents.synthetic import page as drawing
from app.workloads.documents.synthetic.files import PageFile, list_rvl_cdip, list_tobacco

GENERATOR_VERSION = 1
"""Raised whenever the same seed gives other bytes than before."""

TRUTH = "synthetic.json"
MIN_RVL_PAGES = 64
"""The first four blocks of 16 pages, one of each class: train, test, train, validation."""
PROCESS_BYTES = 150 * 2**20
"""Memory of a process that makes pages 1000 high, with the words that it keeps (measured)."""

Name = Literal["rvl-cdip", "tobacco"]


@dataclass(frozen=True)
class SyntheticDocuments:
    """Which data set: equal sets have equal files."""

    name: Name
    num_pages: int
    per_class: int = 0
    """Tobacco3482: pages that a partition takes of each class; each class gets at least half as many more."""
    height: int = 1000
    """Pixels of a page."""
    num_corrupt: int = 0
    """Files that cannot be read: cut short, empty, or of random bytes, in turn."""
    seed: int = 0

    def __post_init__(self) -> None:
        fewest = MIN_RVL_PAGES if self.name == "rvl-cdip" else len(TOBACCO) * max(1, min_per_class(self.per_class))
        if self.num_pages < fewest:
            why = "one of each class in each split" if self.name == "rvl-cdip" else f"--per-class {self.per_class}"
            raise UsageError(f"got {self.num_pages} pages, expected at least {fewest} ({why})")
        if self.per_class < 0 or self.seed < 0:
            raise UsageError(f"got --per-class {self.per_class} and seed {self.seed}, expected numbers from 0")
        if not 100 <= self.height <= 4000:
            raise UsageError(f"got pages {self.height} pixels high, expected 100 to 4000")
        if not 0 <= self.num_corrupt <= self.num_pages // 2:
            raise UsageError(f"got {self.num_corrupt} corrupt files, expected 0 to half of {self.num_pages} pages")


def min_per_class(per_class: int) -> int:
    """Fewest pages of a class of Tobacco3482: what a partition takes, and half as many to test with."""
    return per_class + -(-per_class // 2)


def list_pages(which: SyntheticDocuments) -> list[PageFile]:
    """All files of a set, in the order of its pages."""
    if which.name == "rvl-cdip":
        return list_rvl_cdip(which.seed, which.num_pages, which.num_corrupt)
    return list_tobacco(which.seed, which.num_pages, min_per_class(which.per_class), which.num_corrupt)


def open_set(folder: str, which: SyntheticDocuments, texts: str | None = None) -> list[PageFile]:
    """Begin a set in a new or empty folder, or go on with the same one; returns the files that are missing, or whose
    text is missing in the folder `texts`.

    Raises:
        UsageError: the folder holds something else.
        DataError: it cannot be written.
    """
    open_folder(folder, {"generator": GENERATOR_VERSION, **to_dict(which)})
    return [
        page
        for page in list_pages(which)
        if not files.exists(files.join(folder, page.path))
        or (texts is not None and not files.exists(text_path(texts, page)))
    ]


def text_path(texts: str, page: PageFile) -> str:
    """As QS-OCR names the text of a page."""
    return files.join(texts, str(Path(page.path).with_suffix(".txt")))


def write_pages(
    folder: str, which: SyntheticDocuments, pages: list[PageFile], num_processes: int, texts: str | None = None
) -> Iterator[str]:
    """Write files in parallel; yields the path of each as soon as it is whole. With `texts`, a folder, also what is
    written on each page, as OCR without errors would read it.

    Raises:
        DataError: the folder cannot be written, or its disk is full.
        ResourceError: a process was killed, most likely because memory ran out.
    """
    num_bytes = PROCESS_BYTES * max(1.0, (which.height / 1000) ** 2)
    return write_in_processes(partial(write_page, folder, which, texts), pages, num_processes, num_bytes)


def write_page(folder: str, which: SyntheticDocuments, texts: str | None, page: PageFile) -> str:
    """Draw and scan a page and write its file, whole or not at all; returns its path."""
    if texts is not None:
        text = drawing.page_text(which.seed, page.page, page.look, which.height)
        files.write_bytes_atomic(text_path(texts, page), text.encode())
    files.write_bytes_atomic(files.join(folder, page.path), make_file(which.seed, page, which.height))
    return page.path


def make_file(seed: int, page: PageFile, height: int) -> bytes:
    """The bytes of a page's file."""
    clean = drawing.draw_page(seed, page.page, page.look, height)
    scan = drawing.scan_page(clean, seed, page.page, page.scan, page.is_bilevel)
    content = drawing.encode_page(scan, page.format)
    if page.corrupt == "cut":
        return content[: len(content) // 2]
    if page.corrupt == "noise":
        return content[:4] + bytes((7 * byte + 13) % 256 for byte in content[4:])
    return b"" if page.corrupt == "empty" else content


def finish_set(folder: str, which: SyntheticDocuments) -> None:
    """Write what describes the whole set; last, so that a set that is described is complete."""
    pages = list_pages(which)
    files.write_json(files.join(folder, TRUTH), describe_truth(which, pages))
    if which.name != "rvl-cdip":
        return
    for split in ("train", "val", "test"):
        lines = [
            f"{Path(page.path).relative_to('images').as_posix()} {RVL_CDIP.index(page.kind)}\n"
            for page in pages
            if page.split == split
        ]
        files.write_bytes_atomic(files.join(folder, "labels", f"{split}.txt"), "".join(lines).encode())


def describe_truth(which: SyntheticDocuments, pages: list[PageFile]) -> dict[str, Any]:
    """The content of synthetic.json: the set, its leaks within, and each file's page, document, layout and words."""
    by_page: dict[int, list[PageFile]] = {}
    for page in pages:
        by_page.setdefault(page.page, []).append(page)
    twins = [[page.path for page in group] for group in by_page.values() if len(group) > 1]
    entries = {}
    for page in pages:
        plan = drawing.plan_page(which.seed, page.page, page.look)
        entries[page.path] = {
            "class": page.kind,
            "split": page.split,
            "page": page.page,
            "document_id": page.document_id,
            "layout": plan.layout,
            "text": plan.text,
            "is_legible": plan.is_legible,
            "corrupt": page.corrupt,
        }
    return {"set": asdict(which), "near_duplicates": twins, "files": entries}
