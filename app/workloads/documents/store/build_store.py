"""Making a store from a source: what is to be done, and the end of it. What lies between, a task a shard, is left to
whoever runs tasks (app.execution.parallel.tasks on Ray; a plain loop in tests)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from app.configuration import to_dict
from app.data import files
from app.data.samples.splits import SPLITS, TEST, TRAIN, UNLABELLED, VALIDATION, seeded_split, torn_groups
from app.data.store.manifest import MANIFEST_NAME, claim_store, read_manifest_table, read_table, write_table
from app.data.store.quarantine import Quarantined, check_bad_share, write_quarantine
from app.errors import DataError, UsageError
from app.workloads.documents.source import classes
from app.workloads.documents.source.grouping import BY_NAMES, check_sizes, group_pages, shared_documents
from app.workloads.documents.source.layouts import detect_layout
from app.workloads.documents.source.listing import DataSet, PageSource, SourceOptions, told
from app.workloads.documents.store import leakage
from app.workloads.documents.store.partitions import check_classes, partition_splits
from app.workloads.documents.store.prepare import Shard, ShardTask, schema
from app.workloads.documents.store.prepared import FORMAT, WORKLOAD, DocumentStore, StoreOptions
from app.workloads.documents.store.shards import IMAGES_FOLDER

if TYPE_CHECKING:
    import pyarrow as pa

NUM_PARTITIONS, PER_CLASS = 10, 100
"""Tobacco3482's protocol (Kumar, Ye and Doermann, 2014): 800 pages train, 200 validate, 2482 test."""

MAX_PAGES_PER_SHARD = 256
"""A task of one to two seconds and a file of some 15 MB; assumed: a task's own cost (some 10 ms) does not count."""
MIN_PAGES_PER_SHARD = 16
MIN_SHARDS = 64
"""A small set is cut finer, so that all cores end at about the same time."""

VALIDATION_SHARE = 0.1
"""Share of the training pages that validate where a set has a test split and no validation split (assumed; RVL-CDIP has
an eighth)."""

MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 4096


@dataclass(frozen=True)
class StorePlan:
    options: StoreOptions
    tasks: list[ShardTask]
    bad: tuple[Quarantined, ...]
    """Known before any page is read."""
    compare_with: str | None
    """The store whose pages are left out of training."""

    @property
    def num_pages(self) -> int:
        return sum(len(task.pages) for task in self.tasks)


def plan_store(
    source: str,
    store: str,
    image_size: int = 384,
    num_partitions: int | None = None,
    per_class: int = PER_CLASS,
    seed: int = 0,
    compare_with: str | None = None,
    how: SourceOptions | None = None,
    groups: str = BY_NAMES,
    tell: Callable[[str], None] = lambda line: None,
    max_pixels: int | None = None,
) -> StorePlan:
    """Recognise the source, check that the store is new or was made with the same options, and list the tasks.

    What was recognised (layout, classes, splits, documents, what is left out) is told before anything is written.

    Args:
        num_partitions: None: 10 for Tobacco3482, whatever its layout; none for all other sets.
        compare_with: None: what the store was compared with before, if it was.
        how: what a person says of the source.
        groups: which pages are of one document: `names`, `none`, or a file that says it.

    Raises:
        DataError: the source is not understood or cannot be read; the store to compare with cannot be opened, or
            this one not be written.
        UsageError: the store was made with other options; the options do not fit the source.
    """
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        raise UsageError(f"--image-size: got {image_size}, expected {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} pixels")
    found = detect_layout(source, how)
    grouped, by = group_pages(found.pages, groups)
    found = replace(found, pages=grouped)
    labels = np.array([page.label for page in found.pages])
    if not (labels >= 0).any():
        raise DataError(f"{source}: none of its {len(labels)} pages ({found.layout}) has a label")
    if num_partitions is None:
        num_partitions = NUM_PARTITIONS if found.classes == classes.TOBACCO and not found.has_split else 0
    if num_partitions < 0 or (num_partitions and found.has_split):
        raise UsageError(
            f"--num-partitions: got {num_partitions} for {source} ({found.layout}), which has its own split; expected 0"
            if num_partitions > 0
            else f"--num-partitions: got {num_partitions}, expected 0 or more"
        )
    if num_partitions:
        check_classes(labels, found.classes, per_class)
    per_class = per_class if num_partitions else 0
    options = StoreOptions(
        WORKLOAD, FORMAT, found.layout, image_size, found.classes, num_partitions, seed, per_class, by
    )
    pages = _with_splits(found, options)
    other = compare_with or _compared_before(store)
    if other:
        read_manifest_table(other)
    files.check_folder(files.join(store, IMAGES_FOLDER))
    first = f"{source}: layout {found.layout}, {len(pages)} pages, {len(found.classes)} classes"
    for line in (first, *describe(replace(found, pages=pages), options, found.has_split)):
        tell(line)
    claim_store(store, to_dict(options))
    return StorePlan(options, _tasks(pages, source, store, image_size, max_pixels), found.bad, other)


