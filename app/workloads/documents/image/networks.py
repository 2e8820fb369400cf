"""timm networks for pages: where their initial weights come from, and how batch normalization behaves."""

from typing import Any

import torch
from torch import nn

from app.errors import UsageError
from app.workloads import initial_weights
from app.workloads.documents.image.task import DocumentImageTask

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)


class PageNetwork(nn.Module):
    """A timm network whose batch normalization keeps its statistics where the task says so."""

    def __init__(self, backbone: nn.Module, freeze_norm: bool, origin: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = backbone
        self.origin = origin
        """Where the initial weights came from: what was loaded, what was missing, what was left over."""
        self._freeze_norm = freeze_norm
        self.train()  # a new module is in training mode without this having been called

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Normalised pages [B, 3, H, W] -> logits [B, number of classes]."""
        logits: torch.Tensor = self.backbone(image)
        return logits

    def train(self, mode: bool = True) -> "PageNetwork":
        super().train(mode)
        if self._freeze_norm:
            for module in self.backbone.modules():
                if isinstance(module, NORMS):
                    module.eval()
        return self


def build_network(task: DocumentImageTask, with_weights: bool = True) -> PageNetwork:
    """The task's network; without `with_weights` random, for weights that follow.

    Raises:
        UsageError: timm does not know the name, or the weights are not available.
    """
    import timm

    if not task.classes:
        raise UsageError("the task has no classes: they come from the store (resolve_task), or give task.classes")
    try:
        backbone = timm.create_model(task.model, num_classes=len(task.classes), drop_rate=task.dropout)
    except RuntimeError as error:
        near = ", ".join(timm.list_models(f"*{task.model.split('_')[0]}*")[:6]) or "see timm.list_models()"
        raise UsageError(f"unknown network {task.model!r}: {str(error).splitlines()[0]}; timm has {near}") from error
    except Exception as error:  # the hub's client raises many classes
        if ":" not in task.model:
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"the network {task.model!r} is not available: {reason}; expected a network of timm, or one of the hub "
            "that can be reached (for a training) or is in the local cache"
        ) from error
    if task.norm == "sync":
        # Torch's own loses what timm puts into its norms: activations.
        from timm.layers.norm_act import convert_sync_batchnorm

        backbone = convert_sync_batchnorm(backbone)  # type: ignore[no-untyped-call]
    origin: dict[str, Any] = {}
    if with_weights and task.weights == "pretrained":
        source, weights = _read_hub(task, backbone)
        origin = initial_weights.load_fitting(backbone, weights, source)
    elif with_weights and task.weights != "random":
        origin = initial_weights.load_file(backbone, task.weights, ", `pretrained` or `random`", prefix="backbone.")
    return PageNetwork(backbone, task.norm == "frozen", origin)


def mean_and_std(task: DocumentImageTask) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each colour channel from 0 to 1, as the network's pretrained weights want them."""
    import timm
    from timm.data.config import resolve_model_data_config

    with torch.random.fork_rng(devices=[]):  # asked for within a step, whose random numbers are the step's own
        backbone = timm.create_model(task.model, num_classes=0)
    config = resolve_model_data_config(backbone)  # type: ignore[no-untyped-call]
    return tuple(config["mean"]), tuple(config["std"])


def _read_hub(task: DocumentImageTask, backbone: nn.Module) -> tuple[str, dict[str, torch.Tensor]]:
    import timm

    config = getattr(backbone, "pretrained_cfg", {})
    name = config.get("hf_hub_id") or config.get("url") or task.model
    try:
        loaded = timm.create_model(task.model, pretrained=True)
    except Exception as error:  # the hub's client raises many classes
        raise UsageError(
            f"the pretrained weights of {task.model} ({name}) are not available: {str(error).splitlines()[0]}; give a "
            "local file with --task.weights FILE, or train from scratch with --task.weights random"
        ) from error
    return str(name), loaded.state_dict()
