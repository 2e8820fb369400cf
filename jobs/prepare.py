"""Verify raw data and convert it once into a prepared store; started again, it finishes what is missing."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class PrepareBrats:
    """Brain tumour volumes: MSD Task01, BraTS 2018 to 2021, BraTS 2023 and later (the layout is recognised)."""

    source: str
    """Folder or URL of the data set as it is distributed."""
    store: str
    """Folder or URL of the store to make or to finish."""
    split: Literal["seeded", "in-order"] = "seeded"
    """70/15/15 %: by a hash of each id, or in the order of the data set (the seed study's way)."""
    seed: int = 0
    """Of the seeded split."""
    max_bad_fraction: float = 0.2
    """More bad cases than this share of all end the job with an error."""
    num_cpus: int | None = None
    """Cases worked on at a time; all cores of the machine or cluster if not given."""


def main(arguments: PrepareBrats) -> None:
    from app.console import progress, say
    from app.data.quarantine import Quarantined
    from app.execution.prepare import run_cases
    from app.workloads.brats.building import finish_store, plan_store
    from app.workloads.brats.prepare import prepare_or_keep

    start_s = time.monotonic()
    _check(arguments)
    store = absolute(arguments.store)
    layout, tasks = plan_store(absolute(arguments.source), store, arguments.split, arguments.seed)
    num_labelled = sum(task.files.label is not None for task in tasks)
    say(f"{arguments.source}: layout {layout}, {len(tasks)} cases, {num_labelled} with a label")
    results, num_bad = [], 0
    with progress("prepare", len(tasks)) as advance:
        for result in run_cases(prepare_or_keep, tasks, arguments.num_cpus):
            if isinstance(result, Quarantined):
                num_bad += 1
                say(f"quarantined {result.id}: {result.file}: {result.reason}")
            results.append(result)
            advance(1, f"{num_bad} quarantined" if num_bad else "")
    cases = finish_store(store, results, arguments.max_bad_fraction)
    counts = Counter(case.split for case in cases)
    num_bytes = sum(case.num_bytes for case in cases)
    say(
        f"{arguments.store}: {len(cases)} cases ({', '.join(f'{n} {name}' for name, n in sorted(counts.items()))}), "
        f"{num_bad} quarantined, {num_bytes} bytes, {time.monotonic() - start_s:.1f} s"
    )


def _check(arguments: PrepareBrats) -> None:
    if not 0 <= arguments.max_bad_fraction <= 1:
        raise ValueError(f"--max-bad-fraction: got {arguments.max_bad_fraction}, wanted 0 to 1")
    if arguments.num_cpus is not None and arguments.num_cpus < 1:
        raise ValueError(f"--num-cpus: got {arguments.num_cpus}, wanted 1 or more")


def absolute(path: str) -> str:
    """Workers run in folders of their own."""
    return path if "://" in path else str(Path(path).resolve())


if __name__ == "__main__":
    from app.command_line import run

    run({"brats": PrepareBrats}, main, description=__doc__)
