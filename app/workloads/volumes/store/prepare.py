"""Preparing one case: raw files in, one frame and one record in the store out. Pure Python, no cluster.

A frame is one blosc2 array [C, D, H, W] of int16, C = the modalities, then the label where there is one, so that
a patch and its label are one read. The record (`cases/<id>.json`) is written after its frame; so whoever finds a record
finds the frame whole, and an interrupted preparation goes on with what has none.
"""

import dataclasses
import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.data import files
from app.data.samples.splits import TRAIN
from app.data.store.quarantine import Quarantined
from app.errors import DataError
from app.printable import redacted
from app.workloads.volumes.anatomy import Anatomy
from app.workloads.volumes.labels import Codes, describe
from app.workloads.volumes.scans.preprocessing import Conditioned, condition
from app.workloads.volumes.scans.reading import BadVolume, axis_codes
from app.workloads.volumes.scans.resampling import TooManyVoxels, resample_case
from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.spacing import Spacing, differs
from app.workloads.volumes.store.cases import Case

CHUNK = (64, 64, 64)
BLOCK = (16, 32, 32)
CODEC = "LZ4HC"
LEVEL = 3
"""Measured on a full-size case (4 modalities and label, box 123x157x127), one core, medians: patch of 96^3 6.6 ms,
whole 11 ms, 6.5 MB, compressed in 0.14 s. ZSTD-1 with blocks of 32^3: 12.7 ms, 19 ms, 5.8 MB, 0.05 s; LZ4-5: 8.9 ms,
13 ms, 7.4 MB, 0.035 s."""

MAX_FOREGROUND = 256
"""Voxels kept of each code but background to centre patches on; assumed: many more than patches are drawn of a case."""

CASES_FOLDER = "cases"


@dataclass(frozen=True)
class CaseTask:
    """One case to prepare: what a worker is sent."""

    files: CaseFiles
    layout: str
    split: str
    store: str
    codes: Codes
    """Codes of the label."""
    anatomy: Anatomy
    patient: str | None = None
    """Who was scanned; None: someone who has no other scan."""
    spacing_mm: Spacing | None = None
    """z, y, x: what a training case is brought to; None: it stays as it is."""


def prepare_or_keep(task: CaseTask) -> Case | Quarantined:
    """The case as the store has it if its sources are still the same, else prepared anew."""
    kept = _kept(task)
    if kept is not None:
        return kept
    return prepare_case(task)


def prepare_case(task: CaseTask) -> Case | Quarantined:
    """Verify one case and write its frame and record into the store.

    A training case whose voxels differ from the task's is resampled; all others keep their own, as they are scored on
    their own grid. A bad case never raises: it comes back as Quarantined, with the file at fault and the reason.

    Raises:
        DataError: the store cannot be written.
    """
    case, anatomy = task.files, task.anatomy
    try:
        stamps = _stamps(case)
        own = condition(case, task.codes, anatomy)
        conditioned = resample_case(own, task.spacing_mm if task.split == TRAIN else None)
    except BadVolume as bad:
        return Quarantined(case.id, bad.file, bad.reason)
    except TooManyVoxels as error:
        return Quarantined(case.id, case.images[0], str(error))
    frame = encode(conditioned.voxels)
    name = f"{CASES_FOLDER}/{case.id}.b2nd"
    row = Case(
        id=case.id,
        patient=case.id if task.patient is None else task.patient,
        split=task.split,
        has_label=conditioned.has_label,
        file=name,
        layout=task.layout,
        labels=describe(task.codes),
        sources=tuple(map(redacted, _sources(case))),
        source_stamps=stamps,
        file_shape=conditioned.file_shape,
        affine=tuple(conditioned.affine.ravel().tolist()),
        orientation=axis_codes(conditioned.affine),
        shape_zyx=conditioned.shape_zyx,
        spacing_mm=conditioned.spacing_mm,
        source_spacing_mm=own.spacing_mm,
        crop_start=conditioned.crop_start,
        crop_shape=(conditioned.voxels.shape[1], conditioned.voxels.shape[2], conditioned.voxels.shape[3]),
        scale=conditioned.scale,
        mean=conditioned.mean,
        std=conditioned.std,
        num_voxels=_num_voxels(conditioned, anatomy.num_codes),
        num_bytes=len(frame),
        crc32=zlib.crc32(frame),
        foreground=_foreground(conditioned, case.id, anatomy.num_codes),
        notes=conditioned.notes,
    )
    files.write_bytes_atomic(files.join(task.store, name), frame)
    files.write_json(_record_path(task.store, case.id), row.to_row())
    return row


