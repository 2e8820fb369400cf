"""Measure Twofold beside its peers and limits, in one run; results as JSON in benchmarks/results and as a table.

Each benchmark runs in a process of its own. Sides of a comparison take turns; warm-up is left out. A full run takes
about five hours on two cores; keep the machine quiet meanwhile.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import tyro

from app.errors import TwofoldError, UsageError
from benchmarks.common import RESULTS, ROOT, WORK, Setting, say, write_json

BENCHMARKS = {
    "prepare": "nnU-Net's fingerprint and preprocessing; unavoidable parts",
    "feeding": "patches a second: MONAI's data sets, nnU-Net's loader, Ray Data against none",
    "feeding_train": "steady samples a second of whole trainings: Ray Data against workers that read for themselves",
    "step": "a training step: the same network in plain fp32",
    "memory": "memory and time of one training step by the size of its volumes; no peer",
    "throughput": "steady samples a second: torchrun with the same loop",
    "quality": "Dice after the same minutes: a network trained by MONAI's pipeline",
    "documents_quality": "what is claimed of documents: ensemble, transfer, two workers; on synthetic pages",
    "sliding_window": "seconds a volume: MONAI's inferer on the same weights",
    "documents_prepare": "pages prepared and read: Pillow's decode and resize",
    "documents_step": "a training step on pages: timm in plain fp32",
    "documents_job": "images a second of the whole job: the bare step",
    "documents_ocr": "pages read by OCR: pytesseract as is",
    "documents_text": "BERT's tokens a second: padding to 512 always",
    "study": "four and eight trainings: plain processes, torchrun; what a trial costs beside its training",
    "scaling": "studies on one and two workers: what was predicted of them, and of more",
    "networks": "EfficientNets on made pages: other networks, by parameters, images a second and memory",
    "batch_sizes": "large batches with LARS, LAMB, a longer warm-up or more epochs: a batch of 64",
    "plan": "what studies take: what was predicted of each strategy before it ran",
    "widening": "a study whose last training takes over a free worker: the same study without",
    "plan_simulated": "plans chosen for imagined clusters: every other plan; without Ray",
    "plan_distmis": "DistMIS's cluster, fitted to its two published speed-ups",
    "frameworks": "PyTorch against TensorFlow: the same networks, weights and inputs; Keras on both",
    "gpu": "step time and samples a second on a GPU, if there is one",
}
"""In the order in which they run."""


class BenchmarkError(TwofoldError):
    """One or more benchmarks failed; the others have their results."""


@dataclass(frozen=True)
class Arguments:
    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Benchmarks to run: prepare, feeding, feeding_train, step, memory, throughput, quality, sliding_window,
    documents_quality, documents_prepare, documents_step, documents_job, documents_ocr, documents_text, study,
    scaling, networks, batch_sizes, plan, widening, plan_simulated, plan_distmis, frameworks, gpu. None given: all."""
    quick: bool = False
    """Small sizes, minutes in all: shows that everything works. Its results go to benchmarks/.work/quick."""


def main(arguments: Arguments) -> None:
    names = check_names(arguments.names)
    folder = WORK / "quick" if arguments.quick else RESULTS
    if len(names) == 1:
        run_one(names[0], arguments.quick, folder)
    else:
        failed = [name for name in names if not _run_in_child(name, arguments.quick)]
        show([folder / f"{name}.json" for name in names if name not in failed])
        if failed:
            raise BenchmarkError(f"failed: {', '.join(failed)}; run each alone to see why: python -m benchmarks NAME")


def check_names(names: Sequence[str]) -> list[str]:
    """The benchmarks asked for, all if none; raises UsageError for a name that is none."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise UsageError(f"unknown benchmark {', '.join(unknown)}: expected {', '.join(BENCHMARKS)}")
    return list(names) or list(BENCHMARKS)


def run_one(name: str, quick: bool, folder: Path) -> None:
    """Run a benchmark here, write its JSON and show its table."""
    work = WORK / ("quick" if quick else "full")
    work.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    say(f"{name}: {BENCHMARKS[name]}")
    report = import_module(f"benchmarks.{name}.run").run(Setting(quick, work))
    path = folder / f"{name}.json"
    write_json(path, {**report.to_dict(quick), "duration_s": round(time.perf_counter() - began, 1)})
    show([path])


def _run_in_child(name: str, quick: bool) -> bool:
    """In a process of its own: no benchmark leaves threads, memory or settings to the next."""
    command = [sys.executable, "-m", "benchmarks", name, *(["--quick"] if quick else [])]
    return subprocess.run(command, cwd=ROOT).returncode == 0


def show(paths: Sequence[Path]) -> None:
    """One table of all ratios in these result files."""
    from rich.console import Console
    from rich.table import Table

    contents = [json.loads(path.read_text()) for path in paths]
    note = " (quick: the numbers say nothing)" if any(c["quick"] for c in contents) else ""
    table = Table(title=f"Twofold / peer{note}")
    for column in ("measure", "ours", "peer", "unit", "ratio", "target", "met"):
        table.add_column(column)
    for row in rows(contents):
        table.add_row(*row)
    console = Console()
    if table.row_count:
        (console if console.is_terminal else Console(width=160)).print(table)
    for content in contents:
        for ratio in content["ratios"]:
            if ratio["what_binds"]:
                say(f"{ratio['name']}: {ratio['what_binds']}")
        if content["skipped"]:
            say(f"{content['benchmark']}: skipped: {content['skipped']}")
    say("written: " + ", ".join(str(path.relative_to(ROOT)) for path in paths))


def rows(contents: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Cells of the table: a row for each ratio."""
    return [
        (
            ratio["name"],
            _spread(ratio["ours"]),
            _spread(ratio["peer"]),
            ratio["unit"],
            _spread(ratio["ratio"]),
            f"{ratio['direction']} {ratio['target']:.3g}",
            "yes" if ratio["met"] else "NO",
        )
        for content in contents
        for ratio in content["ratios"]
    ]


def _spread(spread: dict[str, Any]) -> str:
    if spread["min"] == spread["max"]:
        return f"{spread['median']:.3g}"
    return f"{spread['median']:.3g} ({spread['min']:.3g} to {spread['max']:.3g})"


if __name__ == "__main__":
    from app.command_line import run

    run(Arguments, main, description=__doc__)
