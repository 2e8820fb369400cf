"""Data sets that a dataset.json describes: MSD Task01's and nnU-Net's.

- `msd`: 4D images in the order FLAIR, T1w, T1gd, T2w, listed with their labels.
- `nnunet`: a file for each channel, `imagesTr/CASE_0000.nii.gz` and so on, labels in `labelsTr/CASE.nii.gz`; the
  channels in any order, as `channel_names` (version 2) or `modality` (version 1) gives it. Version 1 lists the cases by
  names without the channel; version 2 lists none, or files for each case below `dataset`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.data import files
from app.data.inside import listed_path
from app.errors import DataError
from app.strict_json import whole_number
from app.workloads.brats.source.layouts import MODALITIES, Source
from app.workloads.volumes.source.case_files import CaseFiles, distinct, ending_of, is_nifti, stem_of

MODALITY_NAMES: Mapping[str, frozenset[str]] = {
    "FLAIR": frozenset({"flair", "t2flair", "flairt2", "t2f", "t2wflair"}),
    "T1w": frozenset({"t1", "t1w", "t1n", "t1native", "t1weighted", "t1pre"}),
    "T1gd": frozenset(
        {"t1gd", "t1ce", "t1c", "t1wc", "t1wce", "t1wgd", "ct1", "cet1", "t1post", "t1contrast", "t1gadolinium"}
        | {"t1postcontrast", "t1wpostcontrast", "t1contrastenhanced", "contrastenhancedt1"}
    ),
    "T2w": frozenset({"t2", "t2w", "t2weighted"}),
}
"""What data sets call them, without case and punctuation."""

IMAGES, HELD_OUT, LABELS = "imagesTr", "imagesTs", "labelsTr"
_CHANNEL = re.compile(r"(.+)_(\d{4})", re.DOTALL)

Order = tuple[int, ...]
"""The number of the channel that holds each of MODALITIES."""


def read_described(description: str, paths: Sequence[str], allow_outside: bool = False) -> Source:
    """The data set that a dataset.json describes, of the files that lie in its folder.

    Raises:
        DataError: it is not understood, names other modalities, or leads out of its folder.
    """
    facts = files.read_json(description)
    if not isinstance(facts, Mapping):
        raise DataError(f"{description} is not an object; expected MSD's or nnU-Net's dataset.json")
    root = files.parent_of(description)
    labels = facts.get("labels") or {}
    listed = _listed(facts, description)
    if "channel_names" in facts or _is_nnunet(root, listed, paths, description, allow_outside):
        cases = _nnunet_cases(description, facts, paths, allow_outside)
        return Source(root, "nnunet", tuple(distinct(cases)), labels)
    _check_msd_order(facts, description)
    cases = [_listed_case(root, entry, description, allow_outside) for entry in listed]
    return Source(root, "msd", tuple(distinct(cases)), labels)


def label_names_of_volumes(description: str) -> Mapping[str, Any]:
    """`labels` of the dataset.json beside 4D files that are named one by one, not by its list.

    Raises:
        DataError: it names their modalities, and otherwise than they are read.
    """
    facts = files.read_json(description)
    if not isinstance(facts, Mapping):
        return {}
    if _raw_names(facts):
        _check_msd_order(facts, description)
    return facts.get("labels") or {}


def _check_msd_order(facts: Mapping[str, Any], description: str) -> None:
    if _modalities(facts, description) != list(MODALITIES):
        raise DataError(
            f"{description} names the modalities {_raw_names(facts)}; expected {list(MODALITIES)} (MSD Task01), or a "
            "file for each in any order (nnU-Net)"
        )


def channel_order(description: str) -> Order:
    """Where each of MODALITIES is among nnU-Net's channels. Raises DataError when the names are not understood."""
    facts = files.read_json(description)
    named = _modalities(facts if isinstance(facts, Mapping) else {}, description)
    if sorted(named, key=str) != sorted(MODALITIES):
        raise DataError(
            f"{description} names the channels {_raw_names(facts)}; expected {', '.join(MODALITIES)} in any order, "
            "each once (nnU-Net)"
        )
    keys = _sorted_keys(facts)
    if not all(whole_number(key) == number for number, key in enumerate(keys)):
        raise DataError(f"{description} numbers the channels {', '.join(keys)}; expected 0 to 3 (nnU-Net)")
    return tuple(named.index(modality) for modality in MODALITIES)


def split_channel(path: str) -> tuple[str, int] | None:
    """`…/CASE_0002.nii.gz` -> (`…/CASE`, 2); None for a file of another name."""
    match = _CHANNEL.fullmatch(files.join(files.parent_of(path), stem_of(path))) if is_nifti(path) else None
    return (match[1], int(match[2])) if match else None


def channel_cases(paths: Sequence[str], order: Order, labels: Mapping[str, str]) -> list[CaseFiles]:
    """A case for each name before a channel's number, by id; `labels`: the label file of an id."""
    groups: dict[str, dict[int, str]] = {}
    for path in paths:
        if (parts := split_channel(path)) is not None:
            groups.setdefault(parts[0], {})[parts[1]] = path
    cases = []
    for base, channels in sorted(groups.items(), key=lambda item: (files.name_of(item[0]), item[0])):
        ending = ending_of(next(iter(channels.values())))
        images = tuple(channels.get(number, f"{base}_{number:04d}{ending}") for number in order)
        name = files.name_of(base)
        cases.append(CaseFiles(name, images, labels.get(name)))
    return cases


