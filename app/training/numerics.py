"""Precision and memory layout of a training: measured on this device before the first step, not guessed.

Why measured: bf16 with channels_last_3d takes 0.3x the time of plain fp32 on a CPU with bf16 instructions, and a
hundred times as long on one without; channels_last alone takes 0.5x on both. Measured once for a study: times of two
measurements differ, and trials that are compared must not differ by that.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import torch

from app.errors import DataError
from app.experiment import Experiment
from app.training import choices
from app.training.choices import Choice
from app.training.context import WorkerContext
from app.workloads.base import Workload

T = TypeVar("T")

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
        return choices.label(self.precision, self.channels_last)

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


class TrialStep:
    """A step on made-up samples, to time numerics; touches neither the training's network nor its random numbers."""

    def __init__(self, workload: Workload, task: Any, batch_size: int, device: torch.device) -> None:
        self._workload, self._task, self._device = workload, task, device
        example = workload.example_batch(task, batch_size)
        self._batch = {key: torch.as_tensor(value).to(device) for key, value in example.items()}

    def __call__(self, option: Numerics) -> None:
        workload, task = self._workload, self._task
        torch.manual_seed(0)
        model = option.place(workload.build_model(task, with_weights=False).to(self._device))
        inputs = option.place_batch(workload.to_inputs(task, self._batch, None))
        with option.autocast(self._device):
            outputs = workload.forward(task, model, inputs)
        workload.loss_value(task, workload.loss_sums(task, outputs, inputs)).backward()  # type: ignore[no-untyped-call]


class StudyMemory:
    """Where a study keeps the choice for one network and kind of device. What trials of a network may differ in without
    having their own is what its samples and layers do not show: rates, also of dropout, seeds, weights, workers."""

    def __init__(
        self, folder: str, options: list[Numerics], workload: Workload, task: Any, model: torch.nn.Module, device: str
    ) -> None:
        samples = {k: [str(v.dtype), *v.shape[1:]] for k, v in workload.example_batch(task, 1).items()}
        parameters = [list(parameter.shape) for parameter in model.parameters()]
        still = [name for name, module in model.train().named_modules() if not module.training]
        labels = [option.label for option in options]
        layers = re.sub(r"Drop\w*\([^()]*\)", "Drop", repr(model))
        identity = json.dumps([workload.name, device, labels, samples, layers, parameters, still])
        num_parameters = sum(parameter.numel() for parameter in model.parameters())
        shapes = ", ".join(f"{k} {'x'.join(map(str, v[1:]))}" for k, v in samples.items() if len(v) > 1)
        self._folder, self._workload, self._device = folder, workload.name, device
        self._network = f"{type(model).__name__}, {num_parameters:,} parameters" + (f", {shapes}" if shapes else "")
        self.key = f"{workload.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    def read(self) -> dict[str, Any] | None:
        found = choices.read(self._folder, self.key)
        return None if found is None else found.record

    def keep(self, record: dict[str, Any]) -> dict[str, Any]:
        """The study's record: this one, unless another trial was first."""
        choice = Choice(self._workload, self._device, self._network, **record)
        return choices.keep(self._folder, self.key, choice).record


def settle(
    options: list[Numerics],
    memory: StudyMemory | None,
    saved: dict[str, Any] | None,
    make_trial_step: Callable[[], Callable[[Numerics], None]],
    context: WorkerContext,
) -> tuple[Numerics, dict[str, Any]]:
    """The numerics of a training and their record, the same on every worker: those of its checkpoint where there is
    one, else the study's, else the fastest on worker 0.

    Raises:
        DataError: the study's cannot be read or kept.
    """
    if memory is None:
        record = saved or _measured(options, make_trial_step, context)
    elif saved:
        _of_worker_0(context, lambda: memory.keep(saved))  # of a folder that is older than these choices
        record = saved
    else:
        known = _of_worker_0(context, memory.read)
        record = known or _measured(options, make_trial_step, context)
        if known is None:
            measured = record
            record = _of_worker_0(context, lambda: memory.keep(measured))
    return Numerics(record["precision"], record["channels_last"]), record


def _measured(
    options: list[Numerics], make_trial_step: Callable[[], Callable[[Numerics], None]], context: WorkerContext
) -> dict[str, Any]:
    """Every worker measures, for its layers may talk to the others'; worker 0 decides."""
    record: dict[str, Any] = context.gather(choose(options, make_trial_step(), context.device)[1])[0]
    return record


def _of_worker_0(context: WorkerContext, decide: Callable[[], T]) -> T:
    """What worker 0 finds, on every worker; what it cannot read or write is an error on every worker."""
    found, error = None, ""
    if context.rank == 0:
        try:
            found = decide()
        except DataError as caught:
            error = str(caught)
    answer, error = context.gather((found, error))[0]
    if error:
        raise DataError(error)
    agreed: T = answer
    return agreed
