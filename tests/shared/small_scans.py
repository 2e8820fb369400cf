"""Scans of 12^3 voxels in BraTS 2021's folders, for tests of what happens around them."""

from pathlib import Path

import nibabel as nib
import numpy as np


def write_scans(folder: Path, num_cases: int) -> np.random.Generator:
    """A cube as brain, all of it tumour; the generator that drew its voxels."""
    rng = np.random.default_rng(0)
    for number in range(num_cases):
        case = f"BraTS2021_{number:05d}"
        (folder / case).mkdir(parents=True)
        for name in ("flair", "t1", "t1ce", "t2", "seg"):
            voxels = np.zeros((12, 12, 12), np.uint8 if name == "seg" else np.int16)
            voxels[2:10, 2:10, 2:10] = 1 if name == "seg" else rng.integers(1, 500, (8, 8, 8))
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / case / f"{case}_{name}.nii.gz")
    return rng


def make_store(folder: Path) -> Path:
    """A store of eight of them."""
    from app.workloads.brats.store.plan import plan_store
    from app.workloads.volumes.store.build_store import finish_store
    from app.workloads.volumes.store.prepare import prepare_or_keep

    write_scans(folder / "scans", 8)
    _, tasks = plan_store(str(folder / "scans"), str(folder / "store"), "in-order")
    finish_store(str(folder / "store"), [prepare_or_keep(task) for task in tasks], 0.0)
    return folder / "store"
