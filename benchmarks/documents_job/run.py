"""Training EfficientNet-B0 on pages: the whole job on Ray, fed from the store, against our step on pages in memory."""

import json
import shutil
from functools import partial
from statistics import median
from typing import Any

from benchmarks import data, document_data
from benchmarks.common import Report, Setting, alternate, compare, load_average, say
from benchmarks.documents_step.run import BATCH_SIZE, MODEL, open_side, rate

JOB_TARGET = 0.97
WAITING_TARGET = 0.02
NUM_EPOCHS = 2


def run(setting: Setting) -> Report:
    store = str(document_data.make(setting).store)
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
            "--precision", numerics["precision"], "--channels-last", "yes" if numerics["channels_last"] else "no",
        )  # fmt: skip
        records.append(json.loads((runs / name / "record.json").read_text()))
        return float(records[-1]["samples_per_s"])

    with open_side(setting, "ours") as ours:
        # The side measures what is fastest for this network; the job trains in the same arithmetic.
        numerics = ours.call("open", model=MODEL, image_size=image_size, batch_size=BATCH_SIZE, store=store)
        rate(ours, 1)
        num_steps = setting.choose(12, 1)
        rates = alternate(
            {"bare": partial(rate, ours, num_steps), "job": job}, setting.choose(3, 1), num_warmup_rounds=0
        )
    timings = [record["timings"] for record in records]
    say(f"  {rates}; waiting {[t['data_wait_s'] for t in timings]} s")
    binds = partial(_binds, rates, timings)
    return Report(
        "documents_job",
        ratios=[
            compare("documents: the whole job / the bare step", "images/s", rates["job"], rates["bare"], JOB_TARGET,
                    "at least", binds),
            compare("documents: waiting for data / steps and waiting", "s", [t["data_wait_s"] for t in timings],
                    [t["data_wait_s"] + t["step_s"] for t in timings], WAITING_TARGET, "at most", binds),
        ],
        facts={
            "images_per_s": rates, "timings": timings, "image_size": image_size, "load_average": load_average()
        },
    )  # fmt: skip


def _binds(rates: dict[str, list[float]], timings: list[dict[str, Any]]) -> str:
    waiting_ms, step_ms = (
        median(1000 * t[key] / t["num_timed_steps"] for t in timings) for key in ("data_wait_s", "step_s")
    )
    bare_ms = 1000 * BATCH_SIZE / median(rates["bare"])
    return (
        f"a step takes {step_ms:.0f} ms in the job and {bare_ms:.0f} ms alone, waiting {waiting_ms:.1f} ms; reading "
        "and Ray's processes run on the cores that compute"
    )
