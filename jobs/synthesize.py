"""Make a small or full-size data set of invented cases in the exact format of a real one."""

import time
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SynthesizeBrats:
    """Brain tumour volumes: four MRI contrasts and a segmentation a case."""

    out: str
    """Folder to make; started again with the same flags, the job finishes what is missing in it."""
    layout: Literal["msd", "brats2021", "brats2023"] = "msd"
    """The data set to look like: MSD Task01, BraTS 2021 or BraTS 2023."""
    num_cases: int = 24
    """Cases with a label."""
    num_test_cases: int = 4
    """Cases without."""
    shape: tuple[int, int, int] = (240, 240, 155)
    """Voxels along X Y Z; a voxel is 1 mm wide."""
    seed: int = 0
    """Another seed gives other brains; the same one gives the same bytes."""
    num_processes: int | None = None
    """Cases made at a time; as many as there are cores if not given."""


def main(arguments: SynthesizeBrats) -> None:
    from app.console import progress, say
    from app.workloads.brats import synthetic

    start_s = time.monotonic()
    num_processes = synthetic.num_usable_cores() if arguments.num_processes is None else arguments.num_processes
    if num_processes < 1:
        raise ValueError(f"--num-processes: got {num_processes}, wanted 1 or more")
    which = synthetic.SyntheticSet(
        arguments.layout, arguments.num_cases, arguments.num_test_cases, arguments.shape, arguments.seed
    )
    missing = synthetic.open_set(arguments.out, which)
    num_cases = which.num_cases + which.num_test_cases
    if len(missing) < num_cases:
        say(f"{arguments.out}: {num_cases - len(missing)} of {num_cases} cases are there")
    with progress("synthesize", len(missing)) as advance:
        for case_id in synthetic.write_cases(arguments.out, which, missing, num_processes):
            advance(1, case_id)
    synthetic.finish_set(arguments.out, which)
    counts = f"{which.num_cases} cases with a label, {which.num_test_cases} without"
    say(f"{arguments.out}: layout {which.layout}, {counts}, {time.monotonic() - start_s:.1f} s")


if __name__ == "__main__":
    from app.command_line import run

    run({"brats": SynthesizeBrats}, main, description=__doc__)
