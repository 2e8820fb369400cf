"""The project's training of any workload, opened for driving it step by step: numerics chosen, network, optimizer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.machine import num_cores


@dataclass
class OpenTraining:
    """A training on one worker of this process, without data."""

    workload: Any
    task: Any
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    numerics: dict[str, Any]
    """The record of what was measured and chosen."""
    step_function: Any
    num_steps: int = 0

    def step(self, batch: dict[str, torch.Tensor], seeds: npt.NDArray[np.uint64] | None) -> float:
        """One step of the project, from samples as they are read to the updated network; the loss."""
        self.num_steps += 1
        return float(self.step_function(self.model, self.optimizer, batch, seeds, self.num_steps)[0])


def open_training(experiment: Any, workload: Any, task: Any) -> OpenTraining:
    """Choose precision and layout by measurement, as every training does, and build the network from seed 0."""
    from app.training import numerics
    from app.training.context import LocalContext
    from app.training.optimizers import make_optimizer
    from app.training.process import tune_process
    from app.training.step import StepFunction

    tune_process(num_cores())
    context = LocalContext(torch.device("cpu"))
    example = workload.example_batch(task, experiment.batch_size)
    batch = {key: torch.as_tensor(value) for key, value in example.items()}

    def trial_step(option: Any) -> None:
        """One forward and backward pass on made-up samples, as the training loop tries its options."""
        model = option.place(workload.build_model(task))
        inputs = option.place_batch(workload.to_inputs(task, batch, None))
        with option.autocast(context.device):
            outputs = workload.forward(task, model, inputs)
        workload.loss_value(task, workload.loss_sums(task, outputs, inputs)).backward()

    options = numerics.candidates(experiment, context.device)
    chosen, record = numerics.choose(options, trial_step, context.device)
    torch.manual_seed(0)
    model = chosen.place(workload.build_model(task))
    rates = experiment.optimizer
    groups = workload.parameter_groups(task, model, rates.weight_decay, rates.learning_rate)
    optimizer = make_optimizer(experiment, model, 1, groups)
    function = StepFunction(experiment, workload, task, context, chosen)
    return OpenTraining(workload, task, model, optimizer, record, function)
