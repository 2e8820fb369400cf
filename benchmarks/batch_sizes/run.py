"""Large batches: does a longer warm-up, LARS, LAMB, or twice the epochs mend what they cost?

timm's smallest EfficientNet on made pages, so that a hundred thousand images go by in minutes. One study has the trials
of the recipe `documents-batch-sizes` under each of its options; each is held against batch 64 with SGD, page
by page, over the pages of the test split (Holm's correction over all).
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.experiment import Experiment
from app.intervals import holm
from benchmarks import data
from benchmarks.common import Report, Setting, load_average, say
from benchmarks.document_data import make_pages
from benchmarks.documents_quality.run import compare_hits, evaluate
from benchmarks.networks.run import HEIGHT

NUM_PAGES, QUICK_PAGES = 6_000, 320
IMAGE_SIZE = 64
EPOCHS = 8
REFERENCE = "sgd, 64"
LARGE = (512, 2048)
WAYS: Mapping[str, Mapping[str, Any]] = {
    "sgd": {},
    "warm-up over a quarter": {"warmup_share": 0.25},
    "LARS": {"optimizer": "lars"},
    "LAMB": {"optimizer": "lamb"},
    "twice the epochs": {"epochs": 2 * EPOCHS},
}


def experiments(setting: Setting) -> dict[str, Experiment]:
    """By way and batch size; batches that the split has no step for are left out in a quick run."""
    from app.workloads.documents.recipes import documents_batch_sizes

    found: dict[str, Experiment] = {}
    for way, options in WAYS.items():
        sizes = (64, *LARGE) if way == "sgd" else LARGE
        sizes = setting.choose(sizes, tuple(dict.fromkeys(min(size, 128) for size in sizes)))
        for trial in documents_batch_sizes(
            small=True, batch_sizes=sizes, max_micro_batch_size=128, **{"epochs": setting.choose(EPOCHS, 1), **options}
        ).experiments:
            name = f"{way}, {trial.batch_size}"
            found[name] = replace(trial, name=name.replace(" ", "-").replace(",", ""))
    return found


def run(setting: Setting) -> Report:
    store = make_pages(setting, setting.choose(NUM_PAGES, QUICK_PAGES), IMAGE_SIZE, *HEIGHT).store
    folder = setting.work / "batch_sizes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asked = experiments(setting)
    path = folder / "study.json"
    path.write_text(json.dumps({"name": "batches", "experiments": [one.to_dict() for one in asked.values()]}))
    how = ["--strategy", "experiment-parallel", "--workers", "2", "--runs", str(folder), "--name", "batches"]
    data.run_job("study.py", "--study", str(path), "--store", f"rvl-cdip={store}", *how)
    hits: dict[str, Any] = {}
    pages: list[str] = []
    training_s: dict[str, float] = {}
    for name, one in asked.items():
        trial = folder / "batches" / "trials" / one.name
        hits[name], pages = evaluate(trial, store)["test"]
        training_s[name] = json.loads((trial / "record.json").read_text())["timings"]["total_s"]
    found = against_reference(hits, pages)
    for name, told in found.items():
        told["training_s"] = training_s[name]
        say(f"  {name}: {told['accuracy']:.3f}{'' if told['against'] is None else against_line(told['against'])}")
    return Report("batch_sizes", facts={"trials": found, "num_pages": len(pages), "load_average": load_average()})


def against_reference(hits: Mapping[str, Any], pages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Accuracy of each, and its paired difference from the reference with Holm's p over all."""
    from app.workloads.documents.ensemble.methods import verdict

    base = hits.get(REFERENCE)
    compared = {
        name: compare_hits([own], [base], [pages])
        for name, own in hits.items()
        if base is not None and name != REFERENCE
    }
    corrected = dict(zip(compared, holm([one["p_value"] for one in compared.values()]), strict=True))
    found: dict[str, dict[str, Any]] = {}
    for name, own in hits.items():
        against = None
        if name in compared:
            against = {**compared[name], "holm_p": corrected[name]}
            against["verdict"] = verdict(against["difference"], against["holm_p"])
        found[name] = {"accuracy": float(own.mean()), "against": against}
    return found


def against_line(against: Mapping[str, Any]) -> str:
    interval = f"{against['low']:+.3f} to {against['high']:+.3f}"
    return f", {against['difference']:+.3f} ({interval}): {against['verdict']}"
