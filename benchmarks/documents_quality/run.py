"""What is claimed of documents, tested on synthetic pages: the ensemble is better than image and text alone, transfer
from the larger set is better than training from scratch for as many epochs, and two workers reach what one does.

Small networks on small sets: the differences are what counts, the accuracies say nothing about real pages. The text is
what the generator wrote on each page (empty where it blurred the page), taken over as ready OCR text; reading it by OCR
would take longer than everything else. Each claim is held to the end of its 95 % interval that speaks against it.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import data
from benchmarks.common import Ratio, Report, Setting, compare, load_average, say

SEED = 1
ENSEMBLE = "average"
"""That of Ferrando 2020; the others are in the facts."""
ALONE = ("image", "text")
TOLERANCE = 0.05
"""In which two workers count as equivalent to one; what so few pages can show."""


@dataclass(frozen=True)
class Size:
    """How much is made and trained."""

    num_rvl_pages: int = 3200
    num_tobacco_pages: int = 600
    per_class: int = 25
    num_partitions: int = 10
    height: int = 400
    image_size: int = 64
    rvl_epochs: int = 4
    image_epochs: int = 5
    text_epochs: int = 15


FULL = Size()
QUICK = Size(
    num_rvl_pages=160,
    num_tobacco_pages=150,
    per_class=10,
    num_partitions=2,
    rvl_epochs=1,
    image_epochs=1,
    text_epochs=1,
)

IMAGE_TASK: Mapping[str, Any] = {"model": "test_resnet.r160_in1k"}
RVL_BATCH, IMAGE_BATCH = 16, 8
RVL_RATE, IMAGE_RATE = 0.4, 0.8
"""Rates on the larger set and on Tobacco3482, for a batch of 256; batch and rate of the latter are those of Ferrando
2020."""
TEXT_TASK: Mapping[str, Any] = {"num_layers": 2, "max_length": 128}
TEXT_BATCH = 16
TEXT_RATE = 2e-3

EXAMPLES = ("rvl-1", "rvl-2", "transfer-0", "scratch-0", "text-0")
"""Trainings whose settings and times are kept in the results."""

Hits = npt.NDArray[np.bool_]


def run(setting: Setting) -> Report:
    size = setting.choose(FULL, QUICK)
    rvl, tobacco = make(setting, size)
    runs = setting.work / "documents_quality"
    shutil.rmtree(runs, ignore_errors=True)
    bert = runs / "bert"
    data.run_job(
        "vocabulary.py", "--store", str(tobacco), "--out", str(bert), "--vocabulary-size", "2000",
        "--hidden-size", "64", "--num-layers", "2", "--max-length", "128",
    )  # fmt: skip
    workers = {k: train_on_workers(size, rvl, runs, k) for k in (1, 2)}
    found = [train_partition(size, tobacco, runs, bert, number) for number in range(size.num_partitions)]
    ensemble = ensemble_of(found, tobacco)
    pages = [f["pages"] for f in found]
    transfer = compare_hits([f["transfer"] for f in found], [f["scratch"] for f in found], pages)
    (two, held_out), (one, _) = workers[2], workers[1]
    same = compare_hits([two], [one], [held_out])
    ratios = [
        *(held(f"documents: ensemble / {alone} alone", ensemble["accuracy"][alone]["mean"],
               ensemble["against"][ENSEMBLE][alone]) for alone in ALONE),
        held("documents: transfer / from scratch", accuracy([f["scratch"] for f in found]), transfer),
        agreement(same, len(held_out)),
    ]  # fmt: skip
    facts = {
        "size": vars(size),
        "chance": ensemble["chance"],
        "ensemble": {key: ensemble[key] for key in ("accuracy", "against", "image_weight", "num_pages", "interval")},
        "transfer": {"accuracy": accuracy([f["transfer"] for f in found]), "against_scratch": transfer},
        "scratch": {"accuracy": accuracy([f["scratch"] for f in found])},
        "workers": {"accuracy": {k: float(hits.mean()) for k, (hits, _) in workers.items()}, "2_against_1": same},
        "trainings": {name: read_facts(runs / name) for name in EXAMPLES},
        "load_average": load_average(),
    }
    return Report("documents_quality", ratios=ratios, facts=facts)


def held(name: str, base: float, against: Mapping[str, Any]) -> Ratio:
    """A ratio of accuracies at the low end of the difference's interval: met where "better" holds even there."""
    return compare(
        f"{name}, low end of 95 %", "accuracy", [base + against["low"]], [base], 1.0, "at least",
        lambda: f"difference {against['difference']:+.4f} ({against['low']:+.4f} to {against['high']:+.4f})",
    )  # fmt: skip


