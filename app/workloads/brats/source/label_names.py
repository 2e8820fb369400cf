"""What the names of labels in a dataset.json mean, and codes that are told by hand."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import DataError, UsageError
from app.workloads.brats.labels import INTERNAL, REGIONS, Meaning
from app.workloads.volumes.labels import Codes, describe

MEANINGS: tuple[Meaning, ...] = tuple(INTERNAL)

HOW_TO_SAY = f"--labels CODE=MEANING … (MEANING is {', '.join(MEANINGS[:-1])} or {MEANINGS[-1]})"

FILLERS = frozenset(
    {"tumor", "tumoral", "tissue", "component", "compartment", "region", "subregion", "area", "label", "class"}
    | {"the", "of", "and", "or", "brain", "gd", "gadolinium", "contrast"}
)
"""Words that change nothing."""

SYNONYMS: dict[Meaning, frozenset[str]] = {
    "background": frozenset(
        {"background", "bg", "everything else", "healthy", "normal", "none", "nothing", "unlabeled", "unlabelled"}
    ),
    "core": frozenset(
        {"necrosis", "necrotic", "necrotic core", "ncr", "nec", "nc", "net", "netc", "ncr net", "nonenhancing"}
        | {"nonenhancing core", "nonenhancing solid", "nonenhancing solid core", "necrotic nonenhancing"}
        | {"necrotic nonenhancing core", "necrotic core nonenhancing", "nonenhancing necrotic"}
        | {"nonenhancing necrotic core", "necrosis nonenhancing", "nonenhancing necrosis", "cystic", "cyst", "cc"}
    ),
    "edema": frozenset(
        {"edema", "ed", "peritumoral edema", "peritumoral edematous", "peritumoral edematous invaded", "edematous"}
        | {"peritumoral invaded", "vasogenic edema", "snfh", "surrounding nonenhancing flair hyperintensity"}
        | {"nonenhancing flair hyperintensity", "flair hyperintensity"}
    ),
    "enhancing": frozenset({"enhancing", "enhancing core", "enhancing solid", "enhancement", "et", "active"}),
    "cavity": frozenset({"cavity", "resection cavity", "surgical cavity", "postoperative cavity", "rc"}),
}
"""Names as `plain` leaves them. A core without a word for which (`tumor core`) is a region and no class."""

REGION_NAMES = {"WT": frozenset({"whole", "wt", "complete"}), "TC": frozenset({"core", "tc"})}
"""Names of what nnU-Net trains as regions: lists of codes that overlap."""

_REGIONS_OF: dict[Meaning, frozenset[str]] = {
    meaning: frozenset(region for region, codes in REGIONS.items() if INTERNAL[meaning] in codes)
    for meaning in MEANINGS
}


def plain(name: str) -> str:
    """Lower case, one spelling, without punctuation, numbers and words that change nothing."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    words = " ".join(re.findall(r"[a-z]+", spaced.replace("tumour", "tumor").replace("oedema", "edema")))
    joined = re.sub(r"\b(non|not) (?=enhanc)", "non", words)
    return " ".join(word for word in joined.split() if word not in FILLERS)


def meaning_of(name: str) -> Meaning | None:
    """What a label's name means; None where it is not understood, or says two things (`enhancing tumor (ED)`)."""
    inside = re.findall(r"\(([^()]*)\)", name)
    found = {_synonym(part) for part in [re.sub(r"\([^()]*\)", " ", name), *inside]}
    return found.pop() if len(found) == 1 else None


def read_names(labels: Any, where: str, by_hand: Codes) -> Codes:
    """The codes of `labels` in a dataset.json: {"1": "edema"} (MSD, nnU-Net 1), {"edema": 1}, or nnU-Net 2's regions,
    {"whole tumor": [1, 2, 3]}. Codes that are told by hand are not looked up.

    Raises:
        DataError: a name is not understood, or what stands there cannot be read.
    """
    named = _names_by_code(labels, where)
    by_regions = isinstance(labels, Mapping) and any(isinstance(value, list) for value in labels.values())
    codes: dict[int, Meaning] = {0: "background"}
    defined = {region for names in named.values() for name in names if (region := _region(name))}
    for code in sorted(named.keys() - by_hand.keys()):
        meaning = _of_regions(named[code], defined) if by_regions else meaning_of(named[code][0])
        if meaning is None or (len(named[code]) > 1 and not by_regions):
            seen = " and ".join(repr(name) for name in named[code])
            raise DataError(
                f"{where} calls label {code} {seen}, which is not understood; say what it means with {HOW_TO_SAY}"
            )
        codes[code] = meaning
    return codes


def parse_codes(words: Sequence[str]) -> Codes:
    """`CODE=MEANING …` as given by hand.

    Raises:
        UsageError: not of this form, a code twice, or 0 is something else than background.
    """
    codes: dict[int, Meaning] = {}
    for word in words:
        number, _, name = word.partition("=")
        found = next((m for m in MEANINGS if m == name.strip().casefold()), meaning_of(name))
        if not re.fullmatch(r"\d{1,3}", number.strip()) or int(number) > 255 or found is None:
            raise UsageError(f"--labels: got {word!r}, expected {HOW_TO_SAY}, such as 1=core 2=edema 4=enhancing")
        code = int(number)
        if code in codes:
            raise UsageError(f"--labels: the code {code} is given twice: {describe(codes)} and {word}")
        codes[code] = found
    if codes.get(0, "background") != "background":
        raise UsageError(f"--labels: got 0={codes[0]}, but 0 is the background of every label file")
    return codes


def _synonym(name: str) -> Meaning | None:
    words = plain(name)
    return next((meaning for meaning, names in SYNONYMS.items() if words in names), None)


def _region(name: str) -> str | None:
    if meaning_of(name) == "enhancing":
        return "ET"
    return next((region for region, names in REGION_NAMES.items() if plain(name) in names), None)


def _of_regions(names: Sequence[str], defined: set[str]) -> Meaning | None:
    """What a code is that lies in these regions, and under names of classes if there are any (such as a cavity)."""
    regions = {region for name in names if (region := _region(name))}
    exact = {meaning_of(name) for name in names if _region(name) is None}
    fitting = [m for m in MEANINGS if _REGIONS_OF[m] & defined == regions and exact <= {m}]
    return fitting[0] if len(fitting) == 1 else None


def _names_by_code(labels: Any, where: str) -> dict[int, list[str]]:
    wanted = 'expected {"0": "background", "1": "edema", …} or {"background": 0, "edema": 1, …}'
    if not isinstance(labels, Mapping):
        raise DataError(f"{where}: cannot read its labels {labels!r}; {wanted}")
    named: dict[int, list[str]] = {}
    for key, value in labels.items():
        if isinstance(value, str) and re.fullmatch(r"\d{1,3}", str(key)):
            codes, name = [int(key)], value
        else:
            codes, name = value if isinstance(value, list) else [value], str(key)
        for code in codes:
            if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code <= 255:
                raise DataError(f"{where}: cannot read its label {key!r}: {value!r}; {wanted}")
            named.setdefault(code, []).append(name)
    return named
