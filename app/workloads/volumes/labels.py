"""Label codes and regions of any anatomy. Everything past the reading of a file uses the internal codes."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import UsageError
from app.workloads.volumes.anatomy import Anatomy

BACKGROUND = 0
"""In every anatomy."""

Codes = Mapping[int, str]
"""File code -> what it stands for, one of an anatomy's meanings."""

LABEL_ROUNDING = 1e-3
"""Values so near to a whole number are meant to be it. Assumed: far above what float32 and resaving make."""
MAX_LABEL_ROUNDING = 0.05
"""Even where the file scales by coarser steps: codes 0 to 4 in 8 bits are scaled by steps of 0.016."""

_NOT_A_CODE = 255


def describe(codes: Codes) -> str:
    """Such as `0=background 1=core 2=edema 3=enhancing`."""
    return " ".join(f"{code}={codes[code]}" for code in sorted(codes))


def described_meanings(text: str) -> list[str]:
    """The meanings that `describe` has written."""
    return re.findall(r"\d+=(.*?)(?= \d+=|$)", text)


def to_internal(label: npt.NDArray[Any], codes: Codes, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    """Internal codes of a label as it is in its file; any shape, any numeric type.

    Raises:
        UsageError: a value that is none of the codes (a fraction, a NaN, another number); names a few.
    """
    if label.dtype == np.uint8:
        small = label
    else:
        whole = (label >= 0) & (label < 256) & (label == np.floor(label))
        if not whole.all():
            raise UsageError(_wrong_codes(label[~whole], codes))
        small = label.astype(np.uint8)
    table = np.full(256, _NOT_A_CODE, np.uint8)
    table[list(codes)] = [anatomy.meanings[meaning] for meaning in codes.values()]
    internal: npt.NDArray[np.uint8] = table[small]
    wrong = internal == _NOT_A_CODE
    if wrong.any():
        raise UsageError(_wrong_codes(small[wrong], codes))
    return internal


def to_file_codes(internal: npt.NDArray[np.uint8], codes: Codes, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    """The inverse of `to_internal`; of several codes with one meaning the lowest is written.

    Raises:
        UsageError: something but background has no code.
    """
    if lacking := lacking_meanings(codes, anatomy):
        raise UsageError(f"the codes {describe(codes)} have none for {' and '.join(lacking)}")
    table = np.zeros(anatomy.num_codes, np.uint8)
    for code in sorted(codes, reverse=True):
        table[anatomy.meanings[codes[code]]] = code
    table[BACKGROUND] = 0
    written: npt.NDArray[np.uint8] = table[internal]
    return written


def lacking_meanings(codes: Codes, anatomy: Anatomy) -> list[str]:
    """What of the anatomy, but background, no code stands for."""
    wanted = [meaning for meaning, internal in anatomy.meanings.items() if internal != BACKGROUND]
    return [meaning for meaning in wanted if meaning not in codes.values()]


def region_masks(internal: npt.NDArray[np.uint8], outputs: str, anatomy: Anatomy) -> npt.NDArray[np.bool_]:
    """Membership of each voxel in each region: [...] -> [C, ...] bool, channels as in the anatomy's outputs."""
    regions = anatomy.region_codes(anatomy.outputs[outputs])
    table = np.zeros((len(regions), anatomy.num_codes), np.bool_)
    for row, codes in zip(table, regions, strict=True):
        row[list(codes)] = True
    stack: npt.NDArray[np.bool_] = np.stack([row[internal] for row in table])
    return stack


def to_whole(label: npt.NDArray[Any], step: float = 0.0) -> tuple[npt.NDArray[Any], float]:
    """A label's values as whole numbers, and how far from them the farthest was; any shape, any numeric type.

    Args:
        label: as in its file.
        step: between neighbouring values, where the file scales whole numbers; half of it is a rounding error too.

    Raises:
        UsageError: a value that is not nearly whole; names a few.
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
        raise UsageError(
            f"label values {seen} are not whole numbers; expected codes, or values within {allowed:.2g} of one"
        )
    return whole, float(distance.max())


def from_regions(regions: npt.NDArray[np.bool_], outputs: str, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    """Internal codes of region masks [C, ...], channels as in the anatomy's outputs.

    The later region wins where masks disagree: of brain tumours the inner one, so that a voxel in ET is enhancing even
    when WT misses it.
    """
    internal = np.full(regions.shape[1:], BACKGROUND, np.uint8)
    for mask, name in zip(regions, anatomy.outputs[outputs], strict=True):
        internal[mask] = anatomy.painted[name]
    return internal


def _wrong_codes(values: npt.NDArray[Any], codes: Codes) -> str:
    seen = ", ".join(f"{v:g}" for v in np.unique(values)[:5].tolist())
    return (
        f"label values {seen} are no codes of this data set ({describe(codes)}); "
        "if its files mean other codes, say so with --labels CODE=MEANING or --challenge"
    )
