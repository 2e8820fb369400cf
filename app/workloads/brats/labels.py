"""Label codes and regions. Everything past the reading of a file uses the internal codes.

Internal: 0 background, 1 necrotic or non-enhancing core, 2 edema, 3 enhancing tumour.
Regions as BraTS scores them: WT whole tumour = {1, 2, 3}, TC tumour core = {1, 3}, ET enhancing tumour = {3}.
A resection cavity is background: BraTS 2024 (arXiv 2405.18368) counts it to none of the three, and scores it apart.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Layout = Literal["msd", "nnunet", "brats2021", "brats2023"]
"""How the files of a data set are named."""

BACKGROUND, CORE, EDEMA, ENHANCING = 0, 1, 2, 3
NUM_CODES = 4

Meaning = Literal["background", "core", "edema", "enhancing", "cavity"]
"""What a code of a label file may stand for."""

INTERNAL: dict[Meaning, int] = {
    "background": BACKGROUND,
    "core": CORE,
    "edema": EDEMA,
    "enhancing": ENHANCING,
    "cavity": BACKGROUND,
}
TUMOUR: tuple[Meaning, ...] = ("core", "edema", "enhancing")

Codes = Mapping[int, Meaning]
"""File code -> what it stands for."""

FILE_CODES: dict[str, Codes] = {
    # MSD Task01's dataset.json: 1 edema, 2 non-enhancing tumour, 3 enhancing tumour
    "msd": {0: "background", 1: "edema", 2: "core", 3: "enhancing"},
    # BraTS 2017 to 2021 (arXiv 2107.02314): 1 necrotic core, 2 edema, 4 enhancing tumour
    "brats2021": {0: "background", 1: "core", 2: "edema", 4: "enhancing"},
    # BraTS 2023 (arXiv 2305.17033, 2305.07642, 2306.00838, 2305.19369): the same for glioma, meningioma, metastases,
    # Africa and children: 1 necrotic or non-enhancing core, 2 edema, 3 enhancing tumour
    "brats2023": {0: "background", 1: "core", 2: "edema", 3: "enhancing"},
    # Glioma after treatment, BraTS 2024 and later (arXiv 2405.18368): 4 resection cavity
    "brats2024": {0: "background", 1: "core", 2: "edema", 3: "enhancing", 4: "cavity"},
    # Children, BraTS 2024 and later (arXiv 2404.15009): 1 enhancing, 2 non-enhancing, 3 cystic, 4 edema
    "brats2024-ped": {0: "background", 1: "enhancing", 2: "core", 3: "core", 4: "edema"},
}
"""The codes of each challenge."""

REGIONS: dict[str, tuple[int, ...]] = {
    "WT": (CORE, EDEMA, ENHANCING),
    "TC": (CORE, ENHANCING),
    "ET": (ENHANCING,),
}
"""Region -> internal codes in it, in the order of the `regions` output's channels."""

OUTPUT_REGIONS: dict[str, tuple[str, ...]] = {"whole": ("WT",), "regions": ("WT", "TC", "ET")}
"""Output mode -> its channels. `whole` is DistMIS's binary task."""

LABEL_ROUNDING = 1e-3
"""Values so near to a whole number are meant to be it. Assumed: far above what float32 and resaving make."""
MAX_LABEL_ROUNDING = 0.05
"""Even where the file scales by coarser steps: codes 0 to 4 in 8 bits are scaled by steps of 0.016."""

_NOT_A_CODE = 255


def codes_of(which: str | Codes) -> Codes:
    """A challenge's codes by its name; others as they are."""
    return FILE_CODES[which] if isinstance(which, str) else which


def describe(codes: Codes) -> str:
    """Such as `0=background 1=core 2=edema 3=enhancing`."""
    return " ".join(f"{code}={codes[code]}" for code in sorted(codes))


