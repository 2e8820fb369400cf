"""Which files make a case, and in which folders: BraTS's, with a file for each modality.

- `brats2021` (also 2018 to 2020): a folder a case with `*_{flair,t1,t1ce,t2,seg}.nii[.gz]`.
- `brats2023` and later: a folder a case with `*-{t1n,t1c,t2w,t2f,seg}.nii[.gz]`.
Data sets that a dataset.json describes (`msd`, `nnunet`): app.workloads.brats.source.described. Upper and lower case
are the same in the names of files. Modalities are always given in the order FLAIR, T1w, T1gd, T2w.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.data import files
from app.workloads.brats.labels import BRAIN, Layout
from app.workloads.volumes.source.case_files import ENDINGS, CaseFiles, distinct, ending_of

MODALITIES = BRAIN.modalities

SUFFIXES: dict[Layout, tuple[str, tuple[str, ...]]] = {
    "brats2021": ("_", ("flair", "t1", "t1ce", "t2")),
    "brats2023": ("-", ("t2f", "t1n", "t1c", "t2w")),
}
"""Layout -> separator and the names of the modality files, in the order of MODALITIES."""

DATASET_JSON = "dataset.json"
"""Describes the data sets of MSD and nnU-Net."""


@dataclass(frozen=True)
class Source:
    """A data set, or what is to be segmented: its cases, and what is said of their labels."""

    folder: str
    layout: Layout
    cases: tuple[CaseFiles, ...]
    label_names: Mapping[str, Any] | None = None
    """`labels` of its dataset.json, as they stand there; None where there is no such file."""
    strays: tuple[str, ...] = ()
    """NIfTI files that belong to no case."""
    unread: tuple[str, ...] = ()
    """Images of other formats than NIfTI (case_files.OTHER_ENDINGS)."""
    misnamed: tuple[str, ...] = ()
    """Cases left out because their paths are no UTF-8, which no manifest holds."""


def folder_cases(paths: Sequence[str], layout: Layout) -> list[CaseFiles]:
    """Every prefix with at least one modality file is a case; files that it lacks are named, and missed on reading."""
    separator, names = SUFFIXES[layout]
    there = {path.lower(): path for path in paths}
    prefixes: dict[str, tuple[str, str]] = {}
    for path in paths:
        prefix = case_prefix(path, layout)
        if prefix is not None:
            prefixes.setdefault(prefix.lower(), (prefix, ending_of(path)))

    def file(prefix: str, name: str, ending: str) -> str:
        choices = [f"{prefix}{separator}{name}{e}" for e in (ending, *ENDINGS)]
        return next((there[c.lower()] for c in choices if c.lower() in there), choices[0])

    cases = []
    for prefix, ending in sorted(prefixes.values(), key=lambda item: (files.name_of(item[0]), item[0])):
        label = file(prefix, "seg", ending)
        images = tuple(file(prefix, name, ending) for name in names)
        cases.append(CaseFiles(files.name_of(prefix), images, label if label.lower() in there else None))
    return distinct(cases)


def case_prefix(path: str, layout: Layout) -> str | None:
    """The path up to the modality's name, if it is a modality file of the layout."""
    separator, names = SUFFIXES[layout]
    match = re.fullmatch(rf"(.+){separator}({'|'.join(names)})\.nii(\.gz)?", path, re.IGNORECASE)
    return match.group(1) if match and not match.group(1).endswith("/") else None
