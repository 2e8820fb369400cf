"""Training EfficientNet-B0 on pages: a step against timm's network in plain fp32; the whole job against the step.

Each side has a process of its own, since ours changes how freed memory is kept. Ours augments its pages, which the
plain side does not.
"""

import json
import shutil
from functools import partial
from statistics import median
from typing import Any

from benchmarks import data, document_data
from benchmarks.common import Report, Setting, alternate, compare, host, load_average, say
from benchmarks.side import Side

MODEL = "efficientnet_b0"
BATCH_SIZE = 16
TARGETS = {224: 1.5, 384: 3.0}
"""By pixels an edge; the larger one was set on a CPU with bf16 instructions."""
JOB_TARGET = 0.97
WAITING_TARGET = 0.02
NUM_EPOCHS = 2


def run(setting: Setting) -> Report:
    store = str(document_data.make(setting).store)
    report = Report("documents_step", facts={"model": MODEL, "batch_size": BATCH_SIZE})
    for image_size in setting.choose((224, 384), (64,)):
        _against_plain(setting, store, image_size, report)
    _whole_job(setting, store, report)
    report.facts["load_average"] = load_average()
    return report


def _against_plain(setting: Setting, store: str, image_size: int, report: Report) -> None:
    target = TARGETS.get(image_size, 1.5)
    num_steps = setting.choose(4 if image_size < 300 else 2, 1)
    with _side(setting, "ours") as ours, _side(setting, "plain") as plain:
        opened = {
            name: side.call("open", model=MODEL, image_size=image_size, batch_size=BATCH_SIZE, store=store)
            for name, side in (("ours", ours), ("plain", plain))
        }
        rates = alternate(
            {"ours": partial(_rate, ours, num_steps), "plain": partial(_rate, plain, num_steps)}, setting.choose(5, 1)
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


def _whole_job(setting: Setting, store: str, report: Report) -> None:
    """jobs/train.py on Ray, fed from the store, against our own step on a batch that is in memory."""
    image_size = setting.choose(224, 64)
    runs = setting.work / "documents-step"
    shutil.rmtree(runs, ignore_errors=True)
    records: list[dict[str, Any]] = []

    def job() -> float:
        name = f"job-{len(records)}"
        epochs = str(setting.choose(NUM_EPOCHS, 4))
        data.run_job(
            "train.py", "document-image", "--store", store, "--runs", str(runs), "--name", name, "--epochs", epochs,
            "--evaluate-every-epochs", epochs, "--batch-size", str(BATCH_SIZE), "--checkpoint-every-s", "100000",
            "--task.model", MODEL, "--task.weights", "random", "--task.image-size", str(image_size),
            *data.fixed_numerics(),
        )  # fmt: skip
        records.append(json.loads((runs / name / "record.json").read_text()))
        return float(records[-1]["samples_per_s"])

    with _side(setting, "ours") as ours:
        ours.call("open", model=MODEL, image_size=image_size, batch_size=BATCH_SIZE, store=store)
        _rate(ours, 1)
        num_steps = setting.choose(12, 1)
        rates = alternate(
            {"bare": partial(_rate, ours, num_steps), "job": job}, setting.choose(3, 1), num_warmup_rounds=0
        )
    timings = [record["timings"] for record in records]
    say(f"  {rates}; waiting {[t['data_wait_s'] for t in timings]} s")
    report.facts["job"] = {"images_per_s": rates, "timings": timings, "image_size": image_size}
    binds = partial(_job_binds, rates, timings)
    report.ratios += [
        compare("documents: the whole job / the bare step", "images/s", rates["job"], rates["bare"], JOB_TARGET,
                "at least", binds),
        compare("documents: waiting for data / steps and waiting", "s", [t["data_wait_s"] for t in timings],
                [t["data_wait_s"] + t["step_s"] for t in timings], WAITING_TARGET, "at most", binds),
    ]  # fmt: skip


def _side(setting: Setting, kind: str) -> Side:
    return Side("benchmarks.ours.document_step_side", (kind,), log=setting.work / f"documents-step-{kind}.log")


def _rate(side: Side, num_steps: int) -> float:
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


def _job_binds(rates: dict[str, list[float]], timings: list[dict[str, Any]]) -> str:
    waiting_ms, step_ms = (
        median(1000 * t[key] / t["num_timed_steps"] for t in timings) for key in ("data_wait_s", "step_s")
    )
    bare_ms = 1000 * BATCH_SIZE / median(rates["bare"])
    return (
        f"a step takes {step_ms:.0f} ms in the job and {bare_ms:.0f} ms alone, waiting {waiting_ms:.1f} ms; reading "
        "and Ray's processes run on the cores that compute"
    )
