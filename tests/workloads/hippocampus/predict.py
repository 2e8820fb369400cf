"""Scans into labels on their own grids."""

from functools import partial
from typing import Any

from app.command_line import absolute
from app.console import say
from app.data import files
from app.data.store.quarantine import Quarantined, write_quarantine
from app.workloads.declaration import Engine
from app.workloads.volumes.inference.segment import NotFiniteError, predict_conditioned
from app.workloads.volumes.scans.preprocessing import condition
from app.workloads.volumes.scans.reading import BadVolume
from app.workloads.volumes.scans.resampling import TooManyVoxels
from app.workloads.volumes.scans.writing import write_label
from app.workloads.volumes.source.case_files import CaseFiles, is_nifti, stem_of
from hippocampus.declaration import PredictHippocampus
from hippocampus.task import CODES, HIPPOCAMPUS


def predict(arguments: PredictHippocampus, engine: Engine) -> None:
    model, out = absolute(arguments.model), absolute(str(arguments.out))
    engine.open_model(model, "hippocampus")
    inputs = [absolute(path) for path in arguments.input]
    found = [path for root in inputs for path in (files.list_files(root) if files.is_folder(root) else [root])]
    scans = [path for path in found if is_nifti(path)]
    bad = []
    for result in engine.map_with_model(model, partial(segment, out=out), scans, None, inputs, out):
        if isinstance(result, Quarantined):
            bad.append(result)
        say(f"{result.id}: {result.reason}" if isinstance(result, Quarantined) else f"{result} written")
    write_quarantine(out, bad)


def segment(model: Any, path: str, out: str) -> str | Quarantined:
    """Read and verify as preparation does, predict, write on the scan's own grid; runs where the model is."""
    case = CaseFiles(stem_of(path), (path,), None)
    try:
        conditioned = condition(case, CODES, HIPPOCAMPUS)
        label = predict_conditioned(model, conditioned)
    except BadVolume as bad:
        return Quarantined(case.id, bad.file, bad.reason)
    except (TooManyVoxels, NotFiniteError) as error:
        return Quarantined(case.id, path, str(error))
    target = files.join(out, f"{case.id}.nii.gz")
    write_label(target, label, conditioned, CODES, HIPPOCAMPUS)
    return target
