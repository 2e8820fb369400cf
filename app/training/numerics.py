"""Precision and memory layout of a training: measured on this device before the first step, not guessed.

Why measured: bf16 with channels_last_3d takes 0.3x the time of plain fp32 on a CPU with bf16 instructions, and a
hundred times as long on one without; channels_last alone takes 0.5x on both.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from app.experiment import Experiment

NUM_TRIAL_STEPS = 2
"""Measured steps of each candidate; the faster counts. The first, in which memory pools fill, is not measured."""


@dataclass(frozen=True)
class Numerics:
    """How the network computes."""

    precision: str
    """`fp32` or `bf16` (autocast; weights stay fp32)."""
    channels_last: bool

    @property
    def label(self) -> str:
        return f"{self.precision}{'+channels_last' if self.channels_last else ''}"

    def place(self, model: torch.nn.Module) -> torch.nn.Module:
        """The model with its weights in this layout, in place. Matters to convolutions alone."""
        if self.channels_last:
            for module in model.modules():
                if isinstance(module, torch.nn.Conv3d | torch.nn.ConvTranspose3d):
                    module.to(memory_format=torch.channels_last_3d)
                elif isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                    module.to(memory_format=torch.channels_last)
        return model

    def place_batch(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Inputs in this layout: 5 axes are volumes, 4 are images, the rest stays."""
        if not self.channels_last:
            return inputs
        formats = {5: torch.channels_last_3d, 4: torch.channels_last}
        return {
            key: value.contiguous(memory_format=formats[value.ndim]) if value.ndim in formats else value
            for key, value in inputs.items()
        }

    def autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16")


def candidates(experiment: Experiment, device: torch.device) -> list[Numerics]:
    """What the experiment allows and this device runs in hardware."""
    precisions = ["fp32", "bf16"] if experiment.precision == "auto" else [experiment.precision]
    if experiment.precision == "auto" and not has_bf16(device):
        precisions = ["fp32"]
    layouts = {"auto": [False, True], "yes": [True], "no": [False]}[experiment.channels_last]
    return [Numerics(precision, layout) for precision in precisions for layout in layouts]


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware; without it a convolution takes a hundred times as long."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return (
        bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        and "avx512" in torch.backends.cpu.get_cpu_capability().lower()
    )


def choose(
    options: list[Numerics], trial_step: Callable[[Numerics], None], device: torch.device
) -> tuple[Numerics, dict[str, Any]]:
    """The fastest option and, for the record, the seconds of each. One alone is not measured; several take turns."""
    if len(options) == 1:
        return options[0], {**asdict(options[0]), "measured_s": {}}
    durations: dict[Numerics, list[float]] = {option: [] for option in options}
    for _ in range(NUM_TRIAL_STEPS + 1):
        for option in options:
            durations[option].append(_time(trial_step, option, device))
    seconds = {option: min(found[1:]) for option, found in durations.items()}
    best = min(options, key=lambda option: seconds[option])
    return best, {**asdict(best), "measured_s": {o.label: round(seconds[o], 4) for o in options}}


def _time(trial_step: Callable[[Numerics], None], option: Numerics, device: torch.device) -> float:
    """Seconds of one step. On a CPU those that this process computed: at the start of a training others (Ray's data
    tasks) start too, and wall time would say who was disturbed most (measured: the slower layout was chosen)."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    trial_step(option)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - began
