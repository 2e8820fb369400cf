"""One synthetic case: a brain with tumours as four MRI contrasts would show it, and its segmentation.

Meant to be hard enough to need context: edema, grey matter and CSF overlap in intensity, the coil's bias field and the
scanner's noise move them further, vessels and choroid plexus enhance as tumour does. A case is a function of its seed,
its index and its shape alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.errors import UsageError
from app.workloads.brats.labels import CORE, EDEMA, ENHANCING
from app.workloads.brats.synthetic.anatomy import FloatArray, Head, Tissues, make_head, make_tissues, ramp, smooth_noise

MIN_LENGTH = 24
"""Voxels along an axis below which cortex and tumours are no longer resolved (assumed)."""

INTENSITIES = {  # FLAIR, T1w, T1gd, T2w; white matter on T1w is about 0.9
    "csf": (0.22, 0.28, 0.28, 1.45),
    "grey": (0.84, 0.66, 0.72, 0.88),
    "white": (0.68, 0.90, 0.94, 0.62),
    "vessel": (0.45, 0.55, 1.45, 0.35),
    "plexus": (0.75, 0.55, 1.30, 1.05),
    "lesion_like": (1.20, 0.68, 0.72, 1.02),
    "edema": (1.16, 0.60, 0.66, 1.14),
    "core": (0.92, 0.52, 0.58, 1.06),
    "necrosis": (0.52, 0.34, 0.38, 1.38),
    "enhancing": (0.98, 0.64, 1.42, 1.00),
}
"""Relative intensity of each tissue on each contrast; assumed, their order as radiology has it."""

SHARE_WITHOUT_ENHANCING = 0.15
SHARE_WITHOUT_NECROSIS = 0.05


@dataclass(frozen=True)
class SyntheticCase:
    """image: int16, shape C D H W (FLAIR, T1w, T1gd, T2w), 0 outside the brain and only there. label: uint8, D H W."""

    image: npt.NDArray[np.int16]
    label: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Tumour:
    """Signed depths (positive inside, about 1 at a centre), shape N: the whole tumour, its core, the necrosis in it."""

    whole: FloatArray
    core: FloatArray
    necrosis: FloatArray
    enhances: FloatArray
    """Share of enhancement of the living core, 0 to 1."""


def make_case(seed: int, index: int, volume_shape: tuple[int, int, int]) -> SyntheticCase:
    """Case `index` of the set that `seed` chooses, in a volume of shape D H W.

    Raises:
        UsageError: an axis shorter than MIN_LENGTH voxels, or a negative seed or index.
    """
    if min(volume_shape) < MIN_LENGTH:
        raise UsageError(f"got a volume of {volume_shape} voxels, expected at least {MIN_LENGTH} along each axis")
    if seed < 0 or index < 0:
        raise UsageError(f"got seed {seed} and case {index}, expected numbers from 0")
    rng = np.random.default_rng([seed, index])
    head = make_head(rng, volume_shape)
    tissues = make_tissues(rng, head)
    tumour = make_tumour(rng, head, tissues)
    label = np.zeros(volume_shape, np.uint8)
    label[head.box][head.inside] = label_voxels(tumour, tissues)
    image = np.zeros((4, *volume_shape), np.int16)
    for modality in range(4):
        image[modality][head.box][head.inside] = _contrast(rng, modality, head, tissues, tumour)
    return SyntheticCase(image, label)


def label_voxels(tumour: Tumour, tissues: Tissues) -> npt.NDArray[np.uint8]:
    """Label of each voxel inside the brain, shape N. Edema does not enter CSF; the core displaces it."""
    label = np.zeros(tumour.whole.shape, np.uint8)
    core = tumour.core > 0
    label[(tumour.whole > 0) & (tissues.csf < 0.5)] = EDEMA
    label[core] = CORE
    label[core & (tumour.necrosis <= 0) & (tumour.enhances > 0.5)] = ENHANCING
    return label


def make_tumour(rng: np.random.Generator, head: Head, tissues: Tissues) -> Tumour:
    """One to three lesions of one nature; outlines deformed by noise."""
    enhancing, necrotic = rng.random() >= SHARE_WITHOUT_ENHANCING, rng.random() >= SHARE_WITHOUT_NECROSIS
    whole, core, necrosis = (np.full(head.shape, -1, np.float32) for _ in range(3))
    outline = 0.75 * smooth_noise(rng, head.shape, 7) + 0.35 * smooth_noise(rng, head.shape, 18)
    inner = 0.7 * smooth_noise(rng, head.shape, 9) + 0.4 * smooth_noise(rng, head.shape, 20)
    num_lesions = int(rng.choice([1, 2, 3], p=[0.65, 0.25, 0.10]))
    for lesion in range(num_lesions):
        radius = rng.uniform(0.26, 0.50) * (1.0 if lesion == 0 else rng.uniform(0.4, 0.7))
        core_radius = radius * rng.uniform(0.42, 0.78)
        centre = _lesion_centre(rng, radius)
        stretch = _random_stretch(rng)
        part, distance = _distances(head, centre, stretch, 1.9 * radius)
        whole[part] = np.maximum(whole[part], 1 - distance / radius - 0.38 * outline[part])
        off_centre = centre + rng.uniform(-0.2, 0.2, 3) * (radius - core_radius)
        _, core_distance = _distances(head, off_centre, stretch, 0, part)
        core[part] = np.maximum(core[part], 1 - core_distance / core_radius - 0.34 * inner[part])
        if necrotic:
            share = rng.uniform(0.45, 0.8)
            depth = 1 - core_distance / (core_radius * share) - 0.25 * outline[part] - 0.15 * inner[part]
            necrosis[part] = np.maximum(necrosis[part], depth)
    patches = head.gather(smooth_noise(rng, head.shape, 12))
    enhances = ramp(patches, -1.5, -1.1) if enhancing else np.zeros_like(patches)
    core_inside = head.gather(core)
    along_fibres = head.gather(whole) - np.float32(0.25) * tissues.grey  # edema spreads in white matter
    return Tumour(np.maximum(along_fibres, core_inside), core_inside, head.gather(necrosis), enhances)


def _lesion_centre(rng: np.random.Generator, radius: float) -> npt.NDArray[np.float64]:
    """A point D H W that keeps most of the lesion in the brain and off the brain stem."""
    while True:
        centre = rng.uniform(-0.8, 0.8, 3)
        if np.linalg.norm(centre) < 0.92 - 0.6 * radius and centre[0] > -0.55 and abs(centre[2]) > 0.12:
            return centre


def _random_stretch(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A random rotation followed by a stretch of each axis, of determinant about 1."""
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    stretch: npt.NDArray[np.float64] = np.diag(np.exp(rng.uniform(-0.25, 0.25, 3))) @ rotation
    return stretch


