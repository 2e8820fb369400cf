"""The toy workload of the unit tests with steps that take their time, so that a fault finds a training in its middle.

Its networks are too small for threads to share, so its losses are the same to the last bit wherever it runs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from toy import ToyTask, ToyWorkload

from app.configuration import from_dict
from app.workloads.base import Batch


@dataclass(frozen=True)
class SlowTask(ToyTask):
    step_s: float = 0.0
    """Added to each step."""


class SlowWorkload(ToyWorkload):
    name = "slow"

    def parse_task(self, options: Mapping[str, Any]) -> SlowTask:
        return from_dict(SlowTask, options)

    def forward(self, task: ToyTask, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        assert isinstance(task, SlowTask)
        time.sleep(task.step_s)
        return super().forward(task, model, inputs)
