"""Steady samples a second of whole trainings on two workers: fed by Ray Data against workers that read for themselves.

Two cases: patches of full-size scans, and pages of 384 pixels with the smallest network, where the feeding weighs most.
Runs of both kinds take turns. Rates leave start-up, the first steps, evaluation and checkpoints out, as record.json
defines them; all that Ray Data does meanwhile runs on the same cores.
"""

import json
import shutil
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

from app.machine import num_cores
from benchmarks import data, document_data
from benchmarks.common import Report, Setting, alternate, compare, load_average, say

TARGET = 0.97
NUM_PAIRS = 7
NUM_WORKERS = 2
NETWORK = "lcnet_035"
FEEDINGS = ("ray", "worker")


@dataclass
class _Case:
    """Trainings of one kind, each in a folder of its own."""

    name: str
    workload: str
    arguments: list[str]
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {feeding: [] for feeding in FEEDINGS})

    def train(self, setting: Setting, feeding: str) -> float:
        runs = setting.work / "feeding-train"
        name = f"{self.workload}-{feeding}-{len(self.records[feeding])}"
        data.run_job(
            "train.py", self.workload, "--runs", str(runs), "--name", name, "--workers", str(NUM_WORKERS),
            "--checkpoint-every-s", "100000", "--feeding", feeding, *self.arguments, *data.fixed_numerics(),
        )  # fmt: skip
        record = json.loads((runs / name / "record.json").read_text())
        self.records[feeding].append({key: record[key] for key in ("samples_per_s", "waiting_share", "timings")})
        return float(record["samples_per_s"])


def run(setting: Setting) -> Report:
    shutil.rmtree(setting.work / "feeding-train", ignore_errors=True)
    report = Report("feeding_train", facts={"num_workers": NUM_WORKERS, "network_of_pages": NETWORK})
    for case in _cases(setting):
        sides = {feeding: partial(case.train, setting, feeding) for feeding in FEEDINGS}
        rates = alternate(sides, setting.choose(NUM_PAIRS, 1), num_warmup_rounds=0)
        say(f"  {case.name}: {rates}")
        report.facts[case.name] = case.records
        report.ratios.append(
            compare(
                f"{case.name}: fed by Ray Data / by the workers", "samples/s", rates["ray"], rates["worker"], TARGET,
                "at least", partial(_what_binds, case.records),
            )
        )  # fmt: skip
    report.facts["load_average"] = load_average()
    return report


def _cases(setting: Setting) -> list[_Case]:
    edge, image_size = str(setting.choose(64, 32)), str(setting.choose(document_data.IMAGE_SIZE, 64))
    scans = [
        *("--store", str(data.make(setting).store), "--batch-size", str(NUM_WORKERS), *_epochs(setting, 5)),
        *("--task.patch-size", edge, edge, edge),
    ]
    pages = [
        *("--store", str(document_data.make(setting).store), "--batch-size", "8", *_epochs(setting, 5)),
        *("--task.model", NETWORK, "--task.weights", "random", "--task.image-size", image_size),
    ]
    return [_Case("scans", "brats", scans), _Case("pages", "document-image", pages)]


def _epochs(setting: Setting, full: int) -> tuple[str, ...]:
    """Evaluated once, at the end."""
    epochs = str(setting.choose(full, 4))
    return "--epochs", epochs, "--evaluate-every-epochs", epochs


def _what_binds(records: dict[str, list[dict[str, Any]]]) -> str:
    """Milliseconds a step, by what they went into."""
    parts = []
    for feeding, found in records.items():
        step_ms, wait_ms = (
            median(1000 * r["timings"][key] / r["timings"]["num_timed_steps"] for r in found)
            for key in ("step_s", "data_wait_s")
        )
        parts.append(f"{feeding}: {step_ms:.1f} ms computing and {wait_ms:.1f} ms waiting a step")
    return "; ".join(parts) + f"; {num_cores()} cores carry the workers and all of Ray"
