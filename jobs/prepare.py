"""Verify raw data and convert it once into a prepared store; started again, it finishes what is missing."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.command_line import absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.data.store.quarantine import Quarantined
    from app.workloads.brats.source.patients import SplitOptions
    from app.workloads.documents.store.prepared import DocumentStore

MAX_BAD_SAID = 20
"""Bad cases or pages shown one by one; of 400,000 too many may be bad to read."""


@dataclass(frozen=True)
class PrepareBrats:
    """Brain tumour volumes: MSD Task01, nnU-Net's folders, BraTS 2018 to 2021, 2023 and later (the layout is
    recognised)."""

    source: str
    """Folder or URL of the data set as it is distributed."""
    store: str
    """Folder or URL of the store to make or to finish."""
    split: Literal["seeded", "in-order", "folds"] = "seeded"
    """70/15/15 % of the patients: by a hash of each, or in the order of the data set (as DistMIS does); `folds`:
    by the hash into --num-folds parts, of which --fold tests, the next validates and all others train."""
    seed: int = 0
    """Seed of the seeded split and of folds."""
    num_folds: int = 5
    fold: int = 0
    """Counted from 0; also of a file of --splits that has several."""
    splits: str | None = None
    """A split of one's own: a CSV file with the columns case and split (train, validation, test), or nnU-Net's
    splits_final.json. Every labelled case must be there once."""
    patients: str | None = None
    """A CSV file with the columns case and patient: all scans of a patient go to one split. If not given, names such as
    BraTS-GLI-PPPPP-TTT say it; `none`: every scan counts as a patient of its own."""
    spacing_mm: tuple[float, float, float] | None = None
    """Voxel size along x, y, z that scans are brought to for training; if not given, the median of the labelled cases.
    Scans that differ by 5 % or less stay as they are."""
    resampling: bool = True
    """`--no-resampling` keeps all scans as they are."""
    labels: tuple[str, ...] = ()
    """What codes of the labels mean, such as 1=core 2=edema 4=enhancing; counts before what dataset.json or the
    challenge say of these codes. Meanings: background, core, edema, enhancing, cavity (of a resection: background)."""
    challenge: Literal["msd", "brats2021", "brats2023", "brats2024", "brats2024-ped"] | None = None
    """Whose codes the labels have, where neither dataset.json's names nor those of the files tell, or tell it wrong."""
    allow_outside: bool = False
    """Read files outside of the data set, where dataset.json or links lead there."""
    max_bad_fraction: float = 0.2
    """More bad cases than this share of all end the job with an error."""
    num_cpus: int | None = None
    """Cases worked on at a time; all cores of the machine or cluster if not given."""


@dataclass(frozen=True)
class PrepareDocuments:
    """Document pages: RVL-CDIP, Tobacco3482, a folder for each class, or Parquet mirrors (the layout is recognised)."""

    source: str
    """Folder or URL of the data set as it is distributed."""
    store: str
    """Folder or URL of the store to make or to finish."""
    image_size: int = 384
    """Pixels along each edge of a stored page; larger networks want more."""
    num_partitions: int | None = None
    """Random partitions into train, validation and test; if not given, 10 for Tobacco3482 and 0 for all other sets."""
    per_class: int = 100
    """Pages of each class that train (80 %) and validate (20 %) in a partition; all others test."""
    seed: int = 0
    """Seed of the partitions; also of the 70/15/15 % split of sets that have no split and no partitions, and of the 10
    % of training pages that validate where a set has a test split alone."""
    layout: Literal["rvl-cdip", "tobacco", "class-folders", "split-folders", "metadata", "parquet"] | None = None
    """How the source is to be read where it can be read in two ways; recognised if not given."""
    class_column: str | None = None
    """Column of metadata.jsonl or .csv, or of Parquet tables, that is the class; recognised if not given."""
    groups: str = "names"
    """Which pages are of one document, to stay together in every split: by their `names` (acme_p1, acme_p2), `none`, or
    a CSV file with the columns `file` and `document`."""
    allow_outside: bool = False
    """Also read files outside the source that a list or a link names."""
    max_pixels: int = 200_000_000
    """A page of more is refused, as a decompression bomb; of 1 bit, which is read in reduced form, three times that."""
    compare_with: str | None = None
    """Another store, as Tobacco3482's for RVL-CDIP: pages that are also there are listed and left out of training."""
    max_bad_fraction: float = 0.2
    """More bad pages than this share of all end the job with an error."""
    num_cpus: int | None = None
    """Batches of pages worked on at a time; all cores of the machine or cluster if not given."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` works in this process, without Ray: quicker for some hundred pages."""


