"""Tiny volumes in the true layouts, whose every voxel a test can know."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

SHAPE_XYZ = (24, 20, 16)
BRAIN = (slice(3, 21), slice(2, 17), slice(1, 14))
"""x, y, z of the box that holds all that is not 0."""


def _volume(seed: int, dtype: npt.DTypeLike = np.int16) -> npt.NDArray[np.generic]:
    """[x, y, z, 4] with values from 100 to 999 in BRAIN, 0 outside."""
    rng = np.random.default_rng(seed)
    volume = np.zeros((*SHAPE_XYZ, 4), dtype)
    volume[BRAIN] = rng.integers(100, 1000, volume[BRAIN].shape)
    return volume


def _label() -> npt.NDArray[np.uint8]:
    """[x, y, z] with MSD's codes: 1 edema in 6x6x6, in it 3 enhancing 4x4x4, in it 2 core 2x2x2."""
    label = np.zeros(SHAPE_XYZ, np.uint8)
    label[6:12, 5:11, 4:10] = 1
    label[7:11, 6:10, 5:9] = 3
    label[8:10, 7:9, 6:8] = 2
    return label


@pytest.fixture
def image_xyzc() -> Callable[..., npt.NDArray[np.generic]]:
    return _volume


@pytest.fixture
def label_xyz() -> npt.NDArray[np.uint8]:
    return _label()


@pytest.fixture
def write_nifti() -> Callable[..., str]:
    def write(path: Path, data: npt.NDArray[np.generic], affine: npt.NDArray[np.float64] | None = None) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
        return str(path)

    return write


@pytest.fixture
def make_msd(tmp_path: Path, write_nifti: Callable[..., str]) -> Callable[..., Path]:
    """A data set of MSD's layout: `num_cases` labelled ones and `num_test` without."""

    def make(num_cases: int = 3, num_test: int = 0, name: str = "Task01_BrainTumour") -> Path:
        root = tmp_path / name
        ids = [f"BRATS_{i + 1:03d}" for i in range(num_cases + num_test)]
        for i, case in enumerate(ids):
            labelled = i < num_cases
            write_nifti(root / ("imagesTr" if labelled else "imagesTs") / f"{case}.nii.gz", _volume(i))
            if labelled:
                write_nifti(root / "labelsTr" / f"{case}.nii.gz", _label())
        training = [{"image": f"./imagesTr/{i}.nii.gz", "label": f"./labelsTr/{i}.nii.gz"} for i in ids[:num_cases]]
        facts = {
            "name": "BRATS",
            "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
            "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
            "training": training,
            "test": [f"./imagesTs/{i}.nii.gz" for i in ids[num_cases:]],
        }
        (root / "dataset.json").write_text(json.dumps(facts))
        return root

    return make