def _nnunet_cases(
    description: str, facts: Mapping[str, Any], paths: Sequence[str], allow_outside: bool
) -> list[CaseFiles]:
    root = files.parent_of(description)
    order = channel_order(description)
    if isinstance(facts.get("dataset"), Mapping):
        return [
            _own_files_case(root, str(name), entry, order, description, allow_outside)
            for name, entry in facts["dataset"].items()
        ]
    labels = {stem_of(path): path for path in _in_folder(root, LABELS, paths) if is_nifti(path)}
    found = channel_cases(_in_folder(root, IMAGES, paths), order, labels)
    held_out = channel_cases(_in_folder(root, HELD_OUT, paths), order, {})
    listed = _listed(facts, description)
    if listed:
        ending = ending_of(found[0].images[0]) if found else ".nii.gz"
        there = {case.id: case for case in (*held_out, *found)}
        wanted = [_listed_case(root, entry, description, allow_outside) for entry in listed]
        return [_with_channels(case, there.get(case.id), order, ending) for case in wanted]
    if not found:
        raise DataError(f"{description}: no case in {IMAGES}; expected CASE_0000.nii.gz and so on (nnU-Net)")
    return found + held_out


def _with_channels(case: CaseFiles, found: CaseFiles | None, order: Order, ending: str) -> CaseFiles:
    """A case listed without its channels; the files that it lacks are missed on reading."""
    base = case.images[0][: len(case.images[0]) - len(ending_of(case.images[0]))]
    images = found.images if found else tuple(f"{base}_{number:04d}{ending}" for number in order)
    return CaseFiles(case.id, images, case.label)


def _own_files_case(root: str, name: str, entry: Any, order: Order, description: str, allow_outside: bool) -> CaseFiles:
    """nnU-Net 2's `dataset`: {"CASE": {"images": [a file a channel], "label": file}}."""
    images = entry.get("images") if isinstance(entry, Mapping) else None
    label = entry.get("label") if isinstance(entry, Mapping) else None
    if (
        not isinstance(images, list)
        or len(images) != len(order)
        or not all(isinstance(path, str) for path in [*images, label or ""])
    ):
        raise DataError(
            f"{description}: cannot read the case {name}: {entry!r}; expected {len(order)} images and a label"
        )
    found = tuple(listed_path(root, images[number], description, allow_outside) for number in order)
    return CaseFiles(name, found, listed_path(root, label, description, allow_outside) if label else None)


def _is_nnunet(root: str, listed: Sequence[Any], paths: Sequence[str], description: str, allow_outside: bool) -> bool:
    """Whether there are files of channels where the list names none."""
    channels = {parts[0] for path in paths if (parts := split_channel(path)) is not None}
    there = set(paths)
    cases = [_listed_case(root, entry, description, allow_outside) for entry in listed]
    images = [case.images[0] for case in cases]
    return any(image not in there and image[: len(image) - len(ending_of(image))] in channels for image in images)


def _listed(facts: Mapping[str, Any], description: str) -> list[Any]:
    """Entries of training and test; version 2 of nnU-Net's needs none."""
    training = facts.get("training")
    if training is None and "channel_names" in facts:
        return []
    if not isinstance(training, list):
        raise DataError(f"{description} has no list `training`, nor nnU-Net's `channel_names`")
    test = facts.get("test")
    return [*training, *(test if isinstance(test, list) else [])]


def _listed_case(root: str, entry: Any, description: str, allow_outside: bool) -> CaseFiles:
    image = entry.get("image") if isinstance(entry, Mapping) else entry  # test entries are plain file names
    label = entry.get("label") if isinstance(entry, Mapping) else None
    if not isinstance(image, str) or not isinstance(label, str | None):
        raise DataError(f"{description}: cannot read the entry {entry!r}; expected an image's and a label's file name")
    return CaseFiles(
        stem_of(image),
        (listed_path(root, image, description, allow_outside),),
        listed_path(root, label, description, allow_outside) if label else None,
    )


def _modalities(facts: Mapping[str, Any], description: str) -> list[str | None]:
    """What each channel is, in MODALITIES's words; None where a name is not understood."""
    return [
        next((m for m, names in MODALITY_NAMES.items() if re.sub(r"[^a-z0-9]", "", name.casefold()) in names), None)
        for name in _raw_names(facts)
    ]


def _raw_names(facts: Any) -> list[str]:
    """In the order of their channels."""
    named = _named_channels(facts)
    return [str(named[key]) for key in _sorted_keys(facts)]


def _sorted_keys(facts: Any) -> list[str]:
    numbers = {key: whole_number(key) for key in _named_channels(facts)}
    return sorted(numbers, key=lambda key: (numbers[key] is None, numbers[key] or 0, key))


def _named_channels(facts: Any) -> dict[str, Any]:
    """Channel's number, as it is written -> its name."""
    names = (facts.get("channel_names") or facts.get("modality")) if isinstance(facts, Mapping) else None
    if isinstance(names, list):
        return {str(number): name for number, name in enumerate(names)}
    return {str(key): name for key, name in names.items()} if isinstance(names, Mapping) else {}


def _in_folder(root: str, name: str, paths: Sequence[str]) -> list[str]:
    wanted = files.join(root, name).lower()
    return [path for path in paths if files.parent_of(path).lower() == wanted]
