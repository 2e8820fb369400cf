"""Label codes and regions. Everything past the reading of a file uses the internal codes.

Internal: 0 background, 1 necrotic or non-enhancing core, 2 edema, 3 enhancing tumour.
Regions as BraTS scores them: WT whole tumour = {1, 2, 3}, TC tumour core = {1, 3}, ET enhancing tumour = {3}.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Layout = Literal["msd", "brats2021", "brats2023"]

BACKGROUND, CORE, EDEMA, ENHANCING = 0, 1, 2, 3
NUM_CODES = 4

FILE_CODES: dict[Layout, dict[int, int]] = {
    # MSD Task01's dataset.json: 1 edema, 2 non-enhancing tumour, 3 enhancing tumour
    "msd": {0: BACKGROUND, 1: EDEMA, 2: CORE, 3: ENHANCING},
    # BraTS 2017 to 2021 (arXiv 2107.02314): 1 necrotic core, 2 edema, 4 enhancing tumour
    "brats2021": {0: BACKGROUND, 1: CORE, 2: EDEMA, 4: ENHANCING},
    # BraTS 2023 and later (arXiv 2305.17033): 1 necrotic core, 2 edema, 3 enhancing tumour
    "brats2023": {0: BACKGROUND, 1: CORE, 2: EDEMA, 3: ENHANCING},
}
"""File code -> internal code, for each layout."""

REGIONS: dict[str, tuple[int, ...]] = {
    "WT": (CORE, EDEMA, ENHANCING),
    "TC": (CORE, ENHANCING),
    "ET": (ENHANCING,),
}
"""Region -> internal codes in it, in the order of the `regions` output's channels."""

OUTPUT_REGIONS: dict[str, tuple[str, ...]] = {"whole": ("WT",), "regions": ("WT", "TC", "ET")}
"""Output mode -> its channels. `whole` is the seed study's binary task."""

LABEL_ROUNDING = 1e-3
"""Values so near to a whole number are meant to be it. Assumed: far above what float32 and resaving make."""
MAX_LABEL_ROUNDING = 0.05
"""Even where the file scales by coarser steps: codes 0 to 4 in 8 bits are scaled by steps of 0.016."""

_NOT_A_CODE = 255


def to_internal(label: npt.NDArray[Any], layout: Layout) -> npt.NDArray[np.uint8]:
    """Internal codes of a label as it is in its file; any shape, any numeric type.

    Raises:
        ValueError: a value that is no code of the layout (a fraction, a NaN, another number); names a few.
    """
    codes = FILE_CODES[layout]
    if label.dtype == np.uint8:
        small = label
    else:
        whole = (label >= 0) & (label < 256) & (label == np.floor(label))
        if not whole.all():
            raise ValueError(_wrong_codes(label[~whole], layout))
        small = label.astype(np.uint8)
    table = np.full(256, _NOT_A_CODE, np.uint8)
    table[list(codes)] = list(codes.values())
    internal: npt.NDArray[np.uint8] = table[small]
    wrong = internal == _NOT_A_CODE
    if wrong.any():
        raise ValueError(_wrong_codes(small[wrong], layout))
    return internal


def to_file_codes(internal: npt.NDArray[np.uint8], layout: Layout) -> npt.NDArray[np.uint8]:
    """The inverse of `to_internal`."""
    table = np.zeros(NUM_CODES, np.uint8)
    for code, ours in FILE_CODES[layout].items():
        table[ours] = code
    codes: npt.NDArray[np.uint8] = table[internal]
    return codes


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
            f"label values {seen} are not whole numbers; wanted codes, or values within {allowed:.2g} of one"
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


def _wrong_codes(values: npt.NDArray[Any], layout: Layout) -> str:
    seen = ", ".join(f"{v:g}" for v in np.unique(values)[:5].tolist())
    return f"label values {seen} are no codes of the layout {layout} ({sorted(FILE_CODES[layout])})"
