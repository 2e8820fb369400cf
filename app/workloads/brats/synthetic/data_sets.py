"""Synthetic data sets in the folders and files of the real ones: MSD Task01, BraTS 2021, BraTS 2023.

A file's bytes depend on the set's seed, the volume's shape, the layout and the case's number alone, not on how many
cases or processes there are. A set that was interrupted is finished by the same call.
"""

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from app.configuration import to_dict
from app.data import files
from app.data.synthetic_folder import open_folder, write_in_processes
from app.errors import UsageError
from app.workloads.brats.labels import Layout, to_file_codes
from app.workloads.brats.source.layouts import DATASET_JSON, MODALITIES, SUFFIXES
from app.workloads.brats.synthetic.case import MIN_LENGTH, make_case

GENERATOR_VERSION = 1
"""Raised whenever the same seed gives other bytes than before."""

GZIP_LEVEL = 1
"""Measured on full-size cases: level 6 takes 3x the time for 4 % fewer bytes, for noise does not compress."""

PROCESS_BYTES, PROCESS_BYTES_PER_VOXEL = 40 * 2**20, 36
"""Memory of a process that makes cases (measured: 36 MiB at the start, 341 MiB at 240 x 240 x 155)."""

FIRST_CASE: dict[Layout, int] = {"msd": 1, "brats2021": 0, "brats2023": 0}
FIRST_TEST_CASE: dict[Layout, int] = {"msd": 485, "brats2021": 1667, "brats2023": 1667}
"""The numbers of the first cases; tests come after the last number of the real training cases."""


@dataclass(frozen=True)
class SyntheticSet:
    """Which data set: equal sets have equal files."""

    layout: Layout = "msd"
    num_cases: int = 24
    num_test_cases: int = 4
    """Cases without a label."""
    shape: tuple[int, int, int] = (240, 240, 155)
    """Voxels of a volume along X Y Z, of 1 mm each."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_cases < 0 or self.num_test_cases < 0 or self.num_cases + self.num_test_cases < 1:
            raise UsageError(
                f"got {self.num_cases} cases and {self.num_test_cases} test cases, expected counts from 0, not both 0"
            )
        if min(self.shape) < MIN_LENGTH:
            raise UsageError(f"got a shape of {self.shape} voxels, expected at least {MIN_LENGTH} along each axis")
        if self.seed < 0:
            raise UsageError(f"got seed {self.seed}, expected a number from 0")


@dataclass(frozen=True)
class SetCase:
    """A case of a set: its number, which also seeds it, its name, and whether its label is given."""

    number: int
    id: str
    labelled: bool


def list_cases(which: SyntheticSet) -> list[SetCase]:
    """All cases of a set, labelled ones first."""
    first = FIRST_CASE[which.layout]
    first_test = max(FIRST_TEST_CASE[which.layout], first + which.num_cases)
    numbers = [(first + i, True) for i in range(which.num_cases)]
    numbers += [(first_test + i, False) for i in range(which.num_test_cases)]
    return [SetCase(number, _case_id(which.layout, number), labelled) for number, labelled in numbers]


def case_files(layout: Layout, case: SetCase) -> list[str]:
    """Paths in the set's folder: the image, or the four modalities as in MODALITIES, then the label if there is one."""
    if layout == "msd":
        name = f"{case.id}.nii.gz"
        return [f"imagesTr/{name}", f"labelsTr/{name}"] if case.labelled else [f"imagesTs/{name}"]
    separator, modalities = SUFFIXES[layout]
    names = [*modalities, "seg"] if case.labelled else modalities
    return [f"{case.id}/{case.id}{separator}{name}.nii.gz" for name in names]


def open_set(folder: str, which: SyntheticSet) -> list[SetCase]:
    """Begin a set in a new or empty folder, or go on with the same one; returns the cases that are missing.

    Raises:
        UsageError: the folder holds something else.
        DataError: it cannot be written.
    """
    open_folder(folder, {"generator": GENERATOR_VERSION, **to_dict(which)})

    def is_missing(case: SetCase) -> bool:
        return not all(files.exists(files.join(folder, path)) for path in case_files(which.layout, case))

    return [case for case in list_cases(which) if is_missing(case)]


