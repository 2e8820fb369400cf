"""Use trained models on raw data: labels and pictures of brain scans, classes and a sheet of document pages."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from predict_documents import PredictDocuments, predict_documents

from app.command_line import absolute


@dataclass(frozen=True)
class PredictBrats:
    """Brain tumours in four MRI contrasts, in any orientation."""

    model: str
    """Folder (or URL) of a run, as jobs/train.py made it, or of an exported model."""
    input: tuple[str, ...] = ()
    """Scans: 4D NIfTI files (FLAIR, T1w, T1gd, T2w), one modality file of a BraTS or nnU-Net case (the others are found
    beside it), or folders of them as MSD Task01, nnU-Net and BraTS from 2018 on have them."""
    out: str | None = None
    """Folder for CASE.nii.gz and CASE.png; those already there are replaced."""
    truth: str | None = None
    """True label, or a folder of them named like the cases: drawn into the pictures."""
    flips: bool = False
    """Average over the eight flips: eight times the work."""
    overlap: float | None = None
    """Share of a window that its neighbour covers; the run's own final_overlap (0.5) if not given."""
    resampling: bool = True
    """A scan whose voxels are not the training's is resampled for the network, and the result brought back."""
    label_codes: Literal["auto", "msd", "brats2021", "brats2023", "brats2024", "brats2024-ped"] = "auto"
    """Codes of the written labels; auto: those of the input's own (msd for a 4D file). The last line names them."""
    labels: tuple[str, ...] = ()
    """CODE=MEANING of the inputs' own labels and of --truth, as jobs/prepare.py takes them."""
    challenge: Literal["msd", "brats2021", "brats2023", "brats2024", "brats2024-ped"] | None = None
    """Whose codes the inputs' own labels and --truth have."""
    allow_outside: bool = False
    """Read files outside of the inputs' folders, where dataset.json or links lead there."""
    workers: int = 1
    """Workers that each hold the model and take a case at a time."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` predicts in this process, without Ray."""
    export: str | None = None
    """Also write the model as a self-contained folder: weights, preprocessing, ONNX. Needs no --input."""


def main(arguments: Any) -> None:
    if isinstance(arguments, PredictDocuments):
        main_documents(arguments)
    else:
        main_brats(arguments)


def main_documents(arguments: PredictDocuments) -> None:
    _check(arguments, "pages")
    _check_folders(arguments)
    if arguments.image_model is None and (arguments.text_model is None or arguments.export is not None):
        needed = (
            "with --image-model" if arguments.export is not None else "with --image-model, with --text-model, or both"
        )
        raise ValueError(f"no model: give a run {needed}")
    if arguments.export is not None:
        export(absolute(str(arguments.image_model)), "document_image", absolute(arguments.export))
    if arguments.input:
        predict_documents(arguments)


def main_brats(arguments: PredictBrats) -> None:
    _check(arguments, "scans")
    _check_folders(arguments)
    model = absolute(arguments.model)
    if arguments.export is not None:
        export(model, "brats", absolute(arguments.export))
    if arguments.input:
        predict(model, arguments)


def export(model: str, workload: str, folder: str) -> None:
    from importlib import import_module

    from app.console import say
    from app.data import files
    from app.execution.models.model import export_facts, load_model_of, weights_file
    from app.workloads.exporting import export_model
    from app.workloads.registry import EXPORTS

    opened = load_model_of(model, workload)
    form = import_module(EXPORTS[workload]).form(opened.task)
    say(f"exporting {model} ({sum(p.numel() for p in opened.network.parameters()):,} parameters)")
    weights = files.read_bytes(weights_file(model))
    difference = export_model(form, opened.network, weights, export_facts(opened), folder)
    say(f"{folder}: weights.pt, model.json, model.onnx (ONNX Runtime differs from torch by {difference:.1g} at most)")


def predict(model: str, arguments: PredictBrats) -> None:
    """Raises DataError when not one case could be segmented."""
    from app.console import progress, say
    from app.data.store.quarantine import Quarantined, write_quarantine
    from app.errors import DataError
    from app.execution.models.model import load_model_of
    from app.workloads.brats.inference.prediction import plan_predictions, summarize_ml, truth_line, written_codes
    from app.workloads.brats.source.label_choice import LabelOptions
    from app.workloads.brats.source.label_names import parse_codes
    from app.workloads.brats.volume.notes import grouped, write_notes

    start_s = time.monotonic()
    if load_model_of(model, "brats").task.spacing_mm is None:
        say(f"{arguments.model} says no voxel size of its training: every scan goes to the network as it is")
    out = absolute(str(arguments.out))
    truth = None if arguments.truth is None else absolute(arguments.truth)
    labels = LabelOptions(arguments.challenge, parse_codes(arguments.labels))
    inputs = [absolute(path) for path in arguments.input]
    tasks = plan_predictions(inputs, out, arguments.label_codes, truth, labels, arguments.allow_outside)
    if truth is not None:
        say(f"{arguments.truth}: {truth_line(tasks)}")
    bad, notes = [], {}
    with progress("predict", len(tasks)) as advance:
        for result in _results(model, tasks, arguments):
            if isinstance(result, Quarantined):
                bad.append(result)
                say(f"quarantined {result.id}: {result.file}: {result.reason}")
            else:
                say(f"{result.id}: {summarize_ml(result)}")
                if result.notes:
                    notes[result.id] = result.notes
            advance(1, result.id)
    for line in grouped(notes):
        say(line)
    write_quarantine(out, bad)
    write_notes(out, notes)
    num_good = len(tasks) - len(bad)
    if num_good == 0:
        raise DataError(f"none of {len(tasks)} cases could be segmented; the first: {bad[0].file}: {bad[0].reason}")
    say(
        f"{arguments.out}: {num_good} cases segmented, {len(bad)} quarantined, {time.monotonic() - start_s:.1f} s; "
        f"labels: {written_codes(tasks)}"
    )


def _results(model: str, tasks: list[Any], arguments: PredictBrats) -> Iterator[Any]:
    from app.execution.models.predict import map_with_model
    from app.workloads.brats.inference.prediction import predict_case

    options: dict[str, Any] = {} if arguments.overlap is None else {"final_overlap": arguments.overlap}
    if arguments.flips:
        options["mirror"] = True
    if not arguments.resampling:
        options["resampling"] = False
    places = [absolute(path) for path in arguments.input], absolute(str(arguments.out))
    return map_with_model(model, predict_case, tasks, arguments.workers, arguments.launcher, options, *places)


def _check(arguments: PredictBrats | PredictDocuments, what: str) -> None:
    if arguments.workers < 1:
        raise ValueError(f"--workers: got {arguments.workers}, expected 1 or more")
    if not arguments.input and arguments.export is None:
        raise ValueError(f"nothing to do: give {what} with --input and a folder with --out, or a folder with --export")
    if arguments.input and arguments.out is None:
        raise ValueError("--out is missing: the folder for what is predicted")


def _check_folders(arguments: PredictBrats | PredictDocuments) -> None:
    from app.data import files

    for folder in (arguments.out, arguments.export):
        if folder is not None:
            files.check_folder(absolute(folder))


if __name__ == "__main__":
    from app.command_line import run

    run({"brats": PredictBrats, "documents": PredictDocuments}, main, description=__doc__)
