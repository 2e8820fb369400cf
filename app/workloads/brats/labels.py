"""Label codes and regions. Everything past the reading of a file uses the internal codes.

Internal: 0 background, 1 necrotic or non-enhancing core, 2 edema, 3 enhancing tumour.
Regions as BraTS scores them: WT whole tumour = {1, 2, 3}, TC tumour core = {1, 3}, ET enhancing tumour = {3}.
A resection cavity is background: BraTS 2024 (arXiv 2405.18368) counts it to none of the three, and scores it apart.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.workloads.volumes import labels
from app.workloads.volumes.anatomy import Anatomy
from app.workloads.volumes.labels import BACKGROUND, Codes

Layout = Literal["msd", "nnunet", "brats2021", "brats2023"]
"""How the files of a data set are named."""

CORE, EDEMA, ENHANCING = 1, 2, 3

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

BRAIN = Anatomy(
    modalities=("FLAIR", "T1w", "T1gd", "T2w"),
    meanings={str(meaning): code for meaning, code in INTERNAL.items()},
    regions=REGIONS,
    outputs=OUTPUT_REGIONS,
    painted={"WT": EDEMA, "TC": CORE, "ET": ENHANCING},
)
"""Brain tumours, in scans whose skull was removed."""


def codes_of(which: str | Codes) -> Codes:
    """A challenge's codes by its name; others as they are."""
    return FILE_CODES[which] if isinstance(which, str) else which


def to_internal(label: npt.NDArray[Any], codes: str | Codes) -> npt.NDArray[np.uint8]:
    """As app.workloads.volumes.labels.to_internal, of a challenge's codes by its name too."""
    return labels.to_internal(label, codes_of(codes), BRAIN)


def to_file_codes(internal: npt.NDArray[np.uint8], codes: str | Codes) -> npt.NDArray[np.uint8]:
    """As app.workloads.volumes.labels.to_file_codes, of a challenge's codes by its name too."""
    return labels.to_file_codes(internal, codes_of(codes), BRAIN)


def lacking_meanings(codes: Codes) -> list[str]:
    """The kinds of tumour that no code stands for."""
    return labels.lacking_meanings(codes, BRAIN)


def region_masks(internal: npt.NDArray[np.uint8], outputs: str = "regions") -> npt.NDArray[np.bool_]:
    """Membership of each voxel in each region: [...] -> [C, ...], channels as in OUTPUT_REGIONS[outputs]."""
    return labels.region_masks(internal, outputs, BRAIN)


def from_regions(regions: npt.NDArray[np.bool_], outputs: str = "regions") -> npt.NDArray[np.uint8]:
    """Internal codes of region masks [C, ...]; of `whole` every tumour voxel becomes edema."""
    return labels.from_regions(regions, outputs, BRAIN)