def write_cases(folder: str, which: SyntheticSet, cases: list[SetCase], num_processes: int) -> Iterator[str]:
    """Write cases in parallel; yields the id of each as soon as it is whole.

    Raises:
        DataError: the folder cannot be written, or its disk is full.
        ResourceError: a process was killed, most likely because memory ran out.
    """
    num_bytes = PROCESS_BYTES + PROCESS_BYTES_PER_VOXEL * math.prod(which.shape)
    return write_in_processes(partial(write_case, folder, which), cases, num_processes, num_bytes)


def write_case(folder: str, which: SyntheticSet, case: SetCase) -> str:
    """Make a case and write its files, each whole or not at all; returns its id."""
    made = make_case(which.seed, case.number, (which.shape[2], which.shape[1], which.shape[0]))
    volumes: list[npt.NDArray[Any]] = [made.image] if which.layout == "msd" else list(made.image)
    if case.labelled:
        volumes.append(to_file_codes(made.label, which.layout))
    for path, volume in zip(case_files(which.layout, case), volumes, strict=True):
        files.write_bytes_atomic(files.join(folder, path), encode_nifti(volume, which.layout))
    return case.id


def finish_set(folder: str, which: SyntheticSet) -> None:
    """Write what describes the whole set; last, so that a set that is described is complete."""
    if which.layout == "msd":
        files.write_json(files.join(folder, DATASET_JSON), describe_msd(which))


def describe_msd(which: SyntheticSet) -> dict[str, Any]:
    """The content of dataset.json, with the keys of the real one."""
    paths = [[f"./{path}" for path in case_files("msd", case)] for case in list_cases(which)]
    return {
        "name": "BRATS",
        "description": "Synthetic brains with tumours in the format of MSD Task01; no patient's data",
        "reference": f"made by a program: seed {which.seed}, shape {which.shape}",
        "licence": "none needed",
        "release": f"generator {GENERATOR_VERSION}",
        "tensorImageSize": "4D",
        "modality": {str(i): "t1gd" if name == "T1gd" else name for i, name in enumerate(MODALITIES)},
        "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
        "numTraining": which.num_cases,
        "numTest": which.num_test_cases,
        "training": [{"image": image, "label": label} for image, label in paths[: which.num_cases]],
        "test": [path for (path,) in paths[which.num_cases :]],
    }


def encode_nifti(volume: npt.NDArray[Any], layout: Layout) -> bytes:
    """A .nii.gz of a RAS+ volume [..., D, H, W]: RAS+ in the file for `msd`, LPS+ for the others, as theirs are."""
    from nibabel.nifti1 import Nifti1Header  # here: listing a set does not need it

    affine = np.eye(4)
    if layout != "msd":  # BraTS: x and y run to the right's and the front's opposite, from world (0, 239, 0)
        affine[:3, :3] = np.diag([-1, -1, 1])
        affine[1, 3] = volume.shape[-2] - 1
        volume = volume[..., ::-1, ::-1]
    kind: Any = Nifti1Header
    header = kind()
    header.set_data_dtype(volume.dtype)
    header.set_data_shape(volume.shape[:-4:-1] + volume.shape[:-3])
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    header.set_xyzt_units("mm", "sec")
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = header.single_vox_offset
    content = header.binaryblock.ljust(header.single_vox_offset, b"\0") + volume.tobytes()
    return gzip.compress(content, GZIP_LEVEL, mtime=0)  # no time: same case, same bytes


def _case_id(layout: Layout, number: int) -> str:
    return {
        "msd": f"BRATS_{number:03d}",
        "brats2021": f"BraTS2021_{number:05d}",
        "brats2023": f"BraTS-GLI-{number:05d}-000",
    }[layout]
