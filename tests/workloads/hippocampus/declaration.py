"""What the workload says of itself. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.configuration import from_dict
from app.records import ScoreFamily
from app.workloads.declaration import Declaration, Engine, EvaluateFlags, PredictFlags, PrepareFlags, TrainFlags
from app.workloads.volumes.checks import check_task
from hippocampus.task import HippocampusTask


@dataclass(frozen=True)
class PrepareHippocampus(PrepareFlags):
    """MSD Task04: imagesTr and labelsTr, as dataset.json lists them."""

    seed: int = 0
    """Seed of the split into 70/15/15 %."""

    def prepare(self, engine: Engine) -> None:
        from hippocampus.prepare import prepare

        prepare(self, engine)


@dataclass(frozen=True, kw_only=True)
class TrainHippocampus(TrainFlags):
    """Segmentation of the hippocampus in 3D."""

    workload = "hippocampus"
    task: HippocampusTask = field(default_factory=HippocampusTask)


@dataclass(frozen=True, kw_only=True)
class EvaluateHippocampus(EvaluateFlags):
    """Dice and 95 % Hausdorff distance of each part, on every case's own grid."""

    workloads = ("hippocampus",)

    def conventions(self) -> tuple[str, ...]:
        from app.workloads.volumes.inference.evaluation import CONVENTIONS

        return CONVENTIONS


@dataclass(frozen=True, kw_only=True)
class PredictHippocampus(PredictFlags):
    """Labels of scans, on the scans' own grids."""

    items = "scans"
    model: str
    """Folder of a run."""

    def exported(self) -> tuple[str, str]:
        return self.model, "hippocampus"

    def predict(self, engine: Engine) -> None:
        from hippocampus.predict import predict

        predict(self, engine)


def check(options: Mapping[str, Any], store: str) -> HippocampusTask:
    """The task, which the store can train and validate; told before torch is imported."""
    return check_task(from_dict(HippocampusTask, options, "task"), store)


PARTS = {"anterior": "head", "posterior": "body and tail", "hippocampus": "all of it"}
DICE = "Dice is the overlap of prediction and truth, from 0 (none) to 1 (identical)"
HD95 = "HD95 is the distance in mm that 95 % of the boundary stays within"
HIPPOCAMPUS = Declaration(
    workload="hippocampus.workload:HippocampusWorkload",
    scores=(
        ScoreFamily("dice", "Dice", DICE, parts=PARTS, mean_title="Dice over the parts"),
        ScoreFamily("hd95_mm", "HD95 (mm)", HD95, better="lower", parts=PARTS, decimals=1),
    ),
    prepare={"hippocampus": PrepareHippocampus},
    train={"hippocampus": TrainHippocampus},
    recipes="hippocampus.recipes:RECIPES",
    evaluate={"hippocampus": EvaluateHippocampus},
    predict={"hippocampus": PredictHippocampus},
    check="hippocampus.declaration:check",
    later_facts=("spacing_mm", "labels"),
)
