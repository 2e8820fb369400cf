"""The synthetic volumes that the benchmarks share, made once into the work folder by the project's own jobs."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common import ROOT, Setting, host, say

if TYPE_CHECKING:
    from app.records import StudyRecord

FULL_SHAPE = (240, 240, 155)
"""x, y, z of every case of MSD Task01."""
QUICK_SHAPE = (128, 128, 104)
NUM_FULL_CASES = 24
NUM_QUICK_CASES = 4
SEED = 1


@dataclass(frozen=True)
class Data:
    """A data set in MSD Task01's layout and the store prepared from it."""

    source: Path
    store: Path
    shape: tuple[int, int, int]
    """x, y, z of each volume."""
    case_ids: tuple[str, ...]

    def image(self, case_id: str) -> Path:
        return self.source / "imagesTr" / f"{case_id}.nii.gz"

    def label(self, case_id: str) -> Path:
        return self.source / "labelsTr" / f"{case_id}.nii.gz"


def make(setting: Setting, full_shape: tuple[int, int, int] = FULL_SHAPE) -> Data:
    """The data set of this setting; made where it is not there yet."""
    shape = setting.choose(full_shape, QUICK_SHAPE)
    num_cases = setting.choose(NUM_FULL_CASES, NUM_QUICK_CASES)
    name = f"brats-{num_cases}x{'x'.join(map(str, shape))}-seed{SEED}"
    source, store = setting.work / "data" / name, setting.work / "stores" / name
    if not (source / "dataset.json").exists():
        say(f"making {num_cases} synthetic cases of {shape} voxels")
        size = [str(n) for n in shape]
        run_job(
            "synthesize.py", "brats", "--out", str(source), "--num-cases", str(num_cases), "--num-test-cases", "0",
            "--shape", *size, "--seed", str(SEED),
        )  # fmt: skip
    if not (store / "manifest.parquet").exists():
        run_job("prepare.py", "brats", "--source", str(source), "--store", str(store))
    listed = json.loads((source / "dataset.json").read_text())["training"]
    ids = tuple(sorted(Path(entry["image"]).name.removesuffix(".nii.gz") for entry in listed))
    return Data(source, store, shape, ids)


def run_job(script: str, *arguments: str, **variables: str) -> None:
    """Run one of the project's jobs as a user would, but for this: Ray's workers keep the priority of this process, as
    those of a peer do, where Ray would lower it. With further environment variables."""
    environment = {**os.environ, "RAY_worker_niceness": "0", **variables}
    subprocess.run([sys.executable, str(ROOT / "jobs" / script), *arguments], cwd=ROOT, env=environment, check=True)


def study_record(folder: Path) -> "StudyRecord":
    """What a study left, with the records of its trials."""
    from app.reporting.study.study_files import read_study

    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("record.json")}
    return read_study(str(folder), files).record


def held_out(found: Data) -> list[str]:
    """Cases that no training of the project sees: validation and test splits of the store."""
    from app.workloads.volumes.store.prepared import VolumeStore

    store = VolumeStore(str(found.store))
    return [case.id for split in ("test", "validation") for case in store.split(split)]


def fixed_numerics() -> list[str]:
    """Flags of jobs/train.py: what this CPU runs fastest, fixed so that all runs of a comparison agree."""
    features = host()["cpu_features"]
    precision = "bf16" if features["avx512_bf16"] or features["amx_bf16"] else "fp32"
    return ["--precision", precision, "--channels-last", "yes"]
