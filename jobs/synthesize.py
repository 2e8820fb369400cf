"""Make a small or full-size data set of synthetic cases or pages in the exact format of a real one."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.errors import UsageError


@dataclass(frozen=True)
class SynthesizeBrats:
    """Brain tumour volumes: four MRI contrasts and a segmentation a case."""

    out: str
    """Folder to make; started again with the same flags, the job finishes what is missing in it."""
    layout: Literal["msd", "brats2021", "brats2023"] = "msd"
    """The data set to look like: MSD Task01, BraTS 2021 or BraTS 2023."""
    num_cases: int = 24
    """Cases with a label."""
    num_test_cases: int = 4
    """Cases without."""
    shape: tuple[int, int, int] = (240, 240, 155)
    """Voxels along X Y Z; a voxel is 1 mm wide."""
    seed: int = 0
    """Another seed gives other brains; the same one gives the same bytes."""
    num_processes: int | None = None
    """Cases made at a time; as many as there are cores if not given."""


@dataclass(frozen=True)
class SynthesizeRvlCdip:
    """Document pages of 16 classes as RVL-CDIP has them: images/ and labels/{train,val,test}.txt."""

    out: str
    """Folder to make; started again with the same flags, the job finishes what is missing in it."""
    num_pages: int = 320
    """Pages of all classes and splits together: 80 % train, 10 % validation, 10 % test; a multiple of 160 is
    balanced."""
    height: int = 1000
    """Pixels of a page; below about 800 its text cannot be read any more."""
    num_corrupt: int = 0
    """Files that cannot be read, for the tools that must cope with them."""
    texts: str | None = None
    """Another folder for each page's text as it was written, as QS-OCR has it: jobs/ocr.py --import takes it over."""
    seed: int = 0
    """Another seed gives other pages; the same one gives the same bytes, and shares documents with `tobacco`."""
    num_processes: int | None = None
    """Pages made at a time; as many as there are cores if not given."""


@dataclass(frozen=True)
class SynthesizeTobacco:
    """Document pages of 10 classes as Tobacco3482 has them: a folder a class."""

    out: str
    """Folder to make; started again with the same flags, the job finishes what is missing in it."""
    num_pages: int = 200
    """Pages of all classes together, in the real shares."""
    per_class: int = 10
    """Pages that a partition will take of each class; each class gets half as many more, or its share."""
    height: int = 1000
    """Pixels of a page; below about 800 its text cannot be read any more."""
    num_corrupt: int = 0
    """Files that cannot be read, for the tools that must cope with them."""
    texts: str | None = None
    """Another folder for each page's text as it was written, as QS-OCR has it: jobs/ocr.py --import takes it over."""
    seed: int = 0
    """Another seed gives other pages; the same one gives the same bytes, and shares documents with `rvl-cdip`."""
    num_processes: int | None = None
    """Pages made at a time; as many as there are cores if not given."""


def main(arguments: SynthesizeBrats | SynthesizeRvlCdip | SynthesizeTobacco) -> None:
    if isinstance(arguments, SynthesizeBrats):
        synthesize_brats(arguments)
    else:
        synthesize_documents(arguments)


def synthesize_brats(arguments: SynthesizeBrats) -> None:
    from app.console import say
    from app.workloads.brats.synthetic import data_sets

    start_s = time.monotonic()
    num_processes = checked_processes(arguments.num_processes)
    which = data_sets.SyntheticSet(
        arguments.layout, arguments.num_cases, arguments.num_test_cases, arguments.shape, arguments.seed
    )
    missing = data_sets.open_set(arguments.out, which)
    done = data_sets.write_cases(arguments.out, which, missing, num_processes)
    show(arguments.out, done, len(missing), which.num_cases + which.num_test_cases, "cases")
    data_sets.finish_set(arguments.out, which)
    counts = f"{which.num_cases} cases with a label, {which.num_test_cases} without"
    say(f"{arguments.out}: layout {which.layout}, {counts}, {time.monotonic() - start_s:.1f} s")


def synthesize_documents(arguments: SynthesizeRvlCdip | SynthesizeTobacco) -> None:
    from app.console import say
    from app.workloads.documents.synthetic import data_sets

    start_s = time.monotonic()
    num_processes = checked_processes(arguments.num_processes)
    which = data_sets.SyntheticDocuments(
        "tobacco" if isinstance(arguments, SynthesizeTobacco) else "rvl-cdip",
        arguments.num_pages,
        arguments.per_class if isinstance(arguments, SynthesizeTobacco) else 0,
        arguments.height,
        arguments.num_corrupt,
        arguments.seed,
    )
    missing = data_sets.open_set(arguments.out, which, arguments.texts)
    done = data_sets.write_pages(arguments.out, which, missing, num_processes, arguments.texts)
    show(arguments.out, done, len(missing), which.num_pages, "pages")
    data_sets.finish_set(arguments.out, which)
    duration_s = time.monotonic() - start_s
    rate = f"{len(missing)} made in {duration_s:.1f} s, {len(missing) / duration_s:.1f} a second"
    say(f"{arguments.out}: {which.name}, {which.num_pages} pages; {rate}; its leaks are in {data_sets.TRUTH}")


def checked_processes(asked: int | None) -> int:
    """The processes to use: as asked, or one a core."""
    from app.machine import num_cores

    num_processes = num_cores() if asked is None else asked
    if num_processes < 1:
        raise UsageError(f"--num-processes: got {num_processes}, expected 1 or more")
    return num_processes


def show(out: str, done: Iterable[str], num_missing: int, num_items: int, what: str) -> None:
    """Show the items as they are done."""
    from app.console import progress, say

    if num_missing < num_items:
        say(f"{out}: {num_items - num_missing} of {num_items} {what} are there")
    with progress("synthesize", num_missing) as advance:
        for name in done:
            advance(1, name)


if __name__ == "__main__":
    from app.command_line import run

    run(
        {"brats": SynthesizeBrats, "rvl-cdip": SynthesizeRvlCdip, "tobacco": SynthesizeTobacco},
        main,
        description=__doc__,
    )
