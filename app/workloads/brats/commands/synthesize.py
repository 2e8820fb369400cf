"""jobs/synthesize.py on brain scans: its flags, and the work."""

import time
from dataclasses import dataclass
from typing import Literal

from app.workloads.declaration import SynthesizeFlags


@dataclass(frozen=True)
class SynthesizeBrats(SynthesizeFlags):
    """Brain tumour volumes: four MRI contrasts and a segmentation a case."""

    layout: Literal["msd", "brats2021", "brats2023"] = "msd"
    """The data set to look like: MSD Task01, BraTS 2021 or BraTS 2023."""
    num_cases: int = 24
    """Cases with a label."""
    num_test_cases: int = 4
    """Cases without."""
    shape: tuple[int, int, int] = (240, 240, 155)
    """Voxels along X Y Z; a voxel is 1 mm wide."""

    def synthesize(self, num_processes: int) -> None:
        from app.console import say
        from app.data.synthetic_folder import follow
        from app.workloads.brats.synthetic import data_sets

        start_s = time.monotonic()
        which = data_sets.SyntheticSet(self.layout, self.num_cases, self.num_test_cases, self.shape, self.seed)
        missing = data_sets.open_set(self.out, which)
        done = data_sets.write_cases(self.out, which, missing, num_processes)
        follow(self.out, done, len(missing), which.num_cases + which.num_test_cases, "cases")
        data_sets.finish_set(self.out, which)
        counts = f"{which.num_cases} cases with a label, {which.num_test_cases} without"
        say(f"{self.out}: layout {which.layout}, {counts}, {time.monotonic() - start_s:.1f} s")
