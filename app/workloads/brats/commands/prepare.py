"""Brain scans of any layout into a prepared store."""

import time
from collections import Counter
from typing import Any

from app.command_line import absolute
from app.console import progress, say
from app.data import files
from app.data.store.quarantine import QUARANTINE_NAME, Quarantined, say_bad, summary_lines
from app.workloads.brats.commands.flags import PrepareBrats
from app.workloads.brats.source import label_choice
from app.workloads.brats.source.contents import unlabelled_lines
from app.workloads.brats.source.label_names import parse_codes
from app.workloads.brats.store import plan
from app.workloads.declaration import Engine
from app.workloads.volumes.scans.notes import grouped
from app.workloads.volumes.source.patients import EACH_CASE, SplitOptions
from app.workloads.volumes.store import build_store
from app.workloads.volumes.store.prepare import prepare_or_keep


def prepare(arguments: PrepareBrats, engine: Engine) -> None:
    start_s = time.monotonic()
    store = absolute(arguments.store)
    source = plan.find_labelled(absolute(arguments.source), arguments.allow_outside)
    labels = label_choice.choose_codes(
        source, label_choice.LabelOptions(arguments.challenge, parse_codes(arguments.labels))
    )
    told: list[str] = []
    spacing_mm = None if arguments.spacing_mm is None else arguments.spacing_mm[::-1]
    voxels = build_store.VoxelOptions(spacing_mm, arguments.resampling)
    layout, tasks = plan.plan_store(
        source, store, split_options(arguments), labels=labels, voxels=voxels, say=told.append
    )
    num_labelled = sum(task.files.label is not None for task in tasks)
    say(f"{arguments.source}: layout {layout}, {len(tasks)} cases, {num_labelled} with a label")
    for line in (f"labels: {labels}", *unlabelled_lines(source), *told):
        say(line)
    results: list[Any] = []
    places: Any = {"reads": [absolute(arguments.source)], "writes": store}
    bad: list[Quarantined] = []
    with progress("prepare", len(tasks)) as advance:
        for result in engine.run_cases(prepare_or_keep, tasks, "prepare", lambda _: 1, **places):
            if isinstance(result, Quarantined):
                say_bad([result], len(bad))
                bad.append(result)
            results.append(result)
            advance(1, f"{len(bad)} quarantined" if bad else "")
    for line in summary_lines(bad, files.join(arguments.store, QUARANTINE_NAME)):
        say(line)
    cases = build_store.finish_store(store, results, arguments.max_bad_fraction)
    for line in grouped({case.id: case.notes for case in cases}):
        say(line)
    counts = Counter(case.split for case in cases)
    num_bytes = sum(case.num_bytes for case in cases)
    say(
        f"{arguments.store}: {len(cases)} cases ({', '.join(f'{n} {name}' for name, n in sorted(counts.items()))}), "
        f"{len(bad)} quarantined, {num_bytes} bytes, {time.monotonic() - start_s:.1f} s"
    )


def split_options(arguments: PrepareBrats) -> SplitOptions:
    patients = arguments.patients
    return SplitOptions(
        arguments.split,
        arguments.seed,
        arguments.num_folds,
        arguments.fold,
        splits=None if arguments.splits is None else absolute(arguments.splits),
        patients=patients if patients in (None, EACH_CASE) else absolute(patients),
    )