def main(arguments: PrepareBrats | PrepareDocuments) -> None:
    from app.data.store.ownership import held

    _check(arguments)
    with held(absolute(arguments.store), "the store"):
        if isinstance(arguments, PrepareBrats):
            prepare_brats(arguments)
        else:
            prepare_documents(arguments)


def prepare_brats(arguments: PrepareBrats) -> None:
    from app.console import progress, say
    from app.data import files
    from app.data.store.quarantine import QUARANTINE_NAME, Quarantined, summary_lines
    from app.workloads.brats.source.contents import unlabelled_lines
    from app.workloads.brats.source.label_choice import LabelOptions, choose_codes
    from app.workloads.brats.source.label_names import parse_codes
    from app.workloads.brats.store.build_store import VoxelOptions, find_labelled, finish_store, plan_store
    from app.workloads.brats.store.prepare import prepare_or_keep
    from app.workloads.brats.volume.notes import grouped

    start_s = time.monotonic()
    store = absolute(arguments.store)
    source = find_labelled(absolute(arguments.source), arguments.allow_outside)
    labels = choose_codes(source, LabelOptions(arguments.challenge, parse_codes(arguments.labels)))
    told: list[str] = []
    spacing_mm = None if arguments.spacing_mm is None else arguments.spacing_mm[::-1]
    voxels = VoxelOptions(spacing_mm, arguments.resampling)
    layout, tasks = plan_store(source, store, split_options(arguments), labels=labels, voxels=voxels, say=told.append)
    num_labelled = sum(task.files.label is not None for task in tasks)
    say(f"{arguments.source}: layout {layout}, {len(tasks)} cases, {num_labelled} with a label")
    for line in (f"labels: {labels}", *unlabelled_lines(source), *told):
        say(line)
    results: list[Any] = []
    bad: list[Quarantined] = []
    with progress("prepare", len(tasks)) as advance:
        for result in results_of("ray", prepare_or_keep, tasks, arguments, lambda _: 1):
            if isinstance(result, Quarantined):
                _say_bad([result], len(bad))
                bad.append(result)
            results.append(result)
            advance(1, f"{len(bad)} quarantined" if bad else "")
    for line in summary_lines(bad, files.join(arguments.store, QUARANTINE_NAME)):
        say(line)
    cases = finish_store(store, results, arguments.max_bad_fraction)
    for line in grouped({case.id: case.notes for case in cases}):
        say(line)
    counts = Counter(case.split for case in cases)
    num_bytes = sum(case.num_bytes for case in cases)
    say(
        f"{arguments.store}: {len(cases)} cases ({', '.join(f'{n} {name}' for name, n in sorted(counts.items()))}), "
        f"{len(bad)} quarantined, {num_bytes} bytes, {time.monotonic() - start_s:.1f} s"
    )


def split_options(arguments: PrepareBrats) -> "SplitOptions":
    from app.workloads.brats.source.patients import EACH_CASE, SplitOptions

    patients = arguments.patients
    return SplitOptions(
        arguments.split,
        arguments.seed,
        arguments.num_folds,
        arguments.fold,
        splits=None if arguments.splits is None else absolute(arguments.splits),
        patients=patients if patients in (None, EACH_CASE) else absolute(patients),
    )


