"""The files of a case."""

from dataclasses import dataclass

from app.data import files
from app.errors import DataError

ENDINGS = (".nii.gz", ".nii")
OTHER_ENDINGS = (
    ".mha",
    ".mhd",
    ".nrrd",
    ".nhdr",
    ".img",
    ".img.gz",
    ".hdr",
    ".dcm",
    ".mgz",
    ".mgh",
    ".mnc",
    ".nii.zst",
)
"""Endings of volumes in formats that are not read."""


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case; that they exist and are sound is verified when they are read."""

    id: str
    images: tuple[str, ...]
    """One file of all modalities, or one for each in their order."""
    label: str | None


def distinct(cases: list[CaseFiles]) -> list[CaseFiles]:
    """The cases as they are.

    Raises:
        DataError: two have one id, or a file in common.
    """
    seen: dict[str, CaseFiles] = {}
    owners: dict[str, str] = {}
    for case in cases:
        other = seen.setdefault(case.id, case)
        if other is not case:
            raise DataError(f"two cases are named {case.id}: {other.images[0]} and {case.images[0]}; keep one of them")
        for path in {*case.images, *([case.label] if case.label else [])}:
            if owners.setdefault(path, case.id) != case.id:
                raise DataError(f"{path} is listed of two cases, {owners[path]} and {case.id}; expected files of each")
    return cases


def is_nifti(path: str) -> bool:
    return path.lower().endswith(ENDINGS)


def other_ending_of(path: str) -> str:
    """In lower case, of a volume that is not read; empty for any other file."""
    return next((e for e in OTHER_ENDINGS if path.lower().endswith(e)), "")


def ending_of(path: str) -> str:
    """`.nii.gz` or `.nii` as it is written there; empty for another file."""
    return next((path[-len(e) :] for e in ENDINGS if path.lower().endswith(e)), "")


def stem_of(path: str) -> str:
    """A file's name without its ending."""
    return files.name_of(path)[: len(files.name_of(path)) - len(ending_of(path))]
