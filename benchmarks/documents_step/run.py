"""A training step of EfficientNet-B0 on pages: ours against timm's network in plain fp32.

Each side has a process of its own, since ours changes how freed memory is kept. Ours augments its pages, which the
plain side does not.
"""

from functools import partial
from statistics import median
from typing import Any

from benchmarks import document_data
from benchmarks.common import Report, Setting, alternate, compare, host, load_average, say
from benchmarks.side import Side

MODEL = "efficientnet_b0"
BATCH_SIZE = 16
TARGETS = {224: 1.5, 384: 3.0}
"""By pixels an edge; the larger one was set on a CPU with bf16 instructions."""


def run(setting: Setting) -> Report:
    store = str(document_data.make(setting).store)
    report = Report("documents_step", facts={"model": MODEL, "batch_size": BATCH_SIZE})
    for image_size in setting.choose((224, 384), (64,)):
        _against_plain(setting, store, image_size, report)
    report.facts["load_average"] = load_average()
    return report


def _against_plain(setting: Setting, store: str, image_size: int, report: Report) -> None:
    target = TARGETS.get(image_size, 1.5)
    num_steps, num_rounds = setting.choose((3, 5) if image_size < 300 else (1, 4), (1, 1))
    with open_side(setting, "ours") as ours, open_side(setting, "plain") as plain:
        opened = {
            name: side.call("open", model=MODEL, image_size=image_size, batch_size=BATCH_SIZE, store=store)
            for name, side in (("ours", ours), ("plain", plain))
        }
        rates = alternate(
            {"ours": partial(rate, ours, num_steps), "plain": partial(rate, plain, num_steps)}, num_rounds
        )
        inputs_s = ours.call("time_inputs", count=2)["seconds"]
        shares = ours.call("profile")["shares"]
    say(f"  {image_size}: {rates}")
    report.facts[f"step_{image_size}"] = {
        "opened": opened, "images_per_s": rates, "inputs_s": inputs_s, "shares": shares
    }  # fmt: skip
    report.ratios.append(
        compare(
            f"step B0 {BATCH_SIZE}x{image_size}x{image_size} / timm in plain fp32", "images/s", rates["ours"],
            rates["plain"], target, "at least", partial(_step_binds, rates["ours"], inputs_s, shares, opened["ours"]),
        )
    )  # fmt: skip


def open_side(setting: Setting, kind: str) -> Side:
    return Side("benchmarks.documents_step.sides", (kind,), log=setting.work / f"documents-step-{kind}.log")


def rate(side: Side, num_steps: int) -> float:
    return float(BATCH_SIZE / side.call("time_steps", count=num_steps)["seconds"])


def _step_binds(ours: list[float], inputs_s: float, shares: list[tuple[str, float]], numerics: dict[str, Any]) -> str:
    features = ", ".join(name for name, there in host()["cpu_features"].items() if there) or "none of those looked for"
    step_s = BATCH_SIZE / median(ours)
    return (
        f"a step takes {step_s:.2f} s, of which decoding bytes and augmenting {inputs_s:.2f} s; by operation: "
        + ", ".join(f"{name} {share:.0%}" for name, share in shares)
        + f"; chosen: {numerics['precision']}, channels_last {numerics['channels_last']}; the CPU has {features}: bf16 "
        "pays only with avx512_bf16 or amx_bf16"
    )
