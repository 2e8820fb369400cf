"""Brain tumour segmentation as the engine sees it."""

from app.workloads.brats.task import BratsTask
from app.workloads.volumes.workload import VolumeWorkload


class BratsWorkload(VolumeWorkload):
    """Brain tumours."""

    name = "brats"
    task_type = BratsTask
