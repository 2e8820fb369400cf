"""One training step: our network with the numerics chosen on this device, against the same network in plain fp32.

Both sides start from the same weights and see the same samples; each has a process of its own, as ours changes how
freed memory is kept. A step is normalization, forward, backward and the optimizer's update.
"""

from functools import partial
from typing import Any

from benchmarks import data
from benchmarks.common import Report, Setting, alternate, compare, host, load_average, say
from benchmarks.side import Side

TARGET = 0.37
CURVE_TARGET = 0.02
"""Largest difference of the losses, as a share of the loss: assumed to be what bf16 may do; fp32 stays far below."""
PATCH = (96, 96, 96)
SMALL_PATCH = (64, 64, 64)
"""Of a single sample: torch gives its convolutions to the plain routine (MAX_PASSED_OVER of the layers)."""
WHOLE = (152, 240, 240)
"""DistMIS's volume, z, y, x."""


def run(setting: Setting) -> Report:
    found = data.make(setting)
    report = Report("step")
    patch = setting.choose(PATCH, (32, 32, 32))
    patches = {"outputs": "regions", "norm": "instance", "loss": "dice-bce", "patch_size": patch, "augment": None}
    size = "x".join(map(str, patch))
    _compare(setting, report, f"2x4x{size}", patches, str(found.store), 2, setting.choose(7, 2), setting.choose(10, 3))
    if not setting.quick:
        small = {**patches, "patch_size": SMALL_PATCH}
        _compare(setting, report, "1x4x64x64x64", small, str(found.store), 1, 7, 10)
        whole = {"outputs": "whole", "norm": "batch", "loss": "dice", "sampling": "whole", "patch_size": WHOLE}
        name = "1x4x152x240x240 (the seed's)"
        _compare(setting, report, name, {**whole, "augment": None}, str(found.store), 1, 3, 3)
    report.facts["load_average"] = load_average()
    return report


def _compare(
    setting: Setting,
    report: Report,
    name: str,
    task: dict[str, Any],
    store: str,
    batch_size: int,
    num_rounds: int,
    num_curve_steps: int,
) -> None:
    with (
        Side("benchmarks.step.sides", ("ours",), log=setting.work / "step-ours.log") as ours,
        Side("benchmarks.step.sides", ("plain",), log=setting.work / "step-plain.log") as plain,
    ):
        opened = {
            side_name: side.call("open", task=task, store=store, batch_size=batch_size)
            for side_name, side in (("ours", ours), ("plain", plain))
        }
        curves = {
            "ours": ours.call("loss_curve", num_steps=num_curve_steps)["losses"],
            "plain": plain.call("loss_curve", num_steps=num_curve_steps)["losses"],
        }
        taken = alternate({"ours": partial(_step_s, ours), "plain": partial(_step_s, plain)}, num_rounds)
        say(f"  {name}: {taken}; losses {curves}")
        ceiling = {**plain.call("count_flops"), **plain.call("peak_flops_per_s")}
    binds = partial(_what_binds, taken["ours"], ceiling, opened["ours"]["numerics"])
    differences = [abs(a - b) for a, b in zip(curves["ours"], curves["plain"], strict=True)]
    worst = max(range(len(differences)), key=lambda step: differences[step] / curves["plain"][step])
    report.ratios += [
        compare(f"step {name} / plain fp32", "s", taken["ours"], taken["plain"], TARGET, "at most", binds),
        compare(
            f"step {name}: largest difference of losses / loss", "loss",
            [differences[worst]], [curves["plain"][worst]], CURVE_TARGET, "at most",
        ),
    ]  # fmt: skip
    report.facts[name] = {"opened": opened, "seconds": taken, "losses": curves, "ceiling": ceiling, "task": task}


def _step_s(side: Side) -> float:
    return float(side.call("time_step")["seconds"])


def _what_binds(ours: list[float], ceiling: dict[str, float], numerics: dict[str, Any]) -> str:
    rate, peak = ceiling["flops"] / min(ours), ceiling["flops_per_s"]
    features = ", ".join(name for name, there in host()["cpu_features"].items() if there) or "none of those looked for"
    return (
        f"convolutions at {rate / 1e9:.0f} GFLOP/s over the whole step, {rate / peak:.0%} of the {peak / 1e9:.0f} "
        f"GFLOP/s that these cores reach on an fp32 matrix product; chosen: {numerics['precision']}, "
        f"channels_last {numerics['channels_last']}; the CPU has {features}: "
        "bf16 pays only with avx512_bf16 or amx_bf16"
    )
