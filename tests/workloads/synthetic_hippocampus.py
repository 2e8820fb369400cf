"""Small scans in the true format of MSD Task04: 3D NIfTI files of one modality, labels 0, 1 and 2, dataset.json."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

SHAPE = (35, 50, 36)
"""x, y, z; about the size of Task04's."""
LAS = np.diag([-1.0, 1.0, 1.0, 1.0])
"""As some of the tools write that people use: x grows to the left."""


def draw(number: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """A bent tube on noisy tissue, brighter than what is around it; its front half is `anterior`."""
    random = np.random.default_rng(number)
    x, y, z = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    centre = np.array(SHAPE) / 2 + random.uniform(-3, 3, 3)
    bend = centre[2] + 4 * np.sin((y - centre[1]) / 12)
    inside = ((x - centre[0]) ** 2 + (z - bend) ** 2 < 49) & (np.abs(y - centre[1]) < 17)
    label = np.where(inside, np.where(y > centre[1], 1, 2), 0).astype(np.uint8)
    brightness = np.array([200.0, 420.0, 330.0])[label]
    return (brightness + random.normal(0, 25, SHAPE)).clip(1).astype(np.float32), label


def write_task04(folder: Path, num_cases: int, num_test: int = 1) -> None:
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True)
    training, test = [], []
    for number in range(num_cases + num_test):
        image, label = draw(number)
        name = f"hippocampus_{number:03d}.nii.gz"
        grid = LAS if number % 2 else np.eye(4)
        where = "imagesTr" if number < num_cases else "imagesTs"
        nib.save(nib.Nifti1Image(image, grid), folder / where / name)
        if number < num_cases:
            nib.save(nib.Nifti1Image(label, grid), folder / "labelsTr" / name)
            training.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
        else:
            test.append(f"./imagesTs/{name}")
    facts = {
        "name": "Hippocampus",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": training,
        "test": test,
    }
    (folder / "dataset.json").write_text(json.dumps(facts))
