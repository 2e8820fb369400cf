"""A brain with its tissues, in coordinates that scale with the volume: what synthetic cases are made of.

Shapes: D H W run from inferior to superior, posterior to anterior and left to right (the transposed RAS+ volume), N is
the number of voxels inside the brain. Lengths are shares of the brain's semi-axes unless a name says otherwise.
The constants are assumed, chosen by eye against published BraTS figures, unless they say more.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]

SEMI_AXES = (0.43, 0.36, 0.29)
"""Semi-axes of the brain along D H W as shares of the volume: 67, 86 and 70 voxels of 155 x 240 x 240, 1.5 litres at 1
mm."""

BOX_MARGIN = 1.12
"""The boundary is deformed by less than this; everything is computed in a box of this many semi-axes."""

SPLINE_STD = (151 / 315) ** 1.5
"""Standard deviation of a 3D cubic B-spline whose knots are standard normal: 151/315 is the mean over a knot interval
of the sum of the squares of the four weights."""


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], num_intervals: int) -> FloatArray:
    """A smooth random field of mean 0 and standard deviation 1, shape D H W: a cubic B-spline with random knots.

    Taps are summed one by one, in plain elementwise arithmetic, so that the bits do not depend on threads.
    """
    field = rng.standard_normal((num_intervals + 3,) * 3, dtype=np.float32) / np.float32(SPLINE_STD)
    for axis in (2, 1, 0):  # rows along W stay whole in the large takes at the end
        size = shape[axis]
        position = (np.arange(size) + 0.5) * (num_intervals / size)
        first = np.minimum(position.astype(np.int64), num_intervals - 1)
        t = position - first
        weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        along = tuple(size if a == axis else 1 for a in range(3))
        taps = ((first + k, (weight / 6).astype(np.float32).reshape(along)) for k, weight in enumerate(weights))
        field = sum_of(np.take(field, rows, axis=axis) * weight for rows, weight in taps)
    return field


def sum_of(parts: Iterator[FloatArray]) -> FloatArray:
    """Sum in place of the first part: no temporary for each addition."""
    total = next(parts)
    for part in parts:
        total += part
    return total


def ramp(values: FloatArray, low: float, high: float) -> FloatArray:
    """0 below `low`, 1 above `high`, linear between: soft edges, as partial volumes have."""
    share: FloatArray = np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return share


@dataclass(frozen=True)
class Head:
    """The geometry of one brain: a box of the volume, and in it the coordinates and the mask."""

    box: Box
    shape: tuple[int, int, int]
    """Shape of the box."""
    semi_axes: tuple[float, float, float]
    """In voxels, along D H W."""
    axes: tuple[FloatArray, FloatArray, FloatArray]
    """Coordinates of the box's voxels, shapes D 1 1, 1 H 1, 1 1 W, from about -1.1 to 1.1; 0 is the brain's centre."""
    inside: BoolArray
    """Brain or not, shape D H W of the box."""
    depth: FloatArray
    """0 at the brain's surface, 1 at its centre, shape N."""

    def gather(self, field: FloatArray) -> FloatArray:
        """The values of a field of the box inside the brain, shape N."""
        return field[self.inside]

    def inside_axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coordinates of the voxels inside the brain, each of shape N."""
        z, y, x = (self.gather(np.broadcast_to(axis, self.shape)) for axis in self.axes)
        return z, y, x


def make_head(rng: np.random.Generator, volume_shape: tuple[int, int, int]) -> Head:
    """Place a brain of random size, position and outline in a volume of shape D H W."""
    size = rng.uniform(0.9, 1.03)
    box: list[slice] = []
    axes: list[FloatArray] = []
    semi_axes: list[float] = []
    for axis, (length, share) in enumerate(zip(volume_shape, SEMI_AXES, strict=True)):
        semi_axis = length * share * size * rng.uniform(0.96, 1.04)
        centre = length * (0.5 + rng.uniform(-0.015, 0.015))
        start = max(0, int(centre - BOX_MARGIN * semi_axis))
        stop = min(length, int(centre + BOX_MARGIN * semi_axis) + 1)
        coordinates = (np.arange(start, stop) + 0.5 - centre) / semi_axis
        box.append(slice(start, stop))
        axes.append(coordinates.astype(np.float32).reshape(tuple(-1 if a == axis else 1 for a in range(3))))
        semi_axes.append(semi_axis)
    z, y, x = axes
    shape = (z.size, y.size, x.size)
    flattened_base = np.where(z < 0, z * np.float32(1.12), z)
    narrow_front = x * (1 + np.float32(0.12) * y)
    shifted = narrow_front + np.float32(rng.uniform(-0.04, 0.04)) * y  # no skull is symmetric
    radius = np.sqrt(flattened_base**2 + y**2 + shifted**2)
    radius += np.float32(0.035) * np.clip(smooth_noise(rng, shape, 4), -2, 2)
    inside = radius < 1
    return Head(
        (box[0], box[1], box[2]),
        shape,
        (semi_axes[0], semi_axes[1], semi_axes[2]),
        (z, y, x),
        inside,
        1 - radius[inside],
    )


@dataclass(frozen=True)
class Tissues:
    """Shares of each tissue in each voxel of the brain, shape N each. CSF, grey and white matter add up to one."""

    csf: FloatArray
    grey: FloatArray
    white: FloatArray
    vessel: FloatArray
    """Bright after gadolinium, as enhancing tumour is."""
    plexus: FloatArray
    """Choroid plexus: bright after gadolinium, in the ventricles."""
    lesion_like: FloatArray
    """White-matter changes of old age around the ventricles: bright on FLAIR, as edema is, and no tumour."""


def make_tissues(rng: np.random.Generator, head: Head) -> Tissues:
    """Folded cortex, deep grey matter, ventricles, vessels."""
    z, y, x = head.inside_axes()
    fold = np.abs(head.gather(smooth_noise(rng, head.shape, 20)))
    wobble = head.gather(smooth_noise(rng, head.shape, 8))
    midline = np.abs(x + np.float32(0.012) * wobble)

    shallow = 1 - ramp(head.depth, 0.14, 0.32)
    sulci = (1 - ramp(fold, 0.08, 0.3)) * shallow * np.float32(rng.uniform(0.75, 1.0))
    surface = (1 - ramp(head.depth, 0.0, 0.03)) * np.float32(0.6)
    fissure = (1 - ramp(midline, 0.012, 0.035)) * ramp(np.sqrt(z**2 + y**2), 0.42, 0.5)
    ventricles = _ventricles(rng, z, y, x, wobble)
    csf = np.maximum.reduce([sulci, surface, fissure, ventricles[0]])

    ribbon = (1 - ramp(fold, 0.45, 0.75)) * (1 - ramp(head.depth, 0.22, 0.4))
    cortex = np.maximum(1 - ramp(head.depth, 0.05, 0.1), ribbon)
    nuclei = _deep_nuclei(z, y, x, wobble)
    grey = (1 - csf) * np.maximum(cortex, nuclei)
    vessel = _vessels(rng, head, z, y, midline)
    around = ramp(ventricles[1], -0.45, -0.25) * ramp(wobble, 0.5, 1.2) * np.float32(rng.uniform(0, 1) ** 2)
    plexus = ramp(ventricles[0], 0.5, 1) * ramp(wobble, 0.9, 1.3)
    white = (1 - csf) - grey
    return Tissues(csf, grey, white, vessel, plexus, around * white)


def _ventricles(
    rng: np.random.Generator, z: FloatArray, y: FloatArray, x: FloatArray, wobble: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Share of ventricle, and a field that is 0 on the walls of the lateral ventricles and negative outside."""
    width = rng.uniform(0.7, 1.6)
    spread = 0.10 + 0.16 * np.maximum(0, -y)  # the horns part towards the back
    height = 0.10 - 0.35 * y * y
    walls = np.full_like(x, -np.inf)
    for side in (-1, 1):
        own_width = width * rng.uniform(0.85, 1.15)
        across = (side * x - spread) * np.float32(1 / (0.065 * own_width))
        along = (y + 0.05) * np.float32(1 / 0.5)
        up = (z - height) * np.float32(1 / (0.1 * own_width**0.5))
        walls = np.maximum(walls, 1 - np.sqrt(across**2 + along**2 + up**2) + np.float32(0.15) * wobble)
    third = 1 - np.sqrt((x / np.float32(0.022 * width)) ** 2 + (y / np.float32(0.22)) ** 2 + ((z + 0.1) / 0.17) ** 2)
    return np.maximum(ramp(walls, -0.1, 0.15), ramp(third, -0.2, 0.2)), walls.astype(np.float32)


