"""What lies in a folder: a data set in one of the layouts that are known, or scans to segment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.data import files
from app.data.inside import ALLOW, link_reason
from app.data.names import as_text, is_text
from app.errors import DataError
from app.workloads.brats.labels import Layout
from app.workloads.brats.source.described import (
    HELD_OUT,
    IMAGES,
    channel_cases,
    channel_order,
    label_names_of_volumes,
    read_described,
    split_channel,
)
from app.workloads.brats.source.layouts import DATASET_JSON, SUFFIXES, Source, case_prefix, folder_cases
from app.workloads.volumes.source.case_files import ENDINGS, CaseFiles, is_nifti, other_ending_of, stem_of

WANTED = (
    f"expected one of: {DATASET_JSON} with imagesTr/ (MSD Task01, nnU-Net), files *_flair.nii.gz, *_t1, *_t1ce, *_t2 "
    "(BraTS 2018 to 2021), or files *-t2f.nii.gz, *-t1n, *-t1c, *-t2w (BraTS 2023 and later)"
)

MAX_NAMED = 5
"""Cases or files named in one line."""


def find_source(source: str, allow_outside: bool = False) -> Source:
    """Recognise a data set's folder or URL and list its cases: in dataset.json's order, else by id.

    Args:
        source: the data set's folder, or the one around it.
        allow_outside: read files that lie elsewhere, if dataset.json or links lead there.

    Raises:
        DataError: no layout, or two at once; says what was seen and what is wanted. A file lies elsewhere.
    """
    if not files.exists(source):
        raise DataError(f"the source {source} does not exist; {WANTED}")
    if not files.is_folder(source):
        raise DataError(f"the source {source} is a file; expected the data set's folder; {WANTED}")
    paths = files.list_files(source)
    found = _recognise(source, paths, allow_outside)
    if found is None:
        seen = ", ".join(p[len(source) :].lstrip("/") for p in paths[:MAX_NAMED]) or "no file at all"
        more = ", …" if len(paths) > MAX_NAMED else ""
        raise DataError(f"{source} has an unrecognized layout: saw {seen}{more}{_of_nnunet(paths)}; {WANTED}")
    return _without_misnamed(found, paths=True)


def detect_layout(source: str) -> tuple[Layout, list[CaseFiles]]:
    """The layout and the cases of `find_source`."""
    found = find_source(source)
    return found.layout, list(found.cases)


def find_inputs(path: str, allow_outside: bool = False) -> Source:
    """Cases to segment: a folder as `find_source` takes it, one of nnU-Net's channels or of 4D files, one 4D file, or
    one modality or channel of a case (its siblings are found beside it).

    Raises:
        DataError: nothing there can be a case, or nothing says which channel is which. A file of a folder lies
            elsewhere.
    """
    if not files.exists(path):
        raise DataError(f"the input {path} does not exist")
    if not files.is_folder(path):
        return _without_misnamed(_find_by_file(path), paths=False)
    paths = files.list_files(path)
    found = _recognise(path, paths, allow_outside)
    if found is not None:
        return _without_misnamed(found, paths=False)
    volumes = [p for p in paths if is_nifti(p)]
    if not volumes:
        return find_source(path, allow_outside)  # which says what is wrong
    found = _find_channels(path, volumes) or _volumes(path, volumes)
    _check_links(found, allow_outside)
    return _without_misnamed(replace(found, unread=tuple(filter(other_ending_of, paths))), paths=False)


def unlabelled_lines(source: Source) -> list[str]:
    """What to tell of cases without a label, and of files that belong to no case."""
    lines = []
    without = [case for case in source.cases if case.label is None]
    if without and any(case.label for case in source.cases):
        own_folders = source.layout in SUFFIXES
        named = [f"{c.id}{_beside(c, source.strays) if own_folders else ''}" for c in without[:MAX_NAMED]]
        lines.append(f"{len(without)} of {len(source.cases)} cases have no label: {_shortened(named, len(without))}")
    return [*lines, *left_out_lines(source), *stray_lines(source.folder, source.strays)]


def left_out_lines(source: Source) -> list[str]:
    """What to tell of cases that were left out for their names, and of volumes of other formats."""
    named = _shortened(source.misnamed[:MAX_NAMED], len(source.misnamed))
    lines = [f"left out, as their paths are no UTF-8 (rename them): {named}"] if source.misnamed else []
    counts = Counter(map(other_ending_of, source.unread)).most_common()
    told = ", ".join(f"{number} {ending}" for ending, number in counts)
    return lines + ([f"left out, as they are no NIfTI files ({' or '.join(ENDINGS)}): {told}"] if told else [])


def stray_lines(folder: str, strays: Sequence[str], what: str = "left out, as they fit no case") -> list[str]:
    """A line that names NIfTI files below a folder which belong to no case; none where there are none."""
    named = [path.removeprefix(folder).lstrip("/") or files.name_of(path) for path in strays[:MAX_NAMED]]
    return [f"{what}: {_shortened(named, len(strays))}"] if strays else []


def _recognise(source: str, paths: Sequence[str], allow_outside: bool) -> Source | None:
    described = [p for p in paths if files.name_of(p) == DATASET_JSON and _depth(source, p) <= 1]
    if len(described) > 1:
        raise DataError(f"{source} holds several data sets, name one of: {', '.join(map(files.parent_of, described))}")
    if described:
        return _completed(read_described(described[0], paths, allow_outside), paths, allow_outside)
    found = {layout: cases for layout in SUFFIXES if (cases := folder_cases(paths, layout))}
    if len(found) > 1:
        counts = " and ".join(f"{len(cases)} cases of {layout}" for layout, cases in found.items())
        raise DataError(f"{source} mixes layouts ({counts}): name a folder with one of them")
    for layout, cases in found.items():
        return _completed(Source(source, layout, tuple(cases)), paths, allow_outside)
    return None


def _completed(source: Source, paths: Sequence[str], allow_outside: bool) -> Source:
    """With the files that belong to no case, and none that a link leads out to."""
    if not source.cases:
        raise DataError(f"{source.folder} has no case; {WANTED}")
    used = _check_links(source, allow_outside)
    strays = tuple(path for path in paths if is_nifti(path) and path not in used)
    return replace(source, strays=strays, unread=tuple(filter(other_ending_of, paths)))


def _without_misnamed(source: Source, paths: bool) -> Source:
    """Without cases whose name, or with `paths` the path of a file, is no UTF-8. Raises DataError where no other is."""
    kept: list[CaseFiles] = []
    bad: list[str] = []
    for case in source.cases:
        written = (case.id, *case.images, case.label or "") if paths else (case.id,)
        if all(map(is_text, written)):
            kept.append(case)
        else:
            bad.append(as_text(case.id))
    if bad and not kept:
        raise DataError(
            f"{as_text(source.folder)}: the paths of all {len(bad)} cases are no UTF-8: rename {bad[0]}, or the folder "
            "above it"
        )
    return replace(source, cases=tuple(kept), misnamed=tuple(bad))


def _check_links(source: Source, allow_outside: bool) -> set[str]:
    """The files of its cases. Raises DataError for one that a link leads out to, unless that is allowed."""
    used = {path for case in source.cases for path in (*case.images, case.label) if path is not None}
    for path in () if allow_outside else sorted(used):
        if (reason := link_reason(source.folder, path)) is not None:
            raise DataError(f"{path} {reason}, out of {source.folder}; if that is meant, say so with {ALLOW}")
    return used


def _find_by_file(path: str) -> Source:
    if not is_nifti(path):
        raise DataError(f"the input {path} is not a NIfTI file; expected a name ending in .nii.gz or .nii")
    folder = files.parent_of(path)
    for layout in SUFFIXES:
        if case_prefix(path, layout) is not None:
            cases = [c for c in folder_cases(files.list_files(folder), layout) if path in (*c.images, c.label)]
            return Source(folder, layout, tuple(cases))
    if (parts := split_channel(path)) is not None:
        siblings = [p for p in files.list_files(folder) if (split_channel(p) or ("", 0))[0] == parts[0]]
        if found := _find_channels(folder, siblings):
            return found
    return _volumes(folder, [path])


def _volumes(folder: str, paths: Sequence[str]) -> Source:
    """4D files; a dataset.json beside them, or above a folder of MSD's images, says what their labels are.

    Raises:
        DataError: it names the modalities in another order.
    """
    is_of_msd = files.name_of(folder).lower() in (IMAGES.lower(), HELD_OUT.lower())
    places = [folder, *([files.parent_of(folder)] if is_of_msd else [])]
    described = (files.join(place, DATASET_JSON) for place in places)
    description = next((path for path in described if files.exists(path)), None)
    names = None if description is None else label_names_of_volumes(description)
    return Source(folder, "msd", tuple(CaseFiles(stem_of(path), (path,), None) for path in paths), names)


def _find_channels(folder: str, paths: Sequence[str]) -> Source | None:
    """nnU-Net's channels without their dataset.json in the same folder: it lies in the one above, or is missed."""
    numbered = [parts for path in paths if (parts := split_channel(path)) is not None]
    if len({base for base, _ in numbered}) == len(numbered):
        return None  # no case has a second channel: these are names of 4D files
    places = [files.join(place, DATASET_JSON) for place in (folder, files.parent_of(folder))]
    description = next((place for place in places if files.exists(place)), None)
    if description is None:
        raise DataError(f"{folder} holds channels{_of_nnunet(paths)}, but neither it nor the folder above has it")
    return Source(
        folder, "nnunet", tuple(channel_cases(paths, channel_order(description), {})), _label_names(description)
    )


def _label_names(description: str) -> Mapping[str, Any]:
    facts = files.read_json(description)
    return facts.get("labels") or {} if isinstance(facts, Mapping) else {}


def _of_nnunet(paths: Sequence[str]) -> str:
    first = next((path for path in paths if split_channel(path) is not None), None)
    if first is None:
        return ""
    return f" (as nnU-Net names them: {files.name_of(first)}; its {DATASET_JSON} says which channel is which)"


def _beside(case: CaseFiles, strays: Sequence[str]) -> str:
    """The odd files in a case's own folder."""
    folder = files.parent_of(case.images[0])
    odd = [files.name_of(path) for path in strays if files.parent_of(path) == folder][:2]
    return f" (beside it: {', '.join(odd)})" if odd else ""


def _shortened(named: Sequence[str], count: int) -> str:
    return ", ".join(named) + (f" and {count - len(named)} more" if count > len(named) else "")


def _depth(root: str, path: str) -> int:
    return path[len(root) :].strip("/").count("/")
