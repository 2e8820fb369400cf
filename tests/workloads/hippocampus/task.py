"""What is segmented, and the options with their defaults for volumes of about 35 x 50 x 35 voxels."""

from dataclasses import dataclass
from typing import Literal

from app.workloads.volumes.anatomy import Anatomy
from app.workloads.volumes.task import VolumeTask

HIPPOCAMPUS = Anatomy(
    modalities=("MRI",),
    meanings={"background": 0, "anterior": 1, "posterior": 2},
    regions={"anterior": (1,), "posterior": (2,), "hippocampus": (1, 2)},
    outputs={"parts": ("anterior", "posterior"), "hippocampus": ("hippocampus",)},
    painted={"anterior": 1, "posterior": 2, "hippocampus": 1},
    has_empty_background=False,
)
CODES = {0: "background", 1: "anterior", 2: "posterior"}
"""Of Task04's labels, as its dataset.json has them."""


@dataclass(frozen=True)
class HippocampusTask(VolumeTask):
    """The two parts of the hippocampus, or all of it."""

    anatomy = HIPPOCAMPUS
    outputs: Literal["parts", "hippocampus"] = "parts"
    filters: tuple[int, ...] = (8, 16, 32)
    patch_size: tuple[int, int, int] = (32, 32, 32)
