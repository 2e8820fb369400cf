"""Which cases are of one patient, and to which splits the patients go."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.data import files
from app.data.samples.split_files import check_groups, check_splits, read_groups, read_splits
from app.data.samples.splits import EACH_ALONE, NUM_FOLDS, SPLITS, UNLABELLED, SplitRule, split_cases
from app.errors import UsageError

NAMES = (
    r"(BraTS(?:-[A-Za-z]+)+-\d+)-\d+",  # BraTS 2023 and later: BraTS-GLI-PPPPP-TTT, T the time point
    r"(UPENN-GBM-\d+)_\d+",  # TCIA's UPENN-GBM: _11 before surgery, _21 at recurrence
    r"(UCSF-PDGM-\d+)_.+",  # TCIA's UCSF-PDGM: _FU001d for a follow-up
    r"(TCGA-\w\w-\w{4})_.+",  # TCIA's labels of TCGA-GBM and TCGA-LGG: _1996.08.23, the date
    r"(sub-[A-Za-z0-9]+)_.+",  # BIDS: sub-01_ses-02
    # MU-Glioma-Post's PatientID_0003_Timepoint_1, LUMIERE's Patient-001_week-000-1 and the like
    r"(\D*\d+(?:[_-]\d+)*)[_-](?:time-?point|tp|ses|session|visit|week)[_-]?\d(?!.*(?:patient|subj|case)).*",
)
"""Names of scans, in upper or lower case, whose first group is the patient; any other name is a patient of its own."""
EACH_CASE = "none"
"""In place of a file of patients: every case counts as a patient of its own."""


@dataclass(frozen=True)
class SplitOptions:
    """How the labelled cases are split."""

    rule: SplitRule = "seeded"
    seed: int = 0
    """Used by `seeded` and `folds`."""
    num_folds: int = NUM_FOLDS
    fold: int = 0
    """Which fold of `folds`, or of a file that has several."""
    splits: str | None = None
    """A file in place of the rule (app.data.samples.split_files)."""
    patients: str | None = None
    """A file of patients, or EACH_CASE; None: by NAMES."""


@dataclass(frozen=True)
class Assignment:
    """Where every case goes."""

    splits: Mapping[str, str]
    """id -> split; UNLABELLED for cases without a label."""
    patients: Mapping[str, str]
    """id -> patient."""
    facts: Mapping[str, str | int | None]
    """What decided it: these tell stores apart."""
    told: tuple[str, ...]
    """The same in words."""


def patient_of(case_id: str) -> str:
    """The patient that a scan's name tells, else the name itself."""
    matches = (re.fullmatch(pattern, case_id, re.IGNORECASE) for pattern in NAMES)
    return next((match.group(1) for match in matches if match), case_id)


def assign(ids: Sequence[str], labelled: Sequence[str], options: SplitOptions) -> Assignment:
    """Patients of all cases, and the splits of the labelled ones: no patient is in two.

    Args:
        ids: all cases of the source.
        labelled: those of them that have a label, in the data set's order.
        options: how.

    Raises:
        DataError: a file of splits or patients is not understood or does not fit the cases.
        UsageError: the options contradict each other.
    """
    if options.splits is not None and options.rule != SplitOptions.rule:
        raise UsageError(f"got --splits {options.splits} and --split {options.rule}: expected one of them")
    patients = _patients(ids, options.patients)
    groups = EACH_ALONE if options.patients == EACH_CASE else patients
    num_folds = options.num_folds if options.rule == "folds" else 0
    if options.splits is None:
        _check_fold(options, num_folds)
        chosen = split_cases(options.rule, labelled, options.seed, groups, options.num_folds, options.fold)
    else:
        found, num_folds = read_splits(options.splits, options.fold)
        _check_fold(options, num_folds)
        aside = f"--patients {EACH_CASE}, by which each scan is a patient's of its own"
        chosen = check_splits(found, labelled, set(ids), groups, options.splits, aside)
    seeded = options.splits is None and options.rule != "in-order"
    facts: dict[str, str | int | None] = {
        "split": options.rule if options.splits is None else _named(options.splits),
        "seed": options.seed if seeded else None,
        "fold": f"{options.fold} of {num_folds}" if num_folds else None,
        "patients": _named(options.patients) if options.patients else "by name",
    }
    told = (_tell_patients(patients, options), _tell_splits(chosen, patients, facts))
    return Assignment({i: chosen.get(i, UNLABELLED) for i in ids}, patients, facts, told)


def _check_fold(options: SplitOptions, num_folds: int) -> None:
    """Raises UsageError for a fold of a split that has none: it would be the same split for every fold."""
    if options.fold and not num_folds:
        how = f"--split {options.rule}" if options.splits is None else f"--splits {options.splits}"
        raise UsageError(
            f"got --fold {options.fold}, but {how} is one split and has no folds; expected --split folds, nnU-Net's "
            "splits_final.json, or no --fold"
        )


def _patients(ids: Sequence[str], source: str | None) -> dict[str, str]:
    if source is None or source == EACH_CASE:
        spelled: dict[str, str] = {}  # brats-gli-00005-001 is of the patient of BraTS-GLI-00005-000
        return {i: i if source else spelled.setdefault(patient_of(i).casefold(), patient_of(i)) for i in ids}
    groups = read_groups(source)
    check_groups(groups, set(ids), source)
    return groups


def _named(source: str) -> str:
    """A file's name and contents, as a store remembers it."""
    if source == EACH_CASE:
        return source
    return f"{files.name_of(source)}, SHA-256 {hashlib.sha256(files.read_bytes(source)).hexdigest()[:16]}"


def _tell_patients(patients: Mapping[str, str], options: SplitOptions) -> str:
    num_patients = len(set(patients.values()))
    if options.patients == EACH_CASE:
        return f"patients: each of {len(patients)} cases counts as one of its own (--patients {EACH_CASE})"
    how = "by their names; --patients FILE says it otherwise" if options.patients is None else f"by {options.patients}"
    if num_patients == len(patients):
        return f"patients: each of {num_patients} cases is of another one ({how})"
    return f"patients: {len(patients)} cases are of {num_patients} ({how})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _tell_splits(chosen: Mapping[str, str], patients: Mapping[str, str], facts: Mapping[str, str | int | None]) -> str:
    parts = []
    for split in SPLITS:
        cases = [i for i, name in chosen.items() if name == split]
        parts.append(f"{split} {_count(len(cases), 'case')} of {_count(len({patients[i] for i in cases}), 'patient')}")
    how = [str(facts["split"]), *(f"{key} {facts[key]}" for key in ("seed", "fold") if facts[key] is not None)]
    return f"split ({', '.join(how)}): {', '.join(parts)}"