def prepare_documents(arguments: PrepareDocuments) -> None:
    from app.console import progress, say
    from app.data import files
    from app.data.samples.splits import TEST
    from app.data.store.quarantine import QUARANTINE_NAME, summary_lines
    from app.workloads.documents.source.grouping import BY_NAMES, NONE
    from app.workloads.documents.source.listing import SourceOptions
    from app.workloads.documents.store.build_store import finish_store, plan_store
    from app.workloads.documents.store.prepare import prepare_or_keep

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
    _say_bad(plan.bad, 0)
    shards, bad, num_notes = [], [*plan.bad], 0
    with progress("prepare", plan.num_pages) as advance:
        for shard in results_of(arguments.launcher, prepare_or_keep, plan.tasks, arguments, num_pages):
            _say_bad(shard.bad, len(bad))
            bad += shard.bad
            _say_notes(shard.notes, num_notes)
            num_notes += len(shard.notes)
            shards.append(shard)
            advance(num_pages(shard), f"{len(bad)} quarantined" if bad else "")
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


def results_of(
    launcher: str,
    function: "Callable[[Any], Any]",
    tasks: "Sequence[Any]",
    arguments: PrepareBrats | PrepareDocuments,
    count: "Callable[[Any], int]",
) -> "Iterator[Any]":
    """The function's result of each task; `count`: cases in a result."""
    if launcher == "local":
        from app.execution.parallel import in_process

        return in_process.run_cases(function, tasks, arguments.num_cpus)
    from app.data import files
    from app.execution.parallel.tasks import run_cases
    from app.execution.trials.gauges import with_rate

    store, places = files.name_of(arguments.store), ([absolute(arguments.source)], absolute(arguments.store))
    cases = run_cases(function, tasks, arguments.num_cpus, f"prepare:{store}", *places)
    return with_rate("prepared_per_s", store, cases, count)


def num_pages(shard: Any) -> int:
    return len(shard.pages) + len(shard.bad)


def _say_bad(bad: "Sequence[Quarantined]", num_before: int) -> None:
    from app.console import say

    for entry in bad[: max(0, MAX_BAD_SAID - num_before)]:
        say(f"quarantined {entry.id}: {entry.file}: {entry.reason}")
    if num_before < MAX_BAD_SAID <= num_before + len(bad):
        say("further ones are not shown here; the list will be in the store's quarantine.jsonl")


def _say_notes(notes: "Sequence[str]", num_before: int) -> None:
    from app.console import say

    for line in notes[: max(0, MAX_BAD_SAID - num_before)]:
        say(f"noted: {line}")
    if num_before < MAX_BAD_SAID < num_before + len(notes):
        say("further notes are not shown here")


def _splits(store: "DocumentStore") -> str:
    from app.data.samples.splits import SPLITS

    partition = 0 if store.options.num_partitions else None
    counts = ", ".join(f"{len(store.rows(split, partition))} {split}" for split in SPLITS)
    return f"{store.options.num_partitions} partitions of {counts}" if partition is not None else counts


def _check(arguments: PrepareBrats | PrepareDocuments) -> None:
    if not 0 <= arguments.max_bad_fraction <= 1:
        raise ValueError(f"--max-bad-fraction: got {arguments.max_bad_fraction}, expected 0 to 1")
    if isinstance(arguments, PrepareBrats) and arguments.spacing_mm is not None and min(arguments.spacing_mm) <= 0:
        raise ValueError(f"--spacing-mm: got {arguments.spacing_mm}, expected three positive lengths in mm")
    if arguments.num_cpus is not None and arguments.num_cpus < 1:
        raise ValueError(f"--num-cpus: got {arguments.num_cpus}, expected 1 or more")


if __name__ == "__main__":
    from app.command_line import run

    run({"brats": PrepareBrats, "documents": PrepareDocuments}, main, description=__doc__)
