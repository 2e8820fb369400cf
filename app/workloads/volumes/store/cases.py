"""A case of a prepared store: one row of its manifest, all that training and evaluation need besides the voxels."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import DataError

FLOAT_TUPLE = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """Order of axes is z, y, x unless said otherwise; of modalities as the workload's Anatomy has them: M of them."""

    id: str
    patient: str
    """Who was scanned; all of a patient's cases are in one split."""
    split: str
    has_label: bool
    file: str
    """The frame, relative to the store."""
    layout: str
    """How the source's files are named."""
    labels: str
    """What its label's codes mean, such as `0=background 1=core 2=edema 4=enhancing`."""
    sources: tuple[str, ...]
    """Image files, then the label."""
    source_stamps: tuple[str, ...]
    """Size and time of change of each source; a case whose sources changed is prepared again."""
    file_shape: tuple[int, int, int]
    """x, y, z as in the source."""
    affine: FLOAT_TUPLE
    """16 numbers, rows of the source's 4x4 matrix: voxel (x, y, z) to mm."""
    orientation: str
    """Such as "LPS": where the source's x, y and z grow."""
    shape_zyx: tuple[int, int, int]
    """Shape of the whole volume in RAS+, in stored voxels."""
    spacing_mm: tuple[float, float, float]
    """Size of a stored voxel."""
    source_spacing_mm: tuple[float, float, float]
    """Size of a voxel of the source; differs from the stored one where a training case was resampled."""
    crop_start: tuple[int, int, int]
    """Where the stored box begins in the RAS+ volume."""
    crop_shape: tuple[int, int, int]
    scale: FLOAT_TUPLE
    """Measured value = stored value * scale, for each modality."""
    mean: FLOAT_TUPLE
    """Mean of the measured values inside the organ, for each modality."""
    std: FLOAT_TUPLE
    num_voxels: tuple[int, ...]
    """Stored voxels of each internal label code in the whole volume; zeros without a label."""
    num_bytes: int
    """Size of the frame."""
    crc32: int
    """Checksum of the frame."""
    foreground: npt.NDArray[np.int16] = field(repr=False)
    """[n, 4]: label code, then z, y, x in the stored box; at most 256 voxels of each code but background, drawn
    by the id."""
    notes: tuple[str, ...]
    """What was changed or assumed in reading it (app.workloads.volumes.scans.notes)."""

    @property
    def num_modalities(self) -> int:
        return len(self.scale)

    @property
    def gain(self) -> npt.NDArray[np.float32]:
        """[M]: network input = stored value * gain + bias inside the organ."""
        return input_factors(self.scale, self.mean, self.std)[0]

    @property
    def bias(self) -> npt.NDArray[np.float32]:
        return input_factors(self.scale, self.mean, self.std)[1]

    def to_row(self) -> dict[str, Any]:
        """Plain values and lists, for JSON and Parquet."""
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        row["foreground"] = self.foreground.ravel().tolist()
        return {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()}

    @staticmethod
    def from_row(row: Mapping[str, Any], where: str) -> "Case":
        """Raises DataError when the row is not of this version's form; `where` names its file."""
        names = {f.name for f in dataclasses.fields(Case)}
        if set(row) != names:
            differing = sorted(set(row) ^ names)
            raise DataError(f"{where} is damaged or of another version (fields {differing}): run jobs/prepare.py again")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        values["foreground"] = np.asarray(row["foreground"], np.int16).reshape(-1, 4)
        return Case(**values)


def input_factors(
    scale: FLOAT_TUPLE, mean: FLOAT_TUPLE, std: FLOAT_TUPLE
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """gain and bias of each modality, as a store's case gives them: input = stored * gain + bias inside the organ."""
    gain = np.asarray(scale) / np.asarray(std)
    return gain.astype(np.float32), (-np.asarray(mean) / np.asarray(std)).astype(np.float32)
