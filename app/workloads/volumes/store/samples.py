"""The training samples of a prepared store: patches, or whole volumes as DistMIS takes them."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.data.samples.feeding import Samples
from app.data.samples.splits import TRAIN
from app.errors import DataError, UsageError
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepared import VolumeStore

Mode = Literal["patch", "whole"]
Triple = tuple[int, int, int]

JITTER_SHARE = 0.25
"""A patch around a voxel of the label is moved by up to this share of its size, so that the voxel is not always its
centre; assumed: it keeps the voxel well inside."""


@dataclass(frozen=True)
class VolumeSamples(Samples):
    """Implements app.workloads.base.Samples: row -> case `row // samples_per_case` of the training split, by id.

    `patch`: a box of `patch_size` (z, y, x) in the stored box, around a voxel of the label with probability
    `foreground_share`, else anywhere; all drawn from the sample's own seed.
    `whole`: the original RAS+ volume, cropped or zero-padded to `patch_size`; nothing is random.
    """

    store: VolumeStore
    patch_size: Triple
    samples_per_case: int = 1
    foreground_share: float = 1 / 3
    mode: Mode = "patch"

    def __post_init__(self) -> None:
        if self.samples_per_case < 1 or min(self.patch_size) < 1 or not 0 <= self.foreground_share <= 1:
            raise UsageError(
                f"got {self.samples_per_case} samples a case, patches of {self.patch_size} and a foreground share of "
                f"{self.foreground_share}; expected at least 1, at least 1 voxel a side, and a share from 0 to 1"
            )
        cases = self.store.split(TRAIN)
        if not cases:
            raise DataError(f"the store {self.store.root} has no training case among its {len(self.store.cases)} cases")
        object.__setattr__(self, "_cases", cases)

    @property
    def cases(self) -> list[Case]:
        cases: list[Case] = self.__dict__["_cases"]
        return cases

    def __len__(self) -> int:
        return len(self.cases) * self.samples_per_case

    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> dict[str, npt.NDArray[Any]]:
        """Read samples, B = len(rows), D H W = patch_size:

        image int16 [B, M, D, H, W] as stored, label uint8 [B, 1, D, H, W] in internal codes, gain and bias float32
        [B, M]: network input = image * gain + bias where any modality is not 0, else 0.
        """
        size = len(rows)
        num = self.cases[0].num_modalities
        image = np.empty((size, num, *self.patch_size), np.int16)
        label = np.empty((size, 1, *self.patch_size), np.uint8)
        cases = [self.cases[int(row) // self.samples_per_case] for row in rows]
        for i, (case, seed) in enumerate(zip(cases, seeds, strict=True)):
            voxels = self.store.read_patch(case, self.start_of(case, int(seed)), self.patch_size)
            image[i] = voxels[:num]
            label[i, 0] = voxels[num]
        return {
            "image": image,
            "label": label,
            "gain": np.stack([case.gain for case in cases]),
            "bias": np.stack([case.bias for case in cases]),
        }

    def start_of(self, case: Case, seed: int) -> Triple:
        """Where the sample with this seed begins, z, y, x in the stored box."""
        if self.mode == "whole":
            return whole_start(case, self.patch_size)
        rng = np.random.Generator(np.random.Philox(key=seed))
        wants_label = rng.random() < self.foreground_share
        free = np.asarray(case.crop_shape) - self.patch_size
        if wants_label and len(case.foreground):
            start = self._around_label(case, rng)
        else:
            start = rng.integers(0, np.maximum(free, 0) + 1)
        # a box smaller than the patch is put in its middle
        z, y, x = (int(v) for v in np.where(free < 0, free // 2, np.clip(start, 0, np.maximum(free, 0))))
        return z, y, x

    def _around_label(self, case: Case, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """First a code that is present, then one of its voxels: small parts come as often as large ones."""
        code = rng.choice(np.unique(case.foreground[:, 0]))
        voxels = case.foreground[case.foreground[:, 0] == code, 1:]
        size = np.asarray(self.patch_size)
        reach = (size * JITTER_SHARE).astype(np.int64)
        start: npt.NDArray[np.int64] = voxels[rng.integers(len(voxels))] - size // 2 + rng.integers(-reach, reach + 1)
        return start


def whole_start(case: Case, canvas: Triple) -> Triple:
    """Where a canvas in the middle of the original RAS+ volume begins, z, y, x in the stored box (may be negative).

    An odd surplus is cut at the beginning: 155 -> 152 drops the first two slices and the last, as DistMIS does.
    """
    z, y, x = (
        (n - wanted + 1) // 2 - crop for n, wanted, crop in zip(case.shape_zyx, canvas, case.crop_start, strict=True)
    )
    return z, y, x
