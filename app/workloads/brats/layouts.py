"""Which files make a case, in the folders as the data sets are distributed.

- `msd`: Medical Segmentation Decathlon Task01: `dataset.json`, 4D images, labels beside them.
- `brats2021` (also 2018 to 2020): a folder a case with `*_{flair,t1,t1ce,t2,seg}.nii[.gz]`.
- `brats2023` and later: a folder a case with `*-{t1n,t1c,t2w,t2f,seg}.nii[.gz]`.
Modalities are always given in the order FLAIR, T1w, T1gd, T2w.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.data import files
from app.errors import DataError
from app.workloads.brats.labels import Layout

MODALITIES = ("FLAIR", "T1w", "T1gd", "T2w")

SUFFIXES: dict[Layout, tuple[str, tuple[str, ...]]] = {
    "brats2021": ("_", ("flair", "t1", "t1ce", "t2")),
    "brats2023": ("-", ("t2f", "t1n", "t1c", "t2w")),
}
"""Layout -> separator and the names of the modality files, in the order of MODALITIES."""

DATASET_JSON = "dataset.json"
ENDINGS = (".nii.gz", ".nii")

WANTED = (
    f"wanted one of: {DATASET_JSON} with imagesTr/ (MSD Task01), files *_flair.nii.gz, *_t1, *_t1ce, *_t2 (BraTS "
    "2021), or files *-t2f.nii.gz, *-t1n, *-t1c, *-t2w (BraTS 2023 and later)"
)


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case; that they exist and are sound is verified when they are read."""

    id: str
    images: tuple[str, ...]
    """One 4D file, or four 3D files in the order of MODALITIES."""
    label: str | None


def detect_layout(source: str) -> tuple[Layout, list[CaseFiles]]:
    """Recognise a folder or URL and list its cases: MSD in dataset.json's order, the others by id.

    Raises:
        DataError: no layout, or two at once; says what was seen and what is wanted.
    """
    if not files.exists(source):
        raise DataError(f"the source {source} does not exist; {WANTED}")
    if not files.is_folder(source):
        raise DataError(f"the source {source} is a file; wanted the data set's folder; {WANTED}")
    paths = files.list_files(source)
    described = [p for p in paths if files.name_of(p) == DATASET_JSON and _depth(source, p) <= 1]
    if len(described) > 1:
        raise DataError(f"{source} holds several data sets, name one of: {', '.join(map(files.parent_of, described))}")
    if described:
        return "msd", _msd_cases(described[0])
    found = {layout: cases for layout in SUFFIXES if (cases := _folder_cases(paths, layout))}
    if len(found) > 1:
        counts = " and ".join(f"{len(cases)} cases of {layout}" for layout, cases in found.items())
        raise DataError(f"{source} mixes layouts ({counts}): name a folder with one of them")
    for layout, cases in found.items():
        return layout, cases
    seen = ", ".join(p[len(source) :].lstrip("/") for p in paths[:5]) or "no file at all"
    raise DataError(f"{source} has no layout that is known: saw {seen}{', …' if len(paths) > 5 else ''}; {WANTED}")


def find_inputs(path: str) -> tuple[Layout, list[CaseFiles]]:
    """Cases to segment: a folder as `detect_layout` takes it, a folder of 4D files, one 4D file, or one modality of a
    case (its siblings are found beside it).

    Raises:
        DataError: nothing there can be a case.
    """
    if not files.exists(path):
        raise DataError(f"the input {path} does not exist")
    if files.is_folder(path):
        try:
            return detect_layout(path)
        except DataError:
            volumes = [p for p in files.list_files(path) if p.endswith(ENDINGS)]
            if not volumes:
                raise
            return "msd", [CaseFiles(_stem(p), (p,), None) for p in volumes]
    if not path.endswith(ENDINGS):
        raise DataError(f"the input {path} is no NIfTI file; wanted a name ending in .nii.gz or .nii")
    for layout in SUFFIXES:
        if _prefix(path, layout) is not None:
            siblings = files.list_files(files.parent_of(path))
            return layout, [c for c in _folder_cases(siblings, layout) if path in (*c.images, c.label)]
    return "msd", [CaseFiles(_stem(path), (path,), None)]


def _msd_cases(description: str) -> list[CaseFiles]:
    facts = files.read_json(description)
    if not isinstance(facts, Mapping) or not isinstance(facts.get("training"), list):
        raise DataError(f"{description} has no list `training`; {WANTED}")
    modality = facts.get("modality")
    named = [str(modality[k]) for k in sorted(modality, key=str)] if isinstance(modality, Mapping) else []
    if [n.lower() for n in named] != [m.lower() for m in MODALITIES]:
        raise DataError(f"{description} names the modalities {named}; wanted {list(MODALITIES)} (MSD Task01)")
    root = files.parent_of(description)
    cases = [_msd_case(root, entry, description) for entry in [*facts["training"], *(facts.get("test") or [])]]
    return _checked(cases)


def _msd_case(root: str, entry: Any, description: str) -> CaseFiles:
    image = entry.get("image") if isinstance(entry, Mapping) else entry  # test entries are plain file names
    label = entry.get("label") if isinstance(entry, Mapping) else None
    if not isinstance(image, str) or not isinstance(label, str | None):
        raise DataError(f"{description}: can not read the entry {entry!r}; wanted an image's and a label's file name")
    return CaseFiles(_stem(image), (files.join(root, image),), files.join(root, label) if label else None)


def _folder_cases(paths: list[str], layout: Layout) -> list[CaseFiles]:
    """Every prefix with at least one modality file is a case; files that it lacks are named, and missed on reading."""
    separator, names = SUFFIXES[layout]
    there = set(paths)
    prefixes: dict[str, str] = {}
    for path in paths:
        prefix = _prefix(path, layout)
        if prefix is not None:
            prefixes.setdefault(prefix, next(e for e in ENDINGS if path.endswith(e)))

    def file(prefix: str, name: str, ending: str) -> str:
        choices = [f"{prefix}{separator}{name}{e}" for e in (ending, *ENDINGS)]
        return next((c for c in choices if c in there), choices[0])

    cases = []
    for prefix, ending in sorted(prefixes.items(), key=lambda item: (files.name_of(item[0]), item[0])):
        label = file(prefix, "seg", ending)
        images = tuple(file(prefix, name, ending) for name in names)
        cases.append(CaseFiles(files.name_of(prefix), images, label if label in there else None))
    return _checked(cases)


def _prefix(path: str, layout: Layout) -> str | None:
    """The path up to the modality's name, if it is a modality file of the layout."""
    separator, names = SUFFIXES[layout]
    match = re.fullmatch(rf"(.+){separator}({'|'.join(names)})\.nii(\.gz)?", path)
    return match.group(1) if match and not match.group(1).endswith("/") else None


def _checked(cases: list[CaseFiles]) -> list[CaseFiles]:
    seen: dict[str, CaseFiles] = {}
    for case in cases:
        other = seen.setdefault(case.id, case)
        if other is not case:
            raise DataError(f"two cases are named {case.id}: {other.images[0]} and {case.images[0]}; keep one of them")
    return cases


def _stem(path: str) -> str:
    name = files.name_of(path)
    return next((name[: -len(e)] for e in ENDINGS if name.endswith(e)), name)


def _depth(root: str, path: str) -> int:
    return path[len(root) :].strip("/").count("/")
