"""Which codes a data set's labels have: by hand, by the challenge, by dataset.json's names, or by its files' names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.errors import DataError, UsageError
from app.workloads.brats.labels import FILE_CODES, TUMOUR
from app.workloads.brats.source.label_names import HOW_TO_SAY, read_names
from app.workloads.brats.source.layouts import DATASET_JSON, Source
from app.workloads.volumes.labels import BACKGROUND, Codes, describe

CODES_OF_NAMES: Mapping[str, str | None] = {
    "gli": "brats2023",
    "men": "brats2023",
    "met": "brats2023",
    "ssa": "brats2023",
    "goat": "brats2023",
    "ped": None,  # 2023 and 2024 gave the same files other codes
}
"""The challenge by the letters in case names (BraTS-GLI-… and so on, since 2023)."""

FIRST_TIME_AFTER_TREATMENT = 100
"""BraTS 2024 numbers its scans after treatment from here on (BraTS-GLI-02060-100), 2023 had 000 and 001."""


@dataclass(frozen=True)
class LabelOptions:
    """What the user says of the labels."""

    challenge: str | None = None
    by_hand: Codes = field(default_factory=dict)


@dataclass(frozen=True)
class LabelChoice:
    codes: Codes
    by: str
    """Who says so."""

    def __str__(self) -> str:
        return f"{describe(self.codes)} ({self.by})"


def choose_codes(source: Source, options: LabelOptions) -> LabelChoice:
    """The codes of a data set's labels. What is said by hand counts for the codes that it names, whatever else is said
    of the others.

    Raises:
        DataError: nothing tells, or a name is not understood.
        UsageError: there is no such challenge.
    """
    by_hand = options.by_hand
    found = _without_hand(source, options)
    if found is None and not any(meaning in TUMOUR for meaning in by_hand.values()):
        raise DataError(_unclear(source))
    base = LabelChoice({BACKGROUND: "background"}, "") if found is None else found
    codes = {**base.codes, **by_hand}
    if codes.get(BACKGROUND) != "background":
        raise DataError(
            f"{source.folder}: label 0 means {codes.get(BACKGROUND)!r}; expected background, as in every label"
        )
    if not any(meaning in TUMOUR for meaning in codes.values()):
        raise DataError(f"{base.by} of {source.folder} names no tumour ({describe(codes)}); {_how_to_say()}")
    return LabelChoice(codes, " and ".join(part for part in (base.by, "--labels" if by_hand else "") if part))


def _without_hand(source: Source, options: LabelOptions) -> LabelChoice | None:
    if options.challenge is not None:
        if options.challenge not in FILE_CODES:
            raise UsageError(f"--challenge: got {options.challenge!r}, expected one of {', '.join(FILE_CODES)}")
        return LabelChoice(FILE_CODES[options.challenge], f"--challenge {options.challenge}")
    if source.label_names:
        where = f"{described_by(source)} of {source.folder}"
        return LabelChoice(read_names(source.label_names, where, options.by_hand), described_by(source))
    if source.layout == "brats2021":
        return LabelChoice(FILE_CODES["brats2021"], "BraTS 2017 to 2021, by the files' names")
    if source.layout == "brats2023":
        challenge = challenge_of_names([case.id for case in source.cases])
        return None if challenge is None else LabelChoice(FILE_CODES[challenge], f"{challenge}, by the cases' names")
    return None


def challenge_of_names(ids: Sequence[str]) -> str | None:
    """The challenge that names its cases so, since 2023; None: several could, with other codes."""
    found = {_challenge_of_name(case) for case in ids}
    if None in found or not found:
        return None
    return "brats2024" if "brats2024" in found else "brats2023"  # 2024's codes are 2023's and one more


def _challenge_of_name(case: str) -> str | None:
    match = re.match(r"brats-([a-z]+)-\d+(?:-([0-9]{1,9}))?", case, re.IGNORECASE)
    challenge = CODES_OF_NAMES.get(match[1].lower()) if match else None
    if match and challenge and match[1].lower() == "gli" and int(match[2] or 0) >= FIRST_TIME_AFTER_TREATMENT:
        return "brats2024"
    return challenge


def described_by(source: Source) -> str:
    return f"nnU-Net's {DATASET_JSON}" if source.layout == "nnunet" else DATASET_JSON


def _unclear(source: Source) -> str:
    first = source.cases[0].id
    if source.layout in ("msd", "nnunet"):
        seen = f"{described_by(source)} names no labels, and such sets do not all have the same codes"
    elif re.match("brats-ped-", first, re.IGNORECASE):
        seen = f"cases such as {first} have other codes in BraTS 2023 (brats2023) than in 2024 (brats2024-ped)"
    else:
        seen = f"names such as {first} do not tell which challenge's codes its labels have"
    return f"{source.folder}: {seen}; {_how_to_say()}"


def _how_to_say() -> str:
    return f"say it with --challenge ({', '.join(FILE_CODES)}) or {HOW_TO_SAY}"
