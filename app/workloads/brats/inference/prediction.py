"""One raw case segmented: read and verified as preparation does it, predicted, written as NIfTI and as a picture.

Memory of the process for a case of 4 x 512^3 voxels stays below 5.5 GB from int16 files and below 6 GB from float32
ones, besides the network's own activations for one window: measured 4.9 and 5.5 GB with a brain that fills the volume,
0.6 GB of them libraries and 1.5 GB freed memory that a worker keeps for speed (app.training.process). With I = 1.07 GB,
the image in int16, reading holds the source (I or 2 I), the box cut out of it (I) and one modality in float64 (I).
"""

import ctypes
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.data import files
from app.data.store.quarantine import Quarantined
from app.errors import DataError, UsageError
from app.workloads.brats.inference.overlay import Picture, draw_overlay, volumes_ml
from app.workloads.brats.labels import FILE_CODES, lacking_meanings
from app.workloads.brats.scans import condition, write_label
from app.workloads.brats.source.contents import MAX_NAMED, find_inputs, left_out_lines, stray_lines
from app.workloads.brats.source.label_choice import LabelChoice, LabelOptions, choose_codes, described_by
from app.workloads.brats.source.layouts import Source
from app.workloads.volumes.inference.segment import NotFiniteError, OpenModel, predict_conditioned
from app.workloads.volumes.labels import describe
from app.workloads.volumes.scans.reading import BadVolume
from app.workloads.volumes.scans.resampling import TooManyVoxels
from app.workloads.volumes.source.case_files import CaseFiles, is_nifti
from app.workloads.volumes.spacing import Spacing, in_words
from app.workloads.volumes.task import VolumeTask

AUTO = "auto"
"""Write a label in the codes of its input's own."""

TRUTH_ENDINGS = ("", "_seg", "-seg")
"""What may follow a case's id in the name of its true label."""


@dataclass(frozen=True)
class PredictTask:
    """One case to segment: what a worker is sent."""

    files: CaseFiles
    """With the true label as its label, if the picture shall show it."""
    truth_codes: LabelChoice
    """Codes of the true label."""
    codes: LabelChoice
    """Codes of the label to write."""
    out: str


@dataclass(frozen=True)
class Predicted:
    """A case that was segmented."""

    id: str
    label: str
    """The label's file."""
    picture: str
    volumes_ml: dict[str, float]
    voxels: str = ""
    """What became of voxels that are not the training's, in words."""
    notes: tuple[str, ...] = ()
    """What was changed or assumed in reading it (app.workloads.volumes.scans.notes)."""


def predict_case(model: OpenModel, item: PredictTask) -> Predicted | Quarantined:
    """Segment one case; writes <out>/<id>.nii.gz and <out>/<id>.png, each replaced as a whole.

    A bad case never raises: it comes back as Quarantined, with the file at fault and the reason.

    Raises:
        DataError: the outputs cannot be written.
    """
    case = item.files
    try:
        conditioned = condition(case, item.truth_codes.codes)
    except BadVolume as bad:
        return Quarantined(case.id, bad.file, bad.reason)
    release_freed_memory()  # what reading took would stay with the process, and the windows' memory come on top of it
    try:
        label = predict_conditioned(model, conditioned)
    except (TooManyVoxels, NotFiniteError) as error:
        return Quarantined(case.id, case.images[0], str(error))
    label_file, picture_file = output_files(item)
    write_label(label_file, label, conditioned, item.codes.codes)
    picture = Picture(case.id, conditioned.image, label, conditioned.label, conditioned.spacing_mm, model.task.outputs)
    files.write_bytes_atomic(picture_file, draw_overlay(picture))
    volumes = volumes_ml(label, conditioned.spacing_mm, model.task.outputs)
    voxels = describe_voxels(model.task, conditioned.spacing_mm)
    return Predicted(case.id, label_file, picture_file, volumes, voxels, conditioned.notes)


def describe_voxels(task: VolumeTask, spacing_mm: Spacing) -> str:
    """Whether a scan of these voxels is resampled, or should have been; "" where it has the training's."""
    if task.spacing_mm is None or not task.differs(spacing_mm):
        return ""
    own, training = in_words(spacing_mm), in_words(task.spacing_mm)
    if task.resampling:
        return f"resampled from {own} to the training's {training} and back"
    return f"voxels of {own} are not the training's {training} and were not resampled"


