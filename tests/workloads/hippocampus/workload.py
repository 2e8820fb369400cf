"""The training is that of all volumes; only the task is another."""

from app.workloads.volumes.workload import VolumeWorkload
from hippocampus.task import HippocampusTask


class HippocampusWorkload(VolumeWorkload):
    name = "hippocampus"
    task_type = HippocampusTask
