"""Making a store from a source: what is to be done, and the end of it. What lies between, a task a case, is left to
whoever runs tasks (app.execution.prepare on Ray; a plain loop in tests)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.data import files
from app.data.manifest import claim_store, write_manifest
from app.data.quarantine import Quarantined, check_bad_share, write_quarantine
from app.data.splits import UNLABELLED, SplitRule, split_cases
from app.errors import DataError
from app.workloads.brats.cases import Case
from app.workloads.brats.label_choice import LabelChoice, LabelOptions, choose_codes
from app.workloads.brats.labels import Layout, describe
from app.workloads.brats.layouts import Source
from app.workloads.brats.prepare import CASES_FOLDER, CaseTask
from app.workloads.brats.sources import find_source

FORMAT = 2
"""Of the frames and records; a store of another format is not mixed with this one."""


@dataclass(frozen=True)
class StoreOptions:
    """All that a store's contents depend on besides the source's files; kept in store.json."""

    workload: str
    format: int
    layout: Layout
    labels: str
    """What the codes of its labels mean, as `describe` writes it."""
    split: SplitRule
    seed: int | None
    """Of the seeded split; None for one in order."""


def find_labelled(source: str, allow_outside: bool = False) -> Source:
    """`find_source` of a data set to train on. Raises DataError also when none of its cases has a label."""
    found = find_source(source, allow_outside)
    if not any(case.label for case in found.cases):
        counted = f"none of its {len(found.cases)} cases ({found.layout}) has a label"
        raise DataError(f"{source}: {counted}; wanted cases to train on")
    return found


def plan_store(
    source: str | Source, store: str, split: SplitRule = "seeded", seed: int = 0, labels: LabelChoice | None = None
) -> tuple[Layout, list[CaseTask]]:
    """Recognise the source, check that the store is new or was made with the same options, and list the tasks.

    The split is drawn over all labelled cases found, before any is read; so it does not change when a case turns out
    to be bad.

    Args:
        source: the data set's folder, or what was found there.
        store: folder or URL.
        split: how the cases are split.
        seed: of the seeded split.
        labels: what the codes of its labels mean; None: what the source itself tells.

    Raises:
        DataError: the source is not understood or can not be read; the store can not be written.
        UsageError: the store was made with other options.
    """
    found = find_labelled(source) if isinstance(source, str) else source
    layout, cases = found.layout, found.cases
    codes = (choose_codes(found, LabelOptions()) if labels is None else labels).codes
    files.check_folder(files.join(store, CASES_FOLDER))
    options = StoreOptions("brats", FORMAT, layout, describe(codes), split, seed if split == "seeded" else None)
    claim_store(store, asdict(options))
    splits = split_cases(split, [case.id for case in cases if case.label], seed)
    return layout, [CaseTask(case, layout, splits.get(case.id, UNLABELLED), store, codes=codes) for case in cases]


def finish_store(store: str, results: Sequence[Case | Quarantined], max_bad_fraction: float) -> list[Case]:
    """Write the quarantine and, last, the manifest; returns the good cases, by id.

    Raises:
        DataError: no labelled case is left, or more than `max_bad_fraction` of all are bad.
    """
    good = sorted((r for r in results if isinstance(r, Case)), key=lambda case: case.id)
    bad = [r for r in results if isinstance(r, Quarantined)]
    write_quarantine(store, bad)
    check_bad_share(sum(case.has_label for case in good), bad, max_bad_fraction, store)
    write_manifest(store, [case.to_row() for case in good])
    return good