def plan_predictions(
    inputs: Sequence[str],
    out: str,
    codes: str,
    truth: str | None,
    labels: LabelOptions | None = None,
    allow_outside: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[PredictTask]:
    """The cases of all inputs, each with its true label where `truth` (a file, or a folder of them) has one.

    Args:
        inputs: files and folders.
        out: folder for what is written.
        codes: of the labels to write: a challenge's name, or AUTO.
        truth: file, or folder of them.
        labels: what is said of the codes of the inputs' own labels, and so of the truth's.
        allow_outside: read files that lie outside of the inputs' folders.
        say: is told, in lines, which files of the inputs and of the truth fit no case.

    Raises:
        DataError: an input holds no case, or the truth does not exist, or nothing tells what its codes mean.
        UsageError: two cases have one id, an output would overwrite an input, or the codes lack a kind of tumour.
    """
    truths = _list_truths(truth)
    tasks: dict[str, PredictTask] = {}
    strays: dict[str, list[str]] = {}
    for path in inputs:
        source = find_inputs(path, allow_outside)
        own = _codes_of_input(source, LabelOptions() if labels is None else labels, needed=bool(truths))
        written = own if codes == AUTO else LabelChoice(FILE_CODES[codes], f"--label-codes {codes}")
        if lacking := lacking_meanings(written.codes):
            raise UsageError(
                f"labels cannot be written as {describe(written.codes)}: no code for {' and '.join(lacking)}; choose "
                "others with --label-codes"
            )
        strays.setdefault(source.folder, []).extend(source.strays)
        for line in left_out_lines(source):
            say(f"{path}: {line}")
        for case in source.cases:
            if case.id in tasks:
                first = tasks[case.id].files.images[0]
                raise UsageError(
                    f"two inputs are named {case.id}: {first} and {case.images[0]}; predict them one by one"
                )
            label = _truth_of(case, truths, alone=len(inputs) == len(source.cases) == 1 and truths == [truth])
            tasks[case.id] = PredictTask(CaseFiles(case.id, case.images, label), own, written, out)
    _tell_strays(list(tasks.values()), strays, truth, truths, say)
    sources = {path for task in tasks.values() for path in (*task.files.images, *truths)}
    for task in tasks.values():
        if sources.intersection(output_files(task)):
            raise UsageError(f"{output_files(task)[0]} is an input: use another --out folder")
    return list(tasks.values())


def _tell_strays(
    tasks: Sequence[PredictTask],
    strays: Mapping[str, Sequence[str]],
    truth: str | None,
    truths: Sequence[str],
    say: Callable[[str], None],
) -> None:
    used = {path for task in tasks for path in (*task.files.images, task.files.label)}
    told: set[str | None] = set(used)
    for folder, found, what in [
        *((folder, found, "left out, as they fit no case") for folder, found in strays.items()),
        (str(truth), truths, "labels of none of the inputs"),
    ]:
        new = [path for path in dict.fromkeys(found) if path not in told]
        told.update(new)
        for line in stray_lines(folder, new, what):
            say(f"{folder}: {line}")


def written_codes(tasks: Sequence[PredictTask]) -> str:
    """What the codes of the written labels mean, and who says so; several where the inputs' own differ."""
    return "; ".join(dict.fromkeys(str(task.codes) for task in tasks))


def truth_line(tasks: Sequence[PredictTask]) -> str:
    """Which cases have no true label, and what the codes of others were taken to mean; several where they differ."""
    codes = "; ".join(dict.fromkeys(str(task.truth_codes) for task in tasks if task.files.label))
    without = [task.files.id for task in tasks if task.files.label is None]
    if not without:
        return f"true labels for all {len(tasks)} cases: {codes}"
    more = f" and {len(without) - MAX_NAMED} more" if len(without) > MAX_NAMED else ""
    counted = f"true labels for {len(tasks) - len(without)} of {len(tasks)} cases, none for "
    return f"{counted}{', '.join(without[:MAX_NAMED])}{more}" + (f": {codes}" if codes else "")


def _codes_of_input(source: Source, labels: LabelOptions, needed: bool) -> LabelChoice:
    """What the codes of an input's own labels mean; where nothing tells and no truth is read, what most have.

    A 4D file that comes alone, without a dataset.json, has MSD's.
    """
    if source.layout == "msd" and source.label_names is None and labels == LabelOptions():
        return LabelChoice(FILE_CODES["msd"], "msd, as 4D files have them")
    try:
        return choose_codes(source, labels)
    except DataError:
        if needed or labels != LabelOptions():
            raise
    likely, silent = (
        ("brats2023", "the cases' names") if source.layout == "brats2023" else ("msd", described_by(source))
    )
    return LabelChoice(FILE_CODES[likely], f"{likely}, for lack of any in {silent}")


def output_files(task: PredictTask) -> tuple[str, str]:
    """The label's and the picture's file."""
    return files.join(task.out, f"{task.files.id}.nii.gz"), files.join(task.out, f"{task.files.id}.png")


def _list_truths(truth: str | None) -> list[str]:
    if truth is None:
        return []
    if not files.exists(truth):
        raise DataError(f"the truth {truth} does not exist; expected a label file or a folder of them")
    found = files.list_files(truth) if files.is_folder(truth) else [truth]
    return [path for path in found if is_nifti(path)]


def _truth_of(case: CaseFiles, truths: list[str], alone: bool) -> str | None:
    """The label named like the case; of one input and one label any name will do.

    Raises:
        UsageError: several are named so.
    """
    if alone:
        return truths[0]
    if case.label in truths:
        return case.label
    names = {f"{case.id}{ending}{suffix}".lower() for ending in TRUTH_ENDINGS for suffix in (".nii.gz", ".nii")}
    found = [p for p in truths if files.name_of(p).lower() in names and p not in case.images]
    if len(found) > 1:
        raise UsageError(f"--truth: {found[0]} and {found[1]} may both be of {case.id}; name a folder with one of them")
    return found[0] if found else None


def release_freed_memory() -> None:
    """Give freed memory back to the system where the C library keeps it (app.training.process sets it to)."""
    if sys.platform.startswith("linux"):
        with suppress(AttributeError):  # not glibc: it has no malloc_trim, and does not keep it either
            ctypes.CDLL(None).malloc_trim(0)


def summarize_ml(predicted: Predicted) -> str:
    """Such as `WT 31.0 ml, TC 12.3 ml, ET 8.1 ml`, and what became of its voxels."""
    volumes = ", ".join(f"{region} {ml:.1f} ml" for region, ml in predicted.volumes_ml.items())
    return f"{volumes}; {predicted.voxels}" if predicted.voxels else volumes
