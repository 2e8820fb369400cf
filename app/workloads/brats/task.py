"""The options of the brain-tumour workload."""

from dataclasses import dataclass
from typing import Literal

from app.workloads.brats import labels
from app.workloads.volumes.task import VolumeTask

Outputs = Literal["whole", "regions"]


@dataclass(frozen=True)
class BratsTask(VolumeTask):
    """Brain tumours."""

    anatomy = labels.BRAIN
    outputs: Outputs = "regions"
    """`whole`: one channel, the whole tumour (the seed's); `regions`: WT, TC and ET."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """The regions; `whole` where that is all."""
        return ("whole",) if self.outputs == "whole" else self.regions