def encode(voxels: npt.NDArray[np.int16]) -> bytes:
    """A self-describing compressed frame of [C, D, H, W]."""
    import blosc2

    num_channels = voxels.shape[0]
    spatial = voxels.shape[1:]
    chunks = (num_channels, *(min(a, b) for a, b in zip(CHUNK, spatial, strict=True)))
    blocks = (1, *(min(a, b) for a, b in zip(BLOCK, chunks[1:], strict=True)))
    filters = [blosc2.Filter.SHUFFLE]
    how = blosc2.CParams(codec=blosc2.Codec[CODEC], clevel=LEVEL, filters=filters, typesize=2, nthreads=1)
    array: Any = blosc2.asarray(np.ascontiguousarray(voxels), chunks=chunks, blocks=blocks, cparams=how)
    return bytes(array.to_cframe())


def _kept(task: CaseTask) -> Case | None:
    """The case already in the store, if it is whole and its sources have not changed."""
    record = _record_path(task.store, task.files.id)
    if not files.exists(record):
        return None
    try:
        case = Case.from_row(files.read_json(record), record)
        sources = tuple(map(redacted, _sources(task.files)))
        unchanged = (case.sources, case.source_stamps) == (sources, _stamps(task.files))
        if not unchanged or files.stamp(files.join(task.store, case.file)).num_bytes != case.num_bytes:
            return None
    except (DataError, BadVolume, TypeError, ValueError):
        return None  # whatever is wrong with it, preparing it anew puts it right or says why not
    if case.labels != describe(task.codes):
        return None
    moved = (case.split == TRAIN) != (task.split == TRAIN)
    if moved and task.spacing_mm is not None and differs(case.source_spacing_mm, task.spacing_mm):
        return None  # training cases alone are resampled
    return dataclasses.replace(case, split=task.split, patient=task.patient or case.id)


def _sources(case: CaseFiles) -> tuple[str, ...]:
    return (*case.images, *([] if case.label is None else [case.label]))


def _stamps(case: CaseFiles) -> tuple[str, ...]:
    stamps = []
    for path in _sources(case):
        try:
            found = files.stamp(path)
        except DataError as error:
            raise BadVolume(path, str(error)) from error
        stamps.append(f"{found.num_bytes} {found.modified}")
    return tuple(stamps)


def _record_path(store: str, case_id: str) -> str:
    return files.join(store, CASES_FOLDER, f"{case_id}.json")


def _num_voxels(case: Conditioned, num_codes: int) -> tuple[int, ...]:
    """Voxels of each code in the whole volume; what lies outside the box is background."""
    label = case.label
    if label is None:
        return (0,) * num_codes
    counts = [int(np.count_nonzero(label == code)) for code in range(1, num_codes)]
    return (int(np.prod(case.shape_zyx, dtype=object)) - sum(counts), *counts)


def _foreground(case: Conditioned, case_id: str, num_codes: int) -> npt.NDArray[np.int16]:
    """[n, 4]: code, z, y, x of up to MAX_FOREGROUND voxels of each code but background, drawn by the id alone."""
    label = case.label
    if label is None:
        return np.zeros((0, 4), np.int16)
    seed = int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:8], "big")
    rng = np.random.Generator(np.random.Philox(key=seed))
    parts = []
    for code in range(1, num_codes):
        found = np.flatnonzero(label == code)
        if len(found) > MAX_FOREGROUND:
            found = np.sort(rng.choice(found, MAX_FOREGROUND, replace=False))
        places = np.stack(np.unravel_index(found, label.shape), axis=1)
        parts.append(np.concatenate([np.full((len(found), 1), code), places], axis=1))
    return np.concatenate(parts).astype(np.int16)
