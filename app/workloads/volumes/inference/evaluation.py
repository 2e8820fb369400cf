"""Scores of one case of a store, and their means over cases.

What is scored is the label that prediction would write, so regions are nested as in its file. Scores are those of the
case's original geometry although only the stored box is looked at: outside it prediction and truth are both
background (the box holds every voxel of the organ and of label), which changes neither overlap nor a distance between
surfaces; the spacing is the source's, and voxels are reoriented. Where a case was resampled for the network, its
prediction is brought back and scored on the case's own grid; a training case that was resampled when it was stored is
scored as it is stored.
"""

from functools import lru_cache
from statistics import fmean

import torch

from app.data import files
from app.data.store.manifest import MANIFEST_NAME
from app.workloads.volumes.inference.metrics import MISSED_HD95_MM, dice, hd95_mm
from app.workloads.volumes.inference.segment import predict_label
from app.workloads.volumes.labels import region_masks
from app.workloads.volumes.spacing import in_words
from app.workloads.volumes.store.cases import Case
from app.workloads.volumes.store.prepared import VolumeStore
from app.workloads.volumes.task import VolumeTask

Scores = dict[str, float | None]

CONVENTIONS = (
    "a region that is empty in both prediction and truth counts as found: Dice 1, HD95 0 mm (BraTS)",
    f"a region that is empty in one of them counts as missed: Dice 0, HD95 {MISSED_HD95_MM} mm (BraTS)",
    "dice is the mean over a case's regions; means are over cases",
)


def evaluate_case(
    task: VolumeTask, network: torch.nn.Module, store: str, case_id: str, device: torch.device, thorough: bool
) -> Scores:
    """dice_NAME of each of the task's score_names, their mean `dice`, and, if thorough, hd95_mm_NAME as well.

    `thorough` takes the final overlap and flips of the task, else the overlap of evaluations during training.

    Raises:
        DataError: the store or the case is missing, damaged, or without a label.
    """
    opened = _open_store(store, str(files.stamp(files.join(store, MANIFEST_NAME))))
    case = opened.case(case_id)
    image, truth = opened.read_case(case)
    assert truth is not None, f"{case_id} has no label; validation_ids lists labelled cases only"
    overlap = task.final_overlap if thorough else task.evaluation_overlap
    label = predict_label(
        task,
        network,
        image,
        case.gain,
        case.bias,
        device,
        overlap=overlap,
        mirror=thorough and task.mirror,
        spacing_mm=case.spacing_mm,
    )
    masks = [region_masks(one, task.outputs, task.anatomy) for one in (label, truth)]
    pairs = list(zip(task.score_names, *masks, strict=True))
    scores: Scores = {f"dice_{name}": dice(predicted, true) for name, predicted, true in pairs}
    scores["dice"] = fmean(score for score in scores.values() if score is not None)
    if thorough:
        scores |= {f"hd95_mm_{name}": hd95_mm(predicted, true, case.spacing_mm) for name, predicted, true in pairs}
    return scores


def remarks(task: VolumeTask, cases: list[Case]) -> tuple[str, ...]:
    """Lines on what becomes of voxel sizes when these cases are scored; none where all are of one size."""
    if task.spacing_mm is None:
        return ("the model says no voxel size of its training: every case went to the network as it is",)
    lines = []
    target, num_differing = in_words(task.spacing_mm), sum(task.differs(case.spacing_mm) for case in cases)
    if num_differing and task.resampling:
        lines.append(
            f"{num_differing} of {len(cases)} cases were resampled to the training's {target} for the network; scores "
            "are on their own grids"
        )
    elif num_differing:
        lines.append(f"{num_differing} of {len(cases)} cases are not of the training's {target} and were not resampled")
    if num_stored := sum(case.spacing_mm != case.source_spacing_mm for case in cases):
        lines.append(f"{num_stored} of {len(cases)} cases were resampled when they were stored, and are scored so")
    return tuple(lines)


def summarize(task: VolumeTask, cases: list[Scores]) -> dict[str, float]:
    """Mean of each score over the cases for which it is defined; NaN where it is for none."""
    names = dict.fromkeys(name for scores in cases for name in scores)
    means = {}
    for name in names:
        values = [value for scores in cases if (value := scores.get(name)) is not None]
        means[name] = fmean(values) if values else float("nan")
    return means


@lru_cache(maxsize=2)
def _open_store(store: str, manifest_stamp: str) -> VolumeStore:
    """A process scores many cases of one store; the stamp tells when it was prepared again."""
    return VolumeStore(store)
