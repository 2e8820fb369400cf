"""The optimizers of an experiment, and what they remember."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch

from app.errors import DataError
from app.experiment import Experiment, OptimizerConfig

KEPT_FROM_COMPILER = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""An optimizer's methods that torch wraps so that its compiler leaves them out."""


def make_optimizer(
    experiment: Experiment,
    model: torch.nn.Module,
    num_workers: int,
    groups: list[dict[str, Any]] | None = None,
) -> torch.optim.Optimizer:
    """The experiment's optimizer at its peak rate for this number of workers; fused kernels where torch has them.

    A group's `lr_factor`, where it has one, is what its rate is of the optimizer's (app.training.loop)."""
    options = experiment.optimizer
    rate = experiment.learning_rate(num_workers)
    groups = groups or parameter_groups(model, options.weight_decay)
    if options.decay_vectors:
        groups = [{**group, "weight_decay": options.weight_decay} for group in groups]
    if options.name == "sgd":
        nesterov = options.nesterov and options.momentum > 0
        return eager(torch.optim.SGD)(groups, lr=rate, momentum=options.momentum, nesterov=nesterov, fused=True)
    if options.name in ("lars", "lamb"):
        return _layer_wise(options, groups, rate)
    kind = torch.optim.Adam if options.name == "adam" else torch.optim.AdamW
    return eager(kind)(groups, lr=rate, betas=(options.beta1, options.beta2), amsgrad=options.amsgrad, fused=True)


@functools.cache
def eager(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The same optimizer, whose methods do not import torch's compiler: torch.optim imports it to tell it where not to
    compile, which costs a process that compiles nothing 0.8 s of CPU and 150 MB (measured). Networks alone are
    compiled here (`compile`), never a step of an optimizer."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in KEPT_FROM_COMPILER}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def _layer_wise(options: OptimizerConfig, groups: list[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    """Each decayed tensor's step is as long as its weights times the rate (LARS: a thousandth of that)."""
    from timm.optim.lamb import Lamb
    from timm.optim.lars import Lars

    if options.name == "lars":
        nesterov = options.nesterov and options.momentum > 0
        return Lars(groups, lr=rate, momentum=options.momentum, nesterov=nesterov)
    return Lamb(groups, lr=rate, betas=(options.beta1, options.beta2), max_grad_norm=None)  # clip_norm clips


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """What a checkpoint remembers, with the options that the optimizer was made with: those of a population's member
    change on the way, and loading would bring back the old ones.

    Raises:
        DataError: it is not of this optimizer.
    """
    options = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(state)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"the checkpoint's optimizer does not fit this training's: {error}") from error
    for group, own in zip(optimizer.param_groups, options, strict=True):
        group.update(own)


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and kernels; none on biases and norms (vectors), as is usual."""
    named = [p for p in model.parameters() if p.requires_grad]
    decayed, plain = [p for p in named if p.ndim > 1], [p for p in named if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
