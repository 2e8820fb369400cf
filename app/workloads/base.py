"""What the engine asks of a workload. The engine (app.training, app.execution) knows nothing else of it.

Shapes: B batch, C channel, D H W depth, height, width.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from app.data.samples.feeding import HostBatch, Samples

__all__ = ["Batch", "HostBatch", "Samples", "Workload"]

Batch = dict[str, torch.Tensor]
"""A HostBatch on the device."""


class Workload(Protocol):
    """One kind of task: its data, network, loss and score. Stateless: everything hangs on the task's options.

    A workload is a subclass; methods that have a body here are right for most."""

    name: str
    score: str
    """The validation metric (larger is better) that chooses the best checkpoint."""
    loss_is_mean: bool
    """True when the loss is a plain mean over samples: `loss_sums` gives [sum over samples, number of samples] and
    `loss_value` their ratio. Accumulation then needs one pass over the micro-batches instead of two."""

    cases_at_once: int
    """Cases that `evaluate_cases` is given at a time; fewer at the end."""

    def parse_task(self, options: Mapping[str, Any]) -> Any:
        """The workload's frozen options dataclass. Raises UsageError naming an unknown or wrong option."""

    def resolve_task(self, task: Any, store: str) -> Any:
        """The task with what the store decides filled in (the classes, ...); done once, before the training, and
        kept in its record. Raises DataError when the store cannot be opened, UsageError when it does not fit."""

    def open_samples(self, task: Any, store: str) -> Samples:
        """The training split. Raises StoreError when the store is missing, empty or damaged."""

    def build_model(self, task: Any, with_weights: bool = True) -> torch.nn.Module:
        """The network; `with_weights` loads the pretrained ones that the task asks for, and is left out where others
        follow.

        Raises:
            UsageError: the weights asked for are not available.
        """

    def origin(self, task: Any, model: torch.nn.Module) -> dict[str, Any]:
        """Where the initial weights of this network came from, for its record: `source`, `num_loaded`, and the names of
        tensors that are `new` or `left_over` (app.workloads.initial_weights). Empty: drawn at random."""
        return dict(getattr(model, "origin", {}))  # as load_file gives it, kept by whoever builds the network

    def parameter_groups(
        self, task: Any, model: torch.nn.Module, weight_decay: float, learning_rate: float
    ) -> list[dict[str, Any]] | None:
        """The optimizer's groups, where parts of the network learn at other rates: a group's `lr_factor` is the share
        of the rate that it takes. None: matrices and kernels decay, vectors do not (app.training.step)."""
        return None

    def example_batch(self, task: Any, batch_size: int) -> HostBatch:
        """Random samples of the true shapes and types, for measuring a step without data."""

    def to_inputs(self, task: Any, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        """Normalise on the device; with seeds also augment, sample i by seeds[i] alone."""

    def forward(self, task: Any, model: torch.nn.Module, inputs: Batch) -> Any:
        """The network's outputs for a batch of inputs."""

    def loss_sums(self, task: Any, outputs: Any, inputs: Batch) -> torch.Tensor:
        """Sums over the batch, shape [S], float32, of which the loss is a function. Sums of parts of a batch add up,
        whichever worker or micro-batch they come from; so the loss of k workers is exactly that of one."""

    def loss_value(self, task: Any, sums: torch.Tensor) -> torch.Tensor:
        """The scalar loss of a global batch, differentiable in `sums`; by default a mean: the first of two sums by the
        second."""
        return sums[0] / sums[1]

    def validation_ids(self, task: Any, store: str, split: str) -> list[str]:
        """Cases of a split in a fixed order; each worker takes its share of them."""

    def evaluate_cases(
        self, task: Any, model: torch.nn.Module, store: str, case_ids: list[str], device: torch.device, thorough: bool
    ) -> list[dict[str, float | None]]:
        """Scores of each case. `thorough` is for the final evaluation: costly metrics, more overlap.
        None marks a score that is not defined for the case."""

    def summarize(self, task: Any, cases: list[dict[str, float | None]]) -> dict[str, float]:
        """Means over the cases, with the key `score` among them."""

    def contents(self, task: Any, store: str, case_ids: list[str]) -> str:
        """A text that changes when what the store has of these cases does: by it an evaluation knows whether it is
        still of this store. Empty: an evaluation is never taken for outdated by what cases hold."""
        return ""

    def remarks(self, task: Any, store: str, case_ids: list[str]) -> tuple[str, ...]:
        """What an evaluation of these cases says besides their scores, and keeps beside its conventions."""
        return ()
