"""The recipe `documents-networks` on made pages: every network of it, from random weights, on one worker after another.

Accuracies say nothing of real pages, and nothing of networks that begin from ImageNet's weights. What they cost does
carry over to other pages: parameters, images a second in training, memory. All are trained alike but for the network.
"""

import json
import shutil
from typing import Any

from benchmarks import data
from benchmarks.common import Report, Setting, load_average, say
from benchmarks.document_data import make_pages

NUM_PAGES, QUICK_PAGES = 960, 160
IMAGE_SIZE = 96
"""Inception-ResNet-v2 needs 75 pixels."""
EPOCHS = 3
HEIGHT = ("--height", "400")
"""Of the pages, whose text nobody reads."""


def run(setting: Setting) -> Report:
    store = make_pages(setting, setting.choose(NUM_PAGES, QUICK_PAGES), IMAGE_SIZE, *HEIGHT).store
    folder = setting.work / "networks"
    shutil.rmtree(folder, ignore_errors=True)
    models = setting.choose((), ('models=["efficientnet_b0","resnet50","densenet121"]',))
    epochs = setting.choose(EPOCHS, 1)
    options = ["weights=random", f"image_size={IMAGE_SIZE}", f"epochs={epochs}", *models]
    how = ["--strategy", "experiment-parallel", "--workers", "1", "--runs", str(folder), "--name", "networks"]
    on_store = ["--store", f"rvl-cdip={store}"]
    data.run_job("study.py", "--recipe", "documents-networks", "--options", *options, *on_store, *how)
    run_folder = folder / "networks"
    for trial in sorted((run_folder / "trials").iterdir()):
        data.run_job(
            "evaluate.py", "documents", "--run", str(trial), "--store", str(store), "--launcher", "local"
        )  # fmt: skip
    page = folder / "networks.html"
    data.run_job("report.py", "--study", str(run_folder), "--out", str(page))
    points: list[dict[str, Any]] = json.loads(page.with_suffix(".json").read_text())["networks"]
    for line in table(points):
        say("  " + line)
    return Report("networks", facts={"options": options, "points": points, "load_average": load_average()})


def table(points: list[dict[str, Any]]) -> list[str]:
    """A row a network, for docs/studies.md."""
    lines = ["| network | parameters | images/s | memory | accuracy |", "|---|---|---|---|---|"]
    for point in points:
        score = "-" if point["score"] is None else f"{point['score']:.2f}"
        if point["low"] is not None:
            score += f" ({point['low']:.2f} to {point['high']:.2f})"
        rate = "-" if point["samples_per_s"] is None else f"{point['samples_per_s']:.3g}"
        size = f"{point['memory_bytes'] / 1e9:.1f} GB"
        lines.append(f"| {point['network']} | {point['num_parameters'] / 1e6:.1f} M | {rate} | {size} | {score} |")
    return lines
