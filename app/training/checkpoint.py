"""Checkpoints: `last.pt` to go on from, `best.pt` to use. Written atomically, loaded without running code of theirs.

Random numbers need no place in them: dropout is seeded from (seed, step, rank), samples from (seed, epoch, row), so
the state of every generator is a function of the step.
"""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from app.checksum import check_archive
from app.configuration import from_dict
from app.data import files
from app.errors import DataError, TrainingError, UsageError
from app.experiment import Experiment
from app.printable import redacted
from app.run_folder.contents import check_score
from app.run_folder.run import BEST, LAST
from app.strict_json import shown
from app.training.choices import check_numerics

FORMAT = 1
LAST_HOLDS, BEST_HOLDS = ("model", "optimizer", "progress", "numerics"), ("model", "experiment", "metrics")
"""What is read of them, each a mapping."""


@dataclass
class Progress:
    """How far a training is. Plain values, so that a checkpoint holds them as they are."""

    step: int = 0
    """Steps done."""
    num_samples: int = 0
    """Seen in these steps; what a step is changes with the workers where the batch does."""
    num_epochs: int = 0
    """Epochs done, evaluation included."""
    epoch_loss_sum: float = 0.0
    """Losses of the epoch under way, summed over its steps so far."""
    epoch_num_steps: int = 0
    best_score: float | None = None
    best: dict[str, Any] = field(default_factory=dict)
    """Metrics of the best validation, with its epoch and step."""
    trained_s: float = 0.0
    """Wall time of the attempts before this one."""
    origin: dict[str, Any] = field(default_factory=dict)
    """Where the network's initial weights came from."""

    def __post_init__(self) -> None:
        for name in ("step", "num_samples", "num_epochs", "epoch_num_steps"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected 0 or more")
        for name, value in self.best.items():
            check_score(name, value)


def save_last(
    folder: str,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    experiment: dict[str, Any],
    numerics: dict[str, Any],
    average: torch.nn.Module | None = None,
) -> None:
    """Write `last.pt`; the one before stays until this one is whole. `average`: of the weights, where one is kept.

    Raises:
        TrainingError: weights are not finite; the one before stays.
    """
    _write(
        files.join(folder, LAST),
        {
            "format": FORMAT,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "progress": vars(progress),
            "experiment": redacted(experiment),
            "numerics": numerics,
            "average": None if average is None else average.state_dict(),
        },
    )


def save_best(folder: str, model: torch.nn.Module, experiment: dict[str, Any], best: dict[str, Any]) -> None:
    """Write `best.pt`: weights and what they are, enough to evaluate and predict. Raises TrainingError as save_last."""
    content = {"format": FORMAT, "model": model.state_dict(), "experiment": redacted(experiment), "metrics": best}
    _write(files.join(folder, BEST), content)


def load_best(path: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Weights and what they are: `model`, `experiment` and `metrics`. Raises DataError as `load`."""
    return load(path, device, BEST_HOLDS)


def load(path: str, device: torch.device | str = "cpu", holds: Collection[str] = ("model",)) -> dict[str, Any]:
    """Read a checkpoint that has a mapping for each name of `holds`.

    Raises:
        DataError: the file is missing, damaged, of another format, or lacks one.
    """
    content = files.read_bytes(path)
    try:
        check_archive(content)
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(
            f"{path}: not a readable checkpoint ({type(error).__name__}, {len(content)} bytes); "
            "restore the file, or delete it to train from the start"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise DataError(f"{path}: checkpoint format {found!r}, expected {FORMAT}")
    try:
        _check_content(state, holds)
    except UsageError as error:
        raise DataError(f"{path} is damaged: {error}") from error
    return state


def _check_content(state: dict[str, Any], holds: Collection[str]) -> None:
    for name in holds:
        if not isinstance(state.get(name), dict):
            raise UsageError(f"{name}: got {shown(state.get(name))}, expected names with values")
    for name, weights in (("model", state["model"]), ("average", state.get("average") or {})):
        if not isinstance(weights, dict) or not are_weights(weights):
            raise UsageError(f"{name}: got {shown(weights)}, expected names with tensors")
    for name, value in state["metrics"].items() if "metrics" in holds else ():
        check_score(str(name), value)
    if "numerics" in holds and state["numerics"]:
        check_numerics(state["numerics"])


def are_weights(values: Mapping[Any, Any]) -> bool:
    """Whether these are tensors by name, as a state dict is."""
    return all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in values.items())


def load_last(folder: str, device: torch.device) -> dict[str, Any] | None:
    """The checkpoint to go on from, or None in a new folder. Raises DataError as `load`."""
    path = files.join(folder, LAST)
    return load(path, device, LAST_HOLDS) if files.exists(path) else None


def fill(network: torch.nn.Module, weights: Mapping[str, torch.Tensor], path: str) -> None:
    """Load the weights of the checkpoint at `path`. Raises DataError when they are another network's."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"{path}: its weights do not fit its network: {str(error).splitlines()[0]}") from error


def progress_of(saved: dict[str, Any] | None, folder: str, score: str) -> Progress:
    """How far the checkpoint `saved` of this folder is, or nowhere where there is none.

    The best is what best.pt holds, where that is better by `score` than what the checkpoint knows of: in a population a
    member keeps its best network when it takes over another's checkpoint. Raises DataError."""
    if saved is None:
        return Progress()
    try:
        progress = from_dict(Progress, saved["progress"])
    except UsageError as error:
        raise DataError(f"{files.join(folder, LAST)} is damaged: progress: {error}") from error
    path = files.join(folder, BEST)
    kept = load_best(path)["metrics"] if files.exists(path) else {}
    if kept.get(score) is not None and (progress.best_score is None or kept[score] > progress.best_score):
        progress.best_score, progress.best = kept[score], kept
    return progress


def offset_of(progress: Progress, experiment: Experiment, batch_size: int, grouped: bool, folder: str) -> int:
    """Samples seen beyond those that as many steps of this batch see: 0, or the batch grows with the workers and there
    were others before. `grouped`: the order of samples depends on the batch (app.data.samples.grouped_order), as
    it does where remainders are dropped.

    Raises:
        UsageError: what follows the samples seen cannot be told.
    """
    if not progress.num_samples and experiment.batch_rule == "fixed-global":  # of a checkpoint that did not count them
        progress.num_samples = progress.step * batch_size
    offset = progress.num_samples - progress.step * batch_size
    if offset and (grouped or experiment.drop_remainder or not progress.num_samples):
        before = progress.num_samples // progress.step or "as many (an older version did not note how many)"
        raise UsageError(
            f"{folder}: got a batch of {batch_size} samples ({experiment.batch_rule}), expected {before} as before, "
            "for the order of samples follows from it: resume with as many workers as before, or start afresh under "
            "another --name"
        )
    return offset


def are_finite(*networks: Mapping[str, torch.Tensor]) -> bool:
    """Whether all weights and statistics of state dicts are numbers."""
    floats = [value for network in networks for value in network.values() if value.is_floating_point()]
    return not floats or bool(torch.stack([value.isfinite().all() for value in floats]).all())


def _write(path: str, content: dict[str, Any]) -> None:
    if not are_finite(*(content[key] for key in ("model", "average") if content.get(key))):
        raise TrainingError(
            f"{path}: got weights or statistics that are not finite, expected numbers; it stays as it was. "
            "Lower the learning rate, lengthen the warm-up, or lower clip_norm"
        )
    buffer = io.BytesIO()
    torch.save(content, buffer)
    files.write_bytes_atomic(path, buffer.getvalue())
