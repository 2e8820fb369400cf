"""Flags of the jobs on brain scans; the work is imported when it begins."""

from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import UsageError
from app.workloads.brats.task import BratsTask
from app.workloads.declaration import Engine, EvaluateFlags, PredictFlags, PrepareFlags, TrainFlags


@dataclass(frozen=True)
class PrepareBrats(PrepareFlags):
    """Brain tumour volumes: MSD Task01, nnU-Net's folders, BraTS 2018 to 2021, 2023 and later (the layout is
    recognised)."""

    split: Literal["seeded", "in-order", "folds"] = "seeded"
    """70/15/15 % of the patients: by a hash of each, or in the order of the data set (as DistMIS does); `folds`:
    by the hash into --num-folds parts, of which --fold tests, the next validates and all others train."""
    seed: int = 0
    """Seed of the seeded split and of folds."""
    num_folds: int = 5
    fold: int = 0
    """Counted from 0; also of a file of --splits that has several."""
    splits: str | None = None
    """A split of one's own: a CSV file with the columns case and split (train, validation, test), or nnU-Net's
    splits_final.json. Every labelled case must be there once."""
    patients: str | None = None
    """A CSV file with the columns case and patient: all scans of a patient go to one split. If not given, names such as
    BraTS-GLI-PPPPP-TTT say it; `none`: every scan counts as a patient of its own."""
    spacing_mm: tuple[float, float, float] | None = None
    """Voxel size along x, y, z that scans are brought to for training; if not given, the median of the labelled cases.
    Scans that differ by 5 % or less stay as they are."""
    resampling: bool = True
    """`--no-resampling` keeps all scans as they are."""
    labels: tuple[str, ...] = ()
    """What codes of the labels mean, such as 1=core 2=edema 4=enhancing; counts before what dataset.json or the
    challenge say of these codes. Meanings: background, core, edema, enhancing, cavity (of a resection: background)."""
    challenge: Literal["msd", "brats2021", "brats2023", "brats2024", "brats2024-ped"] | None = None
    """Whose codes the labels have, where neither dataset.json's names nor those of the files tell, or tell it wrong."""
    allow_outside: bool = False
    """Read files outside of the data set, where dataset.json or links lead there."""

    def check(self) -> None:
        super().check()
        if self.spacing_mm is not None and min(self.spacing_mm) <= 0:
            raise UsageError(f"--spacing-mm: got {self.spacing_mm}, expected three positive lengths in mm")

    def prepare(self, engine: Engine) -> None:
        from app.workloads.brats.commands.prepare import prepare

        prepare(self, engine)


@dataclass(frozen=True, kw_only=True)
class TrainBrats(TrainFlags):
    """Brain tumour segmentation in 3D."""

    workload = "brats"
    task: BratsTask = field(default_factory=BratsTask)


@dataclass(frozen=True, kw_only=True)
class EvaluateBrats(EvaluateFlags):
    """Dice and 95 % Hausdorff distance of each region, over sliding windows."""

    workloads = ("brats",)
    overlap: float | None = None
    """Share of a window that its neighbour covers; the run's own final_overlap (0.5) if not given."""
    flips: bool = False
    """Average over the eight flips: eight times the work."""
    resampling: bool = True
    """A case whose voxels are not the training's is resampled for the network, and scored on its own grid."""

    def task_options(self) -> dict[str, Any]:
        return window_options(self.overlap, self.flips, self.resampling)

    def conventions(self) -> tuple[str, ...]:
        from app.workloads.volumes.inference.evaluation import CONVENTIONS

        return CONVENTIONS


@dataclass(frozen=True, kw_only=True)
class PredictBrats(PredictFlags):
    """Brain tumours in four MRI contrasts, in any orientation."""

    items = "scans"
    model: str
    """Folder (or URL) of a run, as jobs/train.py made it, or of an exported model."""
    input: tuple[str, ...] = ()
    """Scans: 4D NIfTI files (FLAIR, T1w, T1gd, T2w), one modality file of a BraTS or nnU-Net case (the others are found
    beside it), or folders of them as MSD Task01, nnU-Net and BraTS from 2018 on have them."""
    out: str | None = None
    """Folder for CASE.nii.gz and CASE.png; those already there are replaced."""
    truth: str | None = None
    """True label, or a folder of them named like the cases: drawn into the pictures."""
    flips: bool = False
    """Average over the eight flips: eight times the work."""
    overlap: float | None = None
    """Share of a window that its neighbour covers; the run's own final_overlap (0.5) if not given."""
    resampling: bool = True
    """A scan whose voxels are not the training's is resampled for the network, and the result brought back."""
    label_codes: Literal["auto", "msd", "brats2021", "brats2023", "brats2024", "brats2024-ped"] = "auto"
    """Codes of the written labels; auto: those of the input's own (msd for a 4D file). The last line names them."""
    labels: tuple[str, ...] = ()
    """CODE=MEANING of the inputs' own labels and of --truth, as jobs/prepare.py takes them."""
    challenge: Literal["msd", "brats2021", "brats2023", "brats2024", "brats2024-ped"] | None = None
    """Whose codes the inputs' own labels and --truth have."""
    allow_outside: bool = False
    """Read files outside of the inputs' folders, where dataset.json or links lead there."""

    def exported(self) -> tuple[str, str]:
        return self.model, "brats"

    def predict(self, engine: Engine) -> None:
        from app.workloads.brats.commands.predict import predict

        predict(self, engine)

    def task_options(self) -> dict[str, Any]:
        """The task's options that the flags replace."""
        return window_options(self.overlap, self.flips, self.resampling)


def window_options(overlap: float | None, flips: bool, resampling: bool) -> dict[str, Any]:
    """Those of a task that flags replace; the others stay the run's own."""
    given = {} if overlap is None else {"final_overlap": overlap}
    as_it_is = {} if resampling else {"resampling": False}
    return {**given, **({"mirror": True} if flips else {}), **as_it_is}