def to_internal(label: npt.NDArray[Any], codes: str | Codes) -> npt.NDArray[np.uint8]:
    """Internal codes of a label as it is in its file; any shape, any numeric type.

    Raises:
        ValueError: a value that is none of the codes (a fraction, a NaN, another number); names a few.
    """
    known = codes_of(codes)
    if label.dtype == np.uint8:
        small = label
    else:
        whole = (label >= 0) & (label < 256) & (label == np.floor(label))
        if not whole.all():
            raise ValueError(_wrong_codes(label[~whole], known))
        small = label.astype(np.uint8)
    table = np.full(256, _NOT_A_CODE, np.uint8)
    table[list(known)] = [INTERNAL[meaning] for meaning in known.values()]
    internal: npt.NDArray[np.uint8] = table[small]
    wrong = internal == _NOT_A_CODE
    if wrong.any():
        raise ValueError(_wrong_codes(small[wrong], known))
    return internal


def to_file_codes(internal: npt.NDArray[np.uint8], codes: str | Codes) -> npt.NDArray[np.uint8]:
    """The inverse of `to_internal`; of several codes with one meaning the lowest is written.

    Raises:
        ValueError: a kind of tumour has no code.
    """
    known = codes_of(codes)
    if lacking := lacking_meanings(known):
        raise ValueError(f"the codes {describe(known)} have none for {' and '.join(lacking)}")
    table = np.zeros(NUM_CODES, np.uint8)
    for code in sorted(known, reverse=True):
        table[INTERNAL[known[code]]] = code
    table[BACKGROUND] = 0
    written: npt.NDArray[np.uint8] = table[internal]
    return written


def lacking_meanings(codes: Codes) -> list[Meaning]:
    """The kinds of tumour that no code stands for."""
    return [meaning for meaning in TUMOUR if meaning not in codes.values()]


def region_masks(internal: npt.NDArray[np.uint8], outputs: str = "regions") -> npt.NDArray[np.bool_]:
    """Membership of each voxel in each region: [...] -> [C, ...] bool, channels as in OUTPUT_REGIONS[outputs]."""
    table = np.zeros((len(OUTPUT_REGIONS[outputs]), NUM_CODES), np.bool_)
    for channel, region in enumerate(OUTPUT_REGIONS[outputs]):
        table[channel, list(REGIONS[region])] = True
    stack: npt.NDArray[np.bool_] = np.stack([row[internal] for row in table])
    return stack


def to_whole(label: npt.NDArray[Any], step: float = 0.0) -> tuple[npt.NDArray[Any], float]:
    """A label's values as whole numbers, and how far from them the farthest was; any shape, any numeric type.

    Args:
        label: as in its file.
        step: between neighbouring values, where the file scales whole numbers; half of it is a rounding error too.

    Raises:
        ValueError: a value that is not nearly whole; names a few.
    """
    if label.dtype.kind != "f":
        return label, 0.0
    whole = np.rint(label)
    if np.array_equal(whole, label):
        return label, 0.0
    allowed = min(max(LABEL_ROUNDING, 0.505 * step), MAX_LABEL_ROUNDING)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        distance = np.abs(label - whole)
    far = ~(distance <= allowed)
    if far.any():
        seen = ", ".join(f"{v:.9g}" for v in np.unique(label[far])[:5].tolist())
        raise ValueError(
            f"label values {seen} are not whole numbers; expected codes, or values within {allowed:.2g} of one"
        )
    return whole, float(distance.max())


def from_regions(regions: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Internal codes of region masks [C, ...]; C = 3 (WT, TC, ET) or 1 (whole: every tumour voxel becomes edema).

    The inner region wins where masks disagree: a voxel in ET is enhancing even when WT misses it.
    """
    internal = np.where(regions[0], EDEMA, BACKGROUND).astype(np.uint8)
    if len(regions) == 3:
        internal[regions[1]] = CORE
        internal[regions[2]] = ENHANCING
    return internal


def _wrong_codes(values: npt.NDArray[Any], codes: Codes) -> str:
    seen = ", ".join(f"{v:g}" for v in np.unique(values)[:5].tolist())
    return (
        f"label values {seen} are no codes of this data set ({describe(codes)}); "
        "if its files mean other codes, say so with --labels CODE=MEANING or --challenge"
    )