def _distances(
    head: Head,
    centre: npt.NDArray[np.float64],
    stretch: npt.NDArray[np.float64],
    reach: float,
    part: tuple[slice, ...] | None = None,
) -> tuple[tuple[slice, ...], FloatArray]:
    """Distances from `centre` in the part of the box within `reach` of it, as shares of the mean semi-axis."""
    mean_semi_axis = float(np.prod(head.semi_axes)) ** (1 / 3)
    scales = [semi_axis / mean_semi_axis for semi_axis in head.semi_axes]
    flat = [axis.reshape(-1) for axis in head.axes]
    if part is None:
        edges = zip(flat, centre, scales, strict=True)
        part = tuple(slice(*np.searchsorted(a, [c - reach / s, c + reach / s])) for a, c, s in edges)
    ranges = zip(flat, part, centre, scales, strict=True)
    z, y, x = np.ix_(*((a[p] - np.float32(c)) * np.float32(s) for a, p, c, s in ranges))
    squares = [(np.float32(row[0]) * z + np.float32(row[1]) * y + np.float32(row[2]) * x) ** 2 for row in stretch]
    return part, np.sqrt(squares[0] + squares[1] + squares[2])


def _contrast(
    rng: np.random.Generator, modality: int, head: Head, tissues: Tissues, tumour: Tumour
) -> npt.NDArray[np.int16]:
    """The measured values of one contrast inside the brain, shape N, 1 or more."""
    level = {name: np.float32(values[modality] * rng.uniform(0.93, 1.07)) for name, values in INTENSITIES.items()}
    signal = level["csf"] * tissues.csf + level["grey"] * tissues.grey + level["white"] * tissues.white

    def mix(name: str, share: FloatArray) -> None:
        nonlocal signal
        signal = signal + share * (level[name] - signal)

    texture = head.gather(smooth_noise(rng, head.shape, 22))
    mix("lesion_like", tissues.lesion_like)
    mix("edema", ramp(tumour.whole, -0.06, 0.16) * (1 - tissues.csf) * np.float32(rng.uniform(0.6, 0.95)))
    mix("plexus", tissues.plexus)
    mix("vessel", tissues.vessel)
    core = ramp(tumour.core, -0.05, 0.07)
    mix("core", core)
    mix("enhancing", core * tumour.enhances * np.float32(rng.uniform(0.7, 1.0)))
    mix("necrosis", ramp(tumour.necrosis, -0.06, 0.1) * ramp(tumour.core, 0, 0.07))

    bias = 0.13 * smooth_noise(rng, head.shape, 2) + 0.05 * smooth_noise(rng, head.shape, 5)
    signal = signal * (1 + np.float32(0.06) * texture) * np.exp(head.gather(bias))
    spread = np.float32(rng.uniform(0.045, 0.08))  # of the noise of each of the two receiver channels
    real, imaginary = (rng.standard_normal(signal.size, dtype=np.float32) * spread for _ in range(2))
    measured = np.sqrt((signal + real) ** 2 + imaginary**2)  # Rician, as magnitude images are
    gain = np.float32(np.exp(rng.uniform(np.log(150), np.log(700))))  # scanners have no common unit
    values: npt.NDArray[np.int16] = np.clip(np.rint(measured * gain), 1, 32767).astype(np.int16)
    return values
