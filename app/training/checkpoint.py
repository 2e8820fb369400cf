"""Checkpoints: `last.pt` to go on from, `best.pt` to use. Written atomically, loaded without running code of theirs.

Random numbers need no place in them: dropout is seeded from (seed, step, rank), samples from (seed, epoch, row), so
the state of every generator is a function of the step.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from app.data import files
from app.errors import DataError, TrainingError, UsageError
from app.experiment import Experiment
from app.printable import redacted
from app.run_folder.run import BEST, LAST

FORMAT = 1


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


def load(path: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        DataError: the file is missing, damaged or of another format.
    """
    content = files.read_bytes(path)
    try:
        _check_archive(content)
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(
            f"{path}: not a readable checkpoint ({type(error).__name__}, {len(content)} bytes); "
            "restore the file, or delete it to train from the start"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise DataError(f"{path}: checkpoint format {found!r}, expected {FORMAT}")
    return state


def _check_archive(content: bytes) -> None:
    """torch.load does not compare the CRC-32 of a zip's members. Raises BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if (member := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"wrong CRC-32 of {member}")


def load_last(folder: str, device: torch.device) -> dict[str, Any] | None:
    """The checkpoint to go on from, or None in a new folder."""
    path = files.join(folder, LAST)
    return load(path, device) if files.exists(path) else None


def progress_of(saved: dict[str, Any] | None, folder: str, score: str) -> Progress:
    """How far the checkpoint `saved` of this folder is, or nowhere where there is none.

    The best is what best.pt holds, where that is better by `score` than what the checkpoint knows of: in a population a
    member keeps its best network when it takes over another's checkpoint."""
    if saved is None:
        return Progress()
    progress = Progress(**saved["progress"])
    path = files.join(folder, BEST)
    kept = load(path)["metrics"] if files.exists(path) else {}
    if score in kept and (progress.best_score is None or kept[score] > progress.best_score):
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
