"""What the workload of brain scans says of itself."""

from app.records import ScoreFamily
from app.workloads.brats.commands.flags import EvaluateBrats, PredictBrats, PrepareBrats, TrainBrats
from app.workloads.brats.commands.synthesize import SynthesizeBrats
from app.workloads.declaration import Declaration

REGIONS = {"WT": "whole tumour", "TC": "tumour core", "ET": "enhancing tumour", "whole": "whole tumour"}

BRATS = Declaration(
    workload="app.workloads.brats.workload:BratsWorkload",
    scores=(
        ScoreFamily(
            "dice",
            "Dice",
            "Dice is the overlap of prediction and truth, from 0 (none) to 1 (identical)",
            parts=REGIONS,
            mean_title="Dice over the regions",
        ),
        ScoreFamily(
            "hd95_mm",
            "HD95 (mm)",
            "HD95 is the distance in mm that 95 % of the boundary stays within",
            better="lower",
            parts=REGIONS,
            decimals=1,
        ),
    ),
    prepare={"brats": PrepareBrats},
    train={"brats": TrainBrats},
    evaluate={"brats": EvaluateBrats},
    predict={"brats": PredictBrats},
    synthesize={"brats": SynthesizeBrats},
    check="app.workloads.brats.checks:check",
    export="app.workloads.brats.inference.export:form",
    recipes="app.workloads.brats.recipes:RECIPES",
    later_facts=("spacing_mm", "resampling"),
)