def describe(found: DataSet, options: StoreOptions, has_split: bool) -> list[str]:
    """Classes, splits, documents and what was left out of a source whose pages have their splits, a line each."""
    pages = found.pages
    counts = Counter(page.label for page in pages)
    without = [f"{counts[-1]} without a class"] if counts[-1] else []
    lines = ["classes: " + told([*(f"{name} {counts[i]}" for i, name in enumerate(found.classes)), *without], 40)]
    if options.num_partitions:
        per_class = options.per_class
        num_test = sum(max(0, counts[i] - per_class) for i in range(len(found.classes)))
        drawn = f"splits: {options.num_partitions} partitions drawn by seed {options.seed}"
        lines.append(f"{drawn}, each with {per_class} pages of a class to train and validate; {num_test} others test")
    else:
        splits = Counter(page.split for page in pages)
        own = "of the data set" if has_split else f"drawn by seed {options.seed}"
        num_none = sum(page.split not in SPLITS and page.label >= 0 for page in pages)
        none = f"; {num_none} with a class are in none of them, neither trained nor scored on" if num_none else ""
        lines.append(f"splits ({own}): {', '.join(f'{splits[name]} {name}' for name in SPLITS)}{none}")
    ids, documents = [page.id for page in pages], [page.document_id for page in pages]
    together = shared_documents(ids, documents, options.groups)
    if together:
        sizes = Counter(together.values())
        name, number = sizes.most_common(1)[0]
        kept = f"{len(together)} pages are of {len(sizes)} documents of several (the largest: {name}, {number} pages)"
        torn = torn_groups({page.id: page.split for page in pages if page.split}, together)
        where = f"; the data set's own splits tear {len(torn)} of them" if torn else " and stay together in every split"
        lines.append(f"documents, by {options.groups.split()[0]}: {kept}{where}; --groups says it otherwise")
    return [*lines, *found.notes, *([f"{len(found.bad)} entries are no pages: quarantined"] if found.bad else [])]


def finish_store(store: str, plan: StorePlan, shards: Sequence[Shard], max_bad_fraction: float) -> DocumentStore:
    """Write the quarantine, the lists of leaking pages and the manifest; returns the store, opened.

    Raises:
        DataError: no good page is left, or more than `max_bad_fraction` of all are bad.
    """
    import pyarrow as pa

    bad = [*plan.bad, *(entry for shard in shards for entry in shard.bad)]
    shards = [shard for shard in shards if len(shard.pages)]
    write_quarantine(store, bad)
    check_bad_share(sum(len(shard.pages) for shard in shards), bad, max_bad_fraction, store)
    table = pa.concat_tables([shard.pages.replace_schema_metadata() for shard in shards])
    table = _with_distinct_ids(table).cast(schema()).sort_by([("shard", "ascending"), ("offset", "ascending")])
    excluded = leakage.find_shared(table, read_manifest_table(plan.compare_with)) if plan.compare_with else []
    listed = leakage.excluded_table(excluded, plan.compare_with or "")
    duplicates = leakage.duplicates_table(_duplicates(table, plan.options))
    write_table(files.join(store, leakage.EXCLUDED_NAME), listed)
    write_table(files.join(store, leakage.DUPLICATES_NAME), duplicates)
    write_table(files.join(store, MANIFEST_NAME), table)
    return DocumentStore(store)


