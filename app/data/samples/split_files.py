"""People's own splits and groups, from files: a CSV table, or nnU-Net's splits_final.json."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.data import files
from app.data.samples.splits import TEST, TRAIN, VALIDATION, torn_groups
from app.data.tables import csv_rows
from app.errors import DataError

CASE_COLUMNS = ("case", "id", "case_id", "name", "file")
SPLIT_COLUMNS = ("split", "set", "subset", "partition")
GROUP_COLUMNS = ("patient", "group", "document", "subject", "patient_id", "subject_id")
"""Names that a column may have, in any case; the first is the one that messages ask for."""

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "tr"), TRAIN),
    **dict.fromkeys(("validation", "val", "valid", "validate", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "ts"), TEST),
}
ENDINGS = (".nii.gz", ".nii")
NUM_NAMED = 5


def read_groups(path: str) -> dict[str, str]:
    """id -> group, of a CSV table with the columns `case` and `patient` (or `group`, `document`).

    Raises:
        DataError: the file is missing or not understood, or a case comes twice.
    """
    return _unique(_read_pairs(path, GROUP_COLUMNS), path)


def read_splits(path: str, fold: int = 0) -> tuple[dict[str, str], int]:
    """id -> split, and how many folds the file has (0: it is one split).

    A CSV table with the columns `case` and `split` (train, validation or test), or a JSON file as nnU-Net writes it: a
    list of folds, each with the ids of `train` and `val`, and perhaps of `test`.

    Raises:
        DataError: the file is missing or not understood, has no such fold, or a case comes twice.
    """
    if path.lower().endswith(".json"):
        return _read_folds(path, fold)
    rows = _read_pairs(path, SPLIT_COLUMNS)
    return _unique(((case, _split_of(name, f"{path}, {place}"), place) for case, name, place in rows), path), 0


def check_splits(
    splits: Mapping[str, str],
    labelled: Sequence[str],
    known: Collection[str],
    groups: Mapping[str, str],
    path: str,
    or_else: str = "no groups at all",
) -> dict[str, str]:
    """The split of each labelled case, where `splits`, read from `path`, fits the source.

    Args:
        labelled: ids of the cases that can be trained or scored on; each must have a split.
        known: ids of all cases of the source; the file may name these alone.
        groups: id -> group; a group may lie in one split alone.
        path: of the file.
        or_else: what sets groups aside, for the message.

    Raises:
        DataError: a case has no split or does not exist, or a group is torn; names a few.
    """
    if missing := [i for i in labelled if i not in splits]:
        raise DataError(
            f"{path} has no split for {len(missing)} of {len(labelled)} labelled cases: {_some(missing)}; "
            "expected each of them once"
        )
    if unknown := [i for i in splits if i not in known]:
        example = next(iter(labelled), "")
        raise DataError(
            f"{path} names {len(unknown)} cases that the source does not have: {_some(unknown)}; take their lines out, "
            f"or write ids as {example}"
        )
    chosen = {i: splits[i] for i in labelled}
    if torn := torn_groups(chosen, groups):
        group, places = next(iter(torn.items()))
        raise DataError(
            f"{path} puts cases of one group into several splits, {len(torn)} times: {group} into "
            f"{' and '.join(places)}; expected each in one, or {or_else}"
        )
    return chosen


def check_groups(groups: Mapping[str, str], ids: Collection[str], path: str) -> None:
    """Whether `groups`, read from `path`, names every case of the source.

    Raises:
        DataError: a case has no group, or one does not exist; names a few.
    """
    if missing := [i for i in ids if i not in groups]:
        raise DataError(f"{path} does not name {len(missing)} of {len(ids)} cases: {_some(missing)}")
    if unknown := [i for i in groups if i not in ids]:
        raise DataError(f"{path} names {len(unknown)} cases that the source does not have: {_some(unknown)}")


def _read_pairs(path: str, wanted: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Case, value and place ("line 3") of each row that is not empty; as csv_rows reads them."""
    try:
        rows = list(csv_rows(files.read_bytes(path)))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    header = [name.lower() for name in rows[0][1]] if rows else []
    case, value = (next((header.index(n) for n in names if n in header), None) for names in (CASE_COLUMNS, wanted))
    if case is None or value is None:
        seen = ", ".join(header)[:100] or "nothing"
        raise DataError(f"{path}: its first line says {seen!r}, expected the columns {CASE_COLUMNS[0]} and {wanted[0]}")
    for number, row in rows[1:]:
        cells = [row[i].strip() if i < len(row) else "" for i in (case, value)]
        if not all(cells):
            seen = ",".join(row)[:100]
            raise DataError(f"{path}, line {number}: got {seen!r}, expected a case and a {wanted[0]}")
        yield case_name(cells[0]), cells[1], f"line {number}"


def case_name(text: str) -> str:
    """An id as a table may write it: without the ending of the case's file."""
    return next((text[: -len(e)] for e in ENDINGS if text.lower().endswith(e)), text)


def _split_of(name: str, where: str) -> str:
    if name.lower() not in SPLIT_NAMES:
        raise DataError(f"{where}: got the split {name[:100]!r}, expected {TRAIN}, {VALIDATION} or {TEST}")
    return SPLIT_NAMES[name.lower()]


def _read_folds(path: str, fold: int) -> tuple[dict[str, str], int]:
    folds = files.read_json(path)
    if not isinstance(folds, list) or not folds:
        raise DataError(
            f"{path}: expected a list of folds, each with the ids of `train` and `val`, as nnU-Net writes it"
        )
    if not 0 <= fold < len(folds):
        raise DataError(f"{path} has {len(folds)} folds, got fold {fold}; expected one of 0 to {len(folds) - 1}")
    one: Any = folds[fold]
    wanted = f"{path}, fold {fold}: expected lists of ids named `train` and `val`"
    if not isinstance(one, Mapping) or not {"train", "val"} <= set(one):
        raise DataError(wanted)
    entries = []
    for name, ids in one.items():
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
            raise DataError(wanted)
        entries += [(case_name(i), _split_of(name, f"{path}, fold {fold}"), f"`{name}`") for i in ids]
    return _unique(entries, f"{path}, fold {fold}"), len(folds)


def _unique(entries: Iterable[tuple[str, str, str]], path: str) -> dict[str, str]:
    found: dict[str, tuple[str, str]] = {}
    for case, value, place in entries:
        if case in found:
            raise DataError(f"{path} names {case} twice: {found[case][1]} and {place}; expected each case once")
        found[case] = value, place
    return {case: value for case, (value, _) in found.items()}


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NUM_NAMED]) + (", …" if len(ids) > NUM_NAMED else "")
