"""One case, as MSD has it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.workloads.volumes.source.case_files import CaseFiles

Images = Callable[..., npt.NDArray[np.generic]]
Write = Callable[..., str]


@pytest.fixture
def case(tmp_path: Path, write_nifti: Write, image_xyzc: Images, label_xyz: npt.NDArray[np.uint8]) -> CaseFiles:
    """One MSD case."""
    image = write_nifti(tmp_path / "raw" / "A.nii.gz", image_xyzc(0))
    return CaseFiles("A", (image,), write_nifti(tmp_path / "raw" / "A_label.nii.gz", label_xyz))
