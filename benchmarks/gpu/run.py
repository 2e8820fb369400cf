"""A training step on a GPU: plain fp32 against bf16, channels-last layout and torch.compile; without Ray.

Needs torch, numpy and scipy only, so that it also runs on a bare GPU machine: python -m benchmarks.gpu.run
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import Report, Setting, compare, say

TARGET = 1.0
"""The numerics that are fastest here must not lose to plain fp32."""
OPTIONS = (("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True))
NUM_STEPS = 10
SHAPES = ({"patch_size": (96, 96, 96), "batch_size": 2}, {"patch_size": (128, 128, 128), "batch_size": 4})
NETWORKS = (
    {"network": "unet3d", "filters": (8, 16, 32, 64)},
    {"network": "unet3d", "filters": (32, 64, 128, 256)},
)


def run(setting: Setting) -> Report:
    import torch

    report = Report("gpu")
    if not torch.cuda.is_available():
        report.skipped = "torch finds no CUDA device on this machine"
        return report
    report.facts["device"] = torch.cuda.get_device_name()
    report.versions["cuda"] = str(torch.version.cuda)
    for network in NETWORKS[: setting.choose(2, 1)]:
        for shape in SHAPES[: setting.choose(2, 1)]:
            _compare(report, setting, network, shape)
    return report


def _compare(report: Report, setting: Setting, network: dict[str, Any], shape: dict[str, Any]) -> None:
    size = "x".join(str(n) for n in shape["patch_size"])
    name = f"{network['network']}-{network['filters'][0]} {shape['batch_size']}x4x{size}"
    steps = {
        label(precision, layout, compiled): (precision, layout, compiled)
        for precision, layout in OPTIONS
        for compiled in setting.choose((False, True), (False,))
    }
    found = {step: _measure(network, shape, *option) for step, option in steps.items()}
    report.facts[name] = found
    for step, values in found.items():
        say(f"  {name} {step}: {values['median_s'] * 1000:.1f} ms, {values['samples_per_s']:.1f} samples/s")
    best = min(found, key=lambda step: float(found[step]["median_s"]))
    ours, plain = found[best]["seconds"], found["fp32"]["seconds"]
    report.ratios.append(compare(f"gpu step {name}: {best} / plain fp32", "s", ours, plain, TARGET, "at most"))


def label(precision: str, channels_last: bool, compiled: bool) -> str:
    """Such as "bf16+channels_last+compile"."""
    return precision + "+channels_last" * channels_last + "+compile" * compiled


def _measure(
    network: dict[str, Any], shape: dict[str, Any], precision: str, channels_last: bool, compiled: bool
) -> dict[str, Any]:
    """Seconds of steps on samples already on the device: normalization, augmentation, forward, backward, update."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    step = make_step(network, shape, precision, channels_last, compiled)
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    seconds = []
    for _ in range(NUM_STEPS):
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    middle = statistics.median(seconds)
    return {
        "seconds": seconds,
        "median_s": middle,
        "samples_per_s": shape["batch_size"] / middle,
        "peak_memory_bytes": torch.cuda.max_memory_allocated(),
    }


def make_step(
    network: dict[str, Any],
    shape: dict[str, Any],
    precision: str,
    channels_last: bool,
    compiled: bool,
    micro_batch_size: int | None = None,
) -> Callable[[], float]:
    """A training step that is carried out when called, on made-up samples on the device; it returns the loss."""
    import numpy as np
    import torch

    from app.configuration import to_dict
    from app.experiment import Experiment
    from app.training.context import LocalContext
    from app.training.numerics import Numerics
    from app.training.optimizers import make_optimizer
    from app.training.step import StepFunction
    from app.workloads.brats.workload import BratsWorkload

    workload, context = BratsWorkload(), LocalContext()
    task = workload.parse_task({**network, "patch_size": shape["patch_size"]})
    experiment = Experiment(
        name="gpu",
        workload="brats",
        task=to_dict(task),
        batch_size=shape["batch_size"],
        max_micro_batch_size=micro_batch_size,
    )
    numerics = Numerics(precision, channels_last)
    torch.manual_seed(0)
    model = numerics.place(workload.build_model(task).to(context.device))
    run_model: Any = torch.compile(model) if compiled else model
    optimizer = make_optimizer(experiment, model, 1)
    function = StepFunction(experiment, workload, task, context, numerics)
    arrays = workload.example_batch(task, shape["batch_size"])
    batch = {key: torch.as_tensor(value).to(context.device) for key, value in arrays.items()}
    seeds = np.arange(shape["batch_size"], dtype=np.uint64)
    return lambda: function(run_model, optimizer, batch, seeds, 0)[0]


if __name__ == "__main__":
    print(json.dumps(run(Setting(quick=False, work=Path())).to_dict(quick=False), indent=1))
