"""From a source of brain scans to the cases of a store."""

from collections.abc import Callable

from app.data.samples.splits import SplitRule
from app.errors import DataError
from app.workloads.brats.labels import BRAIN, Layout
from app.workloads.brats.source.contents import find_source
from app.workloads.brats.source.label_choice import LabelChoice, LabelOptions, choose_codes
from app.workloads.brats.source.layouts import Source
from app.workloads.volumes.source.patients import SplitOptions
from app.workloads.volumes.store.build_store import AS_MEDIAN, VoxelOptions, plan_cases
from app.workloads.volumes.store.prepare import CaseTask


def find_labelled(source: str, allow_outside: bool = False) -> Source:
    """`find_source` of a data set to train on. Raises DataError also when none of its cases has a label."""
    found = find_source(source, allow_outside)
    if not any(case.label for case in found.cases):
        counted = f"none of its {len(found.cases)} cases ({found.layout}) has a label"
        raise DataError(f"{source}: {counted}; expected cases to train on")
    return found


def plan_store(
    source: str | Source,
    store: str,
    split: SplitRule | SplitOptions = "seeded",
    seed: int = 0,
    labels: LabelChoice | None = None,
    voxels: VoxelOptions = AS_MEDIAN,
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
    how = split if isinstance(split, SplitOptions) else SplitOptions(split, seed)
    return layout, plan_cases("brats", BRAIN, cases, layout, codes, store, how, voxels, say)
