"""Making a store from a source: what is to be done, and the end of it. What lies between, a task a case, is left to
whoever runs tasks (app.execution.parallel.tasks on Ray; a plain loop in tests)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.data import files
from app.data.samples.splits import SplitRule
from app.data.store.manifest import STORE_NAME, claim_store, write_manifest
from app.data.store.quarantine import Quarantined, check_bad_share, write_quarantine
from app.errors import DataError
from app.workloads.brats.labels import Layout, describe
from app.workloads.brats.source.contents import find_source
from app.workloads.brats.source.label_choice import LabelChoice, LabelOptions, choose_codes
from app.workloads.brats.source.layouts import CaseFiles, Source
from app.workloads.brats.source.patients import SplitOptions, assign
from app.workloads.brats.spacing import TOLERANCE, Spacing, common_spacing, differs, in_words, read_spacings
from app.workloads.brats.store.cases import Case
from app.workloads.brats.store.prepare import CASES_FOLDER, CaseTask
from app.workloads.brats.store.prepared import store_spacing

FORMAT = 2
"""Version of the format of frames and records; a store of another format is not mixed with this one."""


@dataclass(frozen=True)
class StoreOptions:
    """All that a store's contents depend on besides the source's files; kept in store.json."""

    workload: str
    format: int
    layout: Layout
    labels: str
    """What the codes of its labels mean, as `describe` writes it."""
    split: str
    """The rule, or the file that says it."""
    seed: int | None
    """The split's seed; None: a rule that takes none."""
    fold: str | None
    """Such as `0 of 5`; None where there are none."""
    patients: str
    """`by name`, `none`, or the file that says whose scan a case is."""
    spacing_mm: list[float] | None
    """z, y, x: the training's voxel size; None where its cases have several and are not resampled."""
    resampling: bool
    """Whether training cases of other voxel sizes are brought to it."""


def find_labelled(source: str, allow_outside: bool = False) -> Source:
    """`find_source` of a data set to train on. Raises DataError also when none of its cases has a label."""
    found = find_source(source, allow_outside)
    if not any(case.label for case in found.cases):
        counted = f"none of its {len(found.cases)} cases ({found.layout}) has a label"
        raise DataError(f"{source}: {counted}; expected cases to train on")
    return found


@dataclass(frozen=True)
class VoxelOptions:
    """What is done about the cases' voxel sizes."""

    spacing_mm: Spacing | None = None
    """z, y, x: the training's; None: the median of the labelled cases (spacing.common_spacing)."""
    resampling: bool = True


def plan_store(
    source: str | Source,
    store: str,
    split: SplitRule | SplitOptions = "seeded",
    seed: int = 0,
    labels: LabelChoice | None = None,
    voxels: VoxelOptions = VoxelOptions(),
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Layout, list[CaseTask]]:
    """Recognise the source, check that the store is new or was made with the same options, and list the tasks.

    The split is drawn over the patients of all labelled cases found, before any is read; so it does not change when a
    case turns out to be bad.

    Args:
        source: the data set's folder, or what was found there.
        store: folder or URL.
        split: by which rule, or all about it.
        seed: of a rule by its name.
        labels: what the codes of its labels mean; None: what the source itself tells.
        voxels: what is done about voxel sizes.
        say: is told, in lines, what was decided.

    Raises:
        DataError: the source is not understood or cannot be read; the store cannot be written; a file of splits or
            patients does not fit.
        UsageError: the store was made with other options.
    """
    found = find_labelled(source) if isinstance(source, str) else source
    layout, cases = found.layout, found.cases
    codes = (choose_codes(found, LabelOptions()) if labels is None else labels).codes
    files.check_folder(files.join(store, CASES_FOLDER))
    how = split if isinstance(split, SplitOptions) else SplitOptions(split, seed)
    assigned = assign([case.id for case in cases], [case.id for case in cases if case.label], how)
    spacing_mm, told = _training_spacing([case for case in cases if case.label], store, voxels)
    facts: dict[str, Any] = {**assigned.facts, "spacing_mm": None if spacing_mm is None else list(spacing_mm)}
    options = StoreOptions("brats", FORMAT, layout, describe(codes), resampling=voxels.resampling, **facts)
    claim_store(store, asdict(options))
    for line in (*assigned.told, told):
        say(line)
    target = spacing_mm if voxels.resampling else None
    return layout, [
        CaseTask(case, layout, assigned.splits[case.id], store, codes, assigned.patients[case.id], target)
        for case in cases
    ]


def _training_spacing(labelled: Sequence[CaseFiles], store: str, voxels: VoxelOptions) -> tuple[Spacing | None, str]:
    """The training's voxel size and a line about it. A store that was begun keeps its own: cases that come later, or
    are mended, do not move it."""
    if voxels.spacing_mm is None and files.exists(files.join(store, STORE_NAME)):
        spacing = store_spacing(store)
        seen = "several, kept as they are" if spacing is None else in_words(spacing)
        return spacing, f"voxels of training: {seen} (as the store was begun)"
    found = read_spacings(labelled)
    spacing = common_spacing(found) if voxels.spacing_mm is None else voxels.spacing_mm
    if spacing is None:
        return None, "voxels of training: unknown, no header of a labelled case can be read"
    how = "median of the labelled cases" if voxels.spacing_mm is None else "as asked for"
    num_differing = sum(differs(own, spacing) for own in found)
    told = f"voxels of training: {in_words(spacing)} ({how})"
    if not num_differing:
        return spacing, told
    sizes = f"{num_differing} of {len(labelled)} cases differ by more than {TOLERANCE:.0%}"
    if voxels.resampling:
        return spacing, f"{told}; {sizes}: resampled to it for training, and scored on their own grid"
    return None, f"voxels of training: several, {sizes} from {in_words(spacing)} and are kept as they are"


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
