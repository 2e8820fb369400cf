"""Document pages of any layout into a prepared store."""

import time
from collections.abc import Sequence
from typing import Any

from app.command_line import absolute
from app.console import progress, say
from app.data import files
from app.data.samples.splits import SPLITS, TEST
from app.data.store.quarantine import MAX_BAD_SAID, QUARANTINE_NAME, say_bad, summary_lines
from app.workloads.declaration import Engine
from app.workloads.documents.commands.flags import PrepareDocuments
from app.workloads.documents.source.grouping import BY_NAMES, NONE
from app.workloads.documents.source.listing import SourceOptions
from app.workloads.documents.store.build_store import finish_store, plan_store
from app.workloads.documents.store.prepare import page_of, prepare_or_keep
from app.workloads.documents.store.prepared import DocumentStore


def prepare(arguments: PrepareDocuments, engine: Engine) -> None:
    start_s = time.monotonic()
    plan = plan_store(
        absolute(arguments.source),
        (root := absolute(arguments.store)),
        arguments.image_size,
        arguments.num_partitions,
        arguments.per_class,
        arguments.seed,
        absolute(arguments.compare_with) if arguments.compare_with else None,
        SourceOptions(arguments.layout, arguments.class_column, arguments.allow_outside),
        arguments.groups if arguments.groups in (BY_NAMES, NONE) else absolute(arguments.groups),
        say,
        arguments.max_pixels,
    )
    say_bad(plan.bad, 0)
    places: Any = {"reads": [absolute(arguments.source)], "writes": root}
    shards, bad, num_notes = [], [*plan.bad], 0
    with progress("prepare", plan.num_pages) as advance:
        for shard in engine.run_cases(prepare_or_keep, plan.tasks, "prepare", num_pages, **places):
            say_bad(shard.bad, len(bad))
            bad += shard.bad
            _say_notes(shard.notes, num_notes)
            num_notes += len(shard.notes)
            shards.append(shard)
            advance(num_files(shard), f"{len(bad)} quarantined" if bad else "")
    for line in summary_lines(bad, files.join(arguments.store, QUARANTINE_NAME)):
        say(line)
    store = finish_store(root, plan, shards, arguments.max_bad_fraction)
    if plan.compare_with:
        say(f"{len(store.excluded_ids())} pages are also in {plan.compare_with}: training leaves them out")
    partitions = range(plan.options.num_partitions) or [None]
    tests = [store.duplicated(store.rows(TEST, partition), partition) for partition in partitions]
    alike = [f"{sum(map(bool, test))} of {len(test)}" for test in tests]
    say(f"test pages that look like a training page: {', '.join(alike)}{' (by partition)' if len(alike) > 1 else ''}")
    num_bytes = int(sum(shard.pages["num_bytes"].to_numpy().sum() for shard in shards))
    say(
        f"{arguments.store}: {len(store)} pages ({_splits(store)}), {len(bad)} quarantined, {num_bytes} bytes, "
        f"{time.monotonic() - start_s:.1f} s"
    )


def num_pages(shard: Any) -> int:
    return len(shard.pages) + len(shard.bad)


def num_files(shard: Any) -> int:
    """What was planned: a TIFF of several pages counts once."""
    sources = [*shard.pages["source"].to_pylist(), *(entry.file for entry in shard.bad)]
    return len({page_of(source)[0] for source in sources})


def _say_notes(notes: Sequence[str], num_before: int) -> None:
    for line in notes[: max(0, MAX_BAD_SAID - num_before)]:
        say(f"noted: {line}")
    if num_before < MAX_BAD_SAID < num_before + len(notes):
        say("further notes are not shown here")


def _splits(store: DocumentStore) -> str:
    partition = 0 if store.options.num_partitions else None
    counts = ", ".join(f"{len(store.rows(split, partition))} {split}" for split in SPLITS)
    return f"{store.options.num_partitions} partitions of {counts}" if partition is not None else counts