def _deep_nuclei(z: FloatArray, y: FloatArray, x: FloatArray, wobble: FloatArray) -> FloatArray:
    """Thalamus and striatum of both sides, as shares."""
    width = np.abs(x)
    thalamus = ((width - 0.13) / 0.1) ** 2 + ((y + 0.12) / 0.17) ** 2 + ((z + 0.05) / 0.14) ** 2
    striatum = ((width - 0.3) / 0.1) ** 2 + ((y - 0.14) / 0.22) ** 2 + ((z + 0.02) / 0.18) ** 2
    nearest = np.sqrt(np.minimum(thalamus, striatum)) + np.float32(0.15) * wobble
    return (1 - ramp(nearest, 0.85, 1.1)) * np.float32(0.85)


def _vessels(rng: np.random.Generator, head: Head, z: FloatArray, y: FloatArray, midline: FloatArray) -> FloatArray:
    """Winding tubes (where two random fields are both near zero) and the sagittal sinus on top of the midline."""
    first, second = (head.gather(smooth_noise(rng, head.shape, 8)) for _ in range(2))
    width = np.float32(rng.uniform(0.09, 0.14))
    tubes = 1 - ramp(np.sqrt(first**2 + second**2) / width, 0.8, 1.4)
    height = (z - np.abs(y) / 2).astype(np.float32)
    sinus = (1 - ramp(midline, 0.025, 0.05)) * (1 - ramp(head.depth, 0.05, 0.09)) * ramp(height, 0.0, 0.1)
    vessels: FloatArray = np.maximum(tubes, sinus)
    return vessels
