"""Measured values of one modality as int16 with a scale: background 0, contrast kept where a few voxels are extreme.

What is background is known exactly or not at all: it is 0, or the constant that fills the border where 0 does not.
Files that are whole numbers within int16, with a 0 in a corner, are taken as they are.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import UsageError
from app.workloads.volumes.scans.notes import note

Int16Array = npt.NDArray[np.int16]
BoolArray = npt.NDArray[np.bool_]

INT16_MAX = 32767
MIN_INTENSITY = 1e-30
"""Assumed: below it a float volume holds no signal, and its scale would leave the range of float32."""
MIN_BORDER_SHARE = 0.5
"""Share of the voxels on the six faces that a constant fills. Assumed: a brain reaches through one or two faces at
most."""
HEADROOM = 8.0
"""Values beyond so many times the 99th percentile of what is not background are extreme, and cut to that. Assumed: far
beyond vessels and enhancement; what is not extreme keeps 4,096 steps."""
NUM_SAMPLED = 1 << 16
"""Voxels that tell whether a volume may have extremes. Assumed: of 65,536, a brain leaves some ten thousand."""

BORDER_CONSTANT = "a constant other than 0 fills the border, it counts as background"
EXTREMES = f"extreme values were cut to {HEADROOM:g} times the 99th percentile"


@dataclass(frozen=True)
class Stored:
    """Measured value = values * scale; 0 is background."""

    values: Int16Array
    scale: float
    notes: tuple[str, ...]
    unknown: BoolArray | None = None
    """Where the file has NaN or infinity and `values` 0; None where there are none. Only right outside of the organ
    (conditioning refuses them elsewhere)."""


def to_stored(data: npt.NDArray[Any], step: float, name: str) -> Stored:
    """Stored values of one modality [Z, Y, X].

    Integers that fit are kept exactly with scale 1; other values are spread over +-32767.

    Args:
        step: between neighbouring values, where the file scales whole numbers: what is within half of it counts as 0.
        name: of the modality, for notes.

    Raises:
        UsageError: without signal.
    """
    if data.dtype.kind == "f" and not (known := np.isfinite(data)).all():
        return replace(to_stored(np.where(known, data, data.dtype.type(0)), step, name), unknown=~known)
    if step:
        data = np.where(np.abs(data) <= step * 0.505, data.dtype.type(0), data)  # half, and rounding in float32
    background = border_constant(data)
    notes = (note(BORDER_CONSTANT, f"{name} {background:.6g}"),) if background else ()
    fits = data.dtype.kind in "iu" and np.can_cast(data.dtype, np.int16)
    low, high = (0.0, 0.0) if fits else (float(data.min()), float(data.max()))
    if not fits and max(-low, high) <= INT16_MAX:
        fits = data.dtype.kind != "f" or bool((data == np.rint(data)).all())
    if fits:
        values: Int16Array = data.astype(np.int16, copy=False)
        if background:
            values = np.where(values == np.int16(background), np.int16(0), values)
        return Stored(values, 1.0, notes)
    largest, is_cut = _largest(data, max(-low, high), background)
    if largest < MIN_INTENSITY:
        raise UsageError(f"is empty: no value beyond {largest:g}")
    scale = largest / INT16_MAX
    steps = data / np.asarray(scale, data.dtype if data.dtype.kind == "f" else np.float64)
    if background:
        steps[data == background] = 0
    if is_cut:
        num_cut = int(np.count_nonzero(np.abs(steps) > INT16_MAX))
        np.clip(steps, -INT16_MAX, INT16_MAX, out=steps)
        notes = (*notes, note(EXTREMES, f"{name} {num_cut} voxels beyond {largest:.6g}, up to {max(-low, high):.6g}"))
    return Stored(np.rint(steps, out=steps).astype(np.int16), scale, notes)


def border_constant(data: npt.NDArray[Any]) -> float:
    """The value that fills most of the border where no corner is 0; 0 where there is none."""
    corners = data[np.ix_(*((0, -1),) * 3)].ravel()
    if not corners.all():
        return 0.0
    seen, counts = np.unique(corners, return_counts=True)
    constant = seen[counts.argmax()]
    faces = [data[side] for axis in range(3) for side in _sides(axis)]
    num_filled = sum(int(np.count_nonzero(face == constant)) for face in faces)
    if num_filled < MIN_BORDER_SHARE * sum(face.size for face in faces) or bool((data == constant).all()):
        return 0.0
    return float(constant)


def _sides(axis: int) -> list[tuple[Any, ...]]:
    return [(slice(None),) * axis + (end,) for end in (0, -1)]


def _largest(data: npt.NDArray[Any], extent: float, background: float) -> tuple[float, bool]:
    """The magnitude that becomes 32767, and whether values lie beyond it; `extent`: the largest magnitude of all.

    A sample tells that there are no extremes; that there are is decided by all values.
    """
    flat = data.reshape(-1)
    sample = flat[:: len(flat) // NUM_SAMPLED | 1]
    if not background and extent <= HEADROOM * _usual(sample, background):
        return extent, False
    most = HEADROOM * _usual(flat, background)
    found = flat[flat != background] if background else flat
    largest = max(-float(found.min()), float(found.max()))
    return (largest, False) if largest <= most or most < MIN_INTENSITY else (most, True)


def _usual(values: npt.NDArray[Any], background: float) -> float:
    """The 99th percentile of magnitudes that are neither 0 nor background; 0 where there are none."""
    magnitudes = np.abs(values[(values != 0) & (values != background)], dtype=np.float64)
    return float(np.percentile(magnitudes, 99)) if len(magnitudes) else 0.0