def agreement(same: Mapping[str, Any], num_pages: int) -> Ratio:
    """How far two workers may be from one, by the end of the difference's interval that lies farther from none: to be
    equivalent is shown, not assumed for want of pages. Of N pages without a difference, 3 / N may be hidden still."""
    end = max(abs(same["low"]), abs(same["high"]), 3 / num_pages)
    return compare(
        f"documents: difference of k = 2 and k = 1, far end of 95 % / {TOLERANCE:g}", "accuracy",
        [end], [TOLERANCE], 1.0, "at most",
        lambda: f"difference {same['difference']:+.4f} ({same['low']:+.4f} to {same['high']:+.4f}), "
        f"{num_pages} pages: another training, or too few of them",
    )  # fmt: skip


def make(setting: Setting, size: Size) -> tuple[Path, Path]:
    """The stores of both sets; made where they are not there yet."""
    folder = setting.work / "data" / f"documents-{size.num_rvl_pages}-{size.num_tobacco_pages}-seed{SEED}"
    rvl, tobacco = folder / "rvl-store", folder / "tobacco-store"
    common = ["--height", str(size.height), "--seed", str(SEED)]
    pixels = ["--image-size", str(size.image_size)]
    if not (tobacco / "ocr").exists():
        texts, source = str(folder / "texts"), str(folder / "tobacco")
        pages = ["--num-pages", str(size.num_tobacco_pages), "--per-class", str(size.per_class)]
        parts = ["--num-partitions", str(size.num_partitions), "--per-class", str(size.per_class)]
        data.run_job("synthesize.py", "tobacco", "--out", source, "--texts", texts, *pages, *common)
        data.run_job("prepare.py", "documents", "--source", source, "--store", str(tobacco), *pixels, *parts)
        data.run_job("ocr.py", "--store", str(tobacco), "--import", texts)
    if not (rvl / "manifest.parquet").exists():
        source = str(folder / "rvl-cdip")
        data.run_job("synthesize.py", "rvl-cdip", "--out", source, "--num-pages", str(size.num_rvl_pages), *common)
        data.run_job(
            "prepare.py", "documents", "--source", source, "--store", str(rvl), "--compare-with", str(tobacco), *pixels
        )
    return rvl, tobacco


def train_on_workers(size: Size, store: Path, runs: Path, k: int) -> tuple[Hits, list[str]]:
    """The larger set on k workers at one global batch; which of the pages not trained on are right, and their ids."""
    name = f"rvl-{k}"
    data.run_job(
        "train.py", "document-image", "--store", str(store), "--runs", str(runs), "--name", name,
        "--workers", str(k), "--epochs", str(size.rvl_epochs), "--batch-size", str(RVL_BATCH),
        "--optimizer.learning-rate", str(RVL_RATE),
        "--task.weights", "random", "--task.model", IMAGE_TASK["model"], "--task.image-size", str(size.image_size),
        *data.fixed_numerics(),
    )  # fmt: skip
    found = evaluate(runs / name, store)
    return np.concatenate([hits for hits, _ in found.values()]), [page for _, pages in found.values() for page in pages]