def _duplicates(table: "pa.Table", options: StoreOptions) -> list[tuple[int, str, str, str, int]]:
    """Rows of duplicates.parquet. Excluded pages count as training pages: who trains with them needs them here."""
    ids, labels, hashes = table["id"].to_pylist(), table["label"].to_numpy(), table["phash"].to_numpy()
    if options.num_partitions:
        numbers = range(options.num_partitions)
        together = shared_documents(ids, table["document_id"].to_pylist(), options.groups)
        splits = {n: partition_splits(ids, labels, options.seed, n, options.per_class, together) for n in numbers}
    else:
        splits = {leakage.NO_PARTITION: np.asarray(table["split"].to_pylist(), dtype=np.str_)}
    return [
        (number, name, *pair)
        for number, split in splits.items()
        for name in (VALIDATION, TEST)
        for pair in leakage.find_duplicates(ids, hashes, np.flatnonzero(split == TRAIN), np.flatnonzero(split == name))
    ]


def _with_splits(found: DataSet, options: StoreOptions) -> tuple[PageSource, ...]:
    """The split is drawn over all labelled pages found, before any is read; so it does not change when one turns out
    to be bad.

    Raises:
        DataError: documents by names are none, and splits are to be drawn by them.
    """
    is_drawn = options.num_partitions or not found.has_split or all(p.split != VALIDATION for p in found.pages)
    if is_drawn and options.groups == BY_NAMES:
        check_sizes(found.pages, found.classes)
    if options.num_partitions:
        return tuple(replace(page, split="") if page.split else page for page in found.pages)
    labelled = [page for page in found.pages if page.label >= 0]
    together = shared_documents([p.id for p in found.pages], [p.document_id for p in found.pages], options.groups)
    splits: dict[str, str] = {}
    if not found.has_split:
        splits = seeded_split([page.id for page in labelled], options.seed, groups=together)
    elif not any(page.split == VALIDATION for page in labelled):
        own = [page.id for page in labelled if page.split == TRAIN]
        splits = seeded_split(own, options.seed, (1 - VALIDATION_SHARE, VALIDATION_SHARE, 0.0), together)
    return tuple(
        replace(page, split=UNLABELLED if page.label < 0 else splits.get(page.id, page.split or UNLABELLED))
        for page in found.pages
    )


def _tasks(
    pages: tuple[PageSource, ...], source: str, store: str, image_size: int, max_pixels: int | None
) -> list[ShardTask]:
    size = min(MAX_PAGES_PER_SHARD, max(MIN_PAGES_PER_SHARD, -(-len(pages) // MIN_SHARDS)))
    return [
        ShardTask(pages[first : first + size], number, source, store, image_size, max_pixels)
        for number, first in enumerate(range(0, len(pages), size))
    ]


def _with_distinct_ids(table: "pa.Table") -> "pa.Table":
    """The second page of `fax.tif` beside a file `fax-p2.png`: the source tells them apart."""
    ids = table["id"].to_pylist()
    counts = Counter(ids)
    if len(counts) == len(ids):
        return table
    named = [
        page if counts[page] == 1 else f"{page}@{source}"
        for page, source in zip(ids, table["source"].to_pylist(), strict=True)
    ]
    return table.set_column(table.schema.get_field_index("id"), "id", [named])


def _compared_before(store: str) -> str | None:
    path = files.join(store, leakage.EXCLUDED_NAME)
    if not files.exists(path):
        return None
    notes: dict[bytes, bytes] = read_table(path).schema.metadata or {}
    return notes.get(leakage.COMPARED_WITH, b"").decode() or None
