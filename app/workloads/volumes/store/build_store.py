"""Making a store from a source: what is to be done, and the end of it. What lies between, a task a case, is left to
whoever runs tasks (app.execution.parallel.tasks on Ray; a plain loop in tests)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.data import files
from app.data.store.manifest import STORE_NAME, claim_store, write_manifest
from app.data.store.quarantine import Quarantined, check_bad_share, write_quarantine
from app.workloads.volumes.anatomy import Anatomy
from app.workloads.volumes.labels import Codes, describe
from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.source.patients import SplitOptions, assign
from app.workloads.volumes.spacing import TOLERANCE, Spacing, common_spacing, differs, in_words, read_spacings
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepare import CASES_FOLDER, CaseTask
from app.workloads.volumes.store.prepared import store_spacing

FORMAT = 2
"""Version of the format of frames and records; a store of another format is not mixed with this one."""


@dataclass(frozen=True)
class StoreOptions:
    """All that a store's contents depend on besides the source's files; kept in store.json."""

    workload: str
    format: int
    layout: str
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


@dataclass(frozen=True)
class VoxelOptions:
    """What is done about the cases' voxel sizes."""

    spacing_mm: Spacing | None = None
    """z, y, x: the training's; None: the median of the labelled cases (spacing.common_spacing)."""
    resampling: bool = True


AS_MEDIAN = VoxelOptions()
"""Training takes the median voxel size, and brings other cases to it."""


def plan_cases(
    workload: str,
    anatomy: Anatomy,
    cases: Sequence[CaseFiles],
    layout: str,
    codes: Codes,
    store: str,
    split: SplitOptions,
    voxels: VoxelOptions = AS_MEDIAN,
    say: Callable[[str], None] = lambda _: None,
) -> list[CaseTask]:
    """Check that the store is new or was made with the same options, and list the tasks of these cases, whose labels
    have these codes.

    The split is drawn over the patients of all labelled cases found, before any is read; so it does not change when a
    case turns out to be bad.

    Raises:
        DataError: the store cannot be written; a file of splits or patients does not fit.
        UsageError: the store was made with other options.
    """
    files.check_folder(files.join(store, CASES_FOLDER))
    assigned = assign([case.id for case in cases], [case.id for case in cases if case.label], split)
    spacing_mm, told = _training_spacing([case for case in cases if case.label], store, voxels)
    facts: dict[str, Any] = {**assigned.facts, "spacing_mm": None if spacing_mm is None else list(spacing_mm)}
    options = StoreOptions(workload, FORMAT, layout, describe(codes), resampling=voxels.resampling, **facts)
    claim_store(store, asdict(options))
    for line in (*assigned.told, told):
        say(line)
    target = spacing_mm if voxels.resampling else None
    return [
        CaseTask(case, layout, assigned.splits[case.id], store, codes, anatomy, assigned.patients[case.id], target)
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