def train_partition(size: Size, store: Path, runs: Path, bert: Path, number: int) -> dict[str, Any]:
    """Image with and without transfer, and text, on one partition; which test pages each has right."""
    image = {**IMAGE_TASK, "image_size": size.image_size, "partition": number}
    trainings = {
        "transfer": ("document_image", {**image, "weights": str(runs / "rvl-1")}, size.image_epochs),
        "scratch": ("document_image", {**image, "weights": "random"}, size.image_epochs),
        "text": ("document_text", {**TEXT_TASK, "model": str(bert), "partition": number}, size.text_epochs),
    }
    found: dict[str, Any] = {}
    for name, (workload, task, epochs) in trainings.items():
        folder = runs / f"{name}-{number}"
        train(folder, store, workload, task, epochs)
        found[name], found["pages"] = evaluate(folder, store)["test"]
        found[f"{name}_run"] = str(folder)
    say("  partition {}: {}".format(number, ", ".join(f"{n} {found[n].mean():.3f}" for n in trainings)))
    return found


def train(folder: Path, store: Path, workload: str, task: Mapping[str, Any], epochs: int) -> None:
    """As jobs/train.py with --launcher local would, in this process: its start would take as long as the training."""
    from app.execution.trials.trial import run_trial
    from app.experiment import Experiment, OptimizerConfig, ScheduleConfig
    from app.training.order import Order

    is_text = workload == "document_text"
    if is_text:
        optimizer = OptimizerConfig(name="adamw", learning_rate=TEXT_RATE, weight_decay=0.01, clip_norm=1.0)
        schedule = ScheduleConfig(name="poly", warmup_share=0.1, power=1.0)
    else:
        optimizer = OptimizerConfig(
            name="sgd", learning_rate=IMAGE_RATE, reference_batch_size=256, weight_decay=4e-5, clip_norm=None
        )
        schedule = ScheduleConfig(name="slanted-triangular", warmup_share=0.1)
    experiment = Experiment(
        name=folder.name, workload=workload, task=task, epochs=epochs, optimizer=optimizer, schedule=schedule,
        batch_size=TEXT_BATCH if is_text else IMAGE_BATCH, evaluate_every_epochs=5,
        precision="fp32", channels_last="yes",
    )  # fmt: skip
    run_trial(Order(experiment, str(store), str(folder), time.time(), launcher="local"))


def evaluate(folder: Path, store: Path) -> dict[str, tuple[Hits, list[str]]]:
    """Which pages of each split are right, and their ids, in the order of the store's pages."""
    from app.execution.models.evaluate import evaluate_run
    from app.workloads.documents.ensemble.methods import read_predictions
    from app.workloads.documents.store.prepared import DocumentStore

    opened, found = DocumentStore(str(store)), {}
    for split in ("validation", "test"):
        evaluate_run(str(folder), str(store), split, 1, "local")
        predicted = read_predictions(str(folder), split)
        rows = np.array([opened.row_of(page) for page in predicted.ids])
        order = np.argsort(rows)
        hits = predicted.shares.argmax(1) == opened.labels[rows]
        found[split] = hits[order], [predicted.ids[place] for place in order]
    return found


def ensemble_of(found: Sequence[Mapping[str, Any]], store: Path) -> dict[str, Any]:
    from app.workloads.documents.ensemble.runs import ensemble_runs, table

    summary = ensemble_runs([f["transfer_run"] for f in found], [f["text_run"] for f in found], str(store))
    for line in table(summary):
        say(f"  {line}")
    return summary


def compare_hits(ours: Sequence[Hits], other: Sequence[Hits], pages: Sequence[Sequence[str]]) -> dict[str, Any]:
    from app.workloads.documents.ensemble.methods import compare as paired

    found = paired(ours, other, pages)
    return {**vars(found), "verdict": found.verdict}


def accuracy(hits: Sequence[Hits]) -> float:
    return float(np.mean([values.mean() for values in hits]))


def read_facts(folder: Path) -> dict[str, Any]:
    """What was asked and what it took."""
    record = json.loads((folder / "record.json").read_text())
    return {key: record[key] for key in ("experiment", "num_workers", "num_parameters", "samples_per_s", "timings")}
