"""One of each kind of file that the project reads, and what reads it, as the jobs do but in this process."""

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import made_run
import made_study
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from drawn_sets import draw_page, encoded, save_rvl, save_tobacco
from measured_records import record as measured_record
from small_scans import make_store, write_scans

from app.configuration import to_dict
from app.data import files
from app.execution.models.model import load_model
from app.experiment import Experiment
from app.planning.measured import profile_of
from app.planning.plan import Plan, Stage
from app.planning.profile import Profile
from app.planning.search import study_of
from app.reporting.run.report import build_report
from app.reporting.study.report import build_study_report
from app.run_folder import run, study
from app.run_folder.contents import Attempt, Stop, StoreClaim, Suggested
from app.training import checkpoint
from app.workloads.brats.store.plan import plan_store as plan_scans
from app.workloads.brats.task import BratsTask
from app.workloads.documents.ocr import texts
from app.workloads.documents.store import build_store as documents
from app.workloads.documents.store.prepare import prepare_or_keep as prepare_pages
from app.workloads.documents.store.prepared import DocumentStore
from app.workloads.volumes.network.networks import build_network
from app.workloads.volumes.store.prepare import prepare_or_keep as prepare_scans
from app.workloads.volumes.store.prepared import VolumeStore

TASK = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))


@dataclass(frozen=True)
class Subject:
    """Files in a folder, and what is read of them."""

    make: Callable[[Path], object]
    """Writes them into the folder."""
    read: Callable[[Path], Any]
    """What comes of the folder, comparable; raises what the job would end with."""
    mutated: tuple[str, ...]
    """Their names in the folder."""
    is_sealed: bool = False
    """Whether damage can be told, so that what is read is what was written."""
    share: float = 1.0
    """How many mutations of those of others: reading it takes longer."""


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _make_run(folder: Path) -> None:
    _write(folder, made_run.finished_run())
    place = str(folder)
    run.STORES.write(place, {"": StoreClaim("/data/store", "abc")})
    run.ATTEMPTS.write(place, [Attempt(1.0, 2.0), Attempt(3.0, 4.0, nodes=("a",))])
    run.SPANS.write(place, measured_study().trials[0].spans)
    run.STEPS.write(place, [{"epoch": 1, "step": n, "loss": 0.5, "learning_rate": 0.1} for n in range(1, 9)])
    run.STATUS.write(place, {"epoch": 1, "epochs": 2, "step": 1, "num_steps": 4, "loss": 0.5, "scores": {"dice": 0.5}})
    run.ORIGIN.write(place, {"run": "/runs/a", "epoch": 3})


@cache
def measured_study() -> Any:
    return made_study.study("experiment-parallel", 1, num_trials=3)


def _make_study(folder: Path) -> None:
    _write(folder, made_study.study_files(measured_study()))
    place = str(folder)
    experiments = [made_study.experiment(number) for number in range(3)]
    study.STUDY.write(place, {"name": "seed-grid", "experiments": experiments})
    names = tuple(made_study.trial_name(number) for number in range(3))
    study.PLAN.write(place, Plan("seed-grid", 4, "experiment-parallel", (Stage(1, 4, names),)))
    study.STOPPED.write(place, Stop(3, 0.5, "asha"))
    study.SUGGESTED.write(place, Suggested({"seed": 3}, {"seed": 0.5}))
    records = [measured_record(f"t{k}", k) for k in (1, 2)]
    profile = profile_of([], records)
    (folder / "profile.json").write_text(profile.to_json())


def _read_profile(folder: Path) -> Profile:
    return Profile.parse((folder / "profile.json").read_bytes(), "profile.json")


def _report_run(folder: Path) -> Any:
    return build_report("demo", _contents(folder)).data


def _report_study(folder: Path) -> Any:
    return build_study_report({"a": _contents(folder)}).data


@cache
def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(TASK)


def _experiment() -> Experiment:
    return Experiment(name="run", workload="brats", task=to_dict(TASK))


def _make_model(folder: Path) -> None:
    checkpoints = str(folder / "checkpoint")
    checkpoint.save_best(checkpoints, _network(), _experiment().to_dict(), {"dice": 0.1, "epoch": 1})
    optimizer = torch.optim.AdamW(_network().parameters())
    progress = checkpoint.Progress(step=3, num_samples=6, best_score=0.1, best={"dice": 0.1, "epoch": 1})
    numerics = {"precision": "fp32", "channels_last": False}
    checkpoint.save_last(checkpoints, _network(), optimizer, progress, _experiment().to_dict(), numerics)


def _make_export(folder: Path) -> None:
    _make_model(folder)
    (folder / "checkpoint/best.pt").rename(folder / "weights.pt")
    shutil.rmtree(folder / "checkpoint")
    run.EXPORT.write(str(folder), {"experiment": _experiment().to_dict(), "numerics": {"precision": "fp32"}})


def _plain(state: Any) -> Any:
    """A state dict with lists in place of tensors."""
    if isinstance(state, torch.Tensor):
        return state.tolist()
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return [_plain(value) for value in state] if isinstance(state, list | tuple) else state


def _open_model(folder: Path) -> Any:
    model = load_model(str(folder))
    return _plain(model.network.state_dict()), model.experiment, model.numerics


def _resume(folder: Path) -> Any:
    saved = checkpoint.load_last(str(folder / "checkpoint"), torch.device("cpu"))
    return _plain(saved), checkpoint.progress_of(saved, str(folder / "checkpoint"), "dice")


def _make_volumes(folder: Path) -> None:
    make_store(folder)
    shutil.rmtree(folder / "scans")


def _read_volumes(folder: Path) -> Any:
    store = VolumeStore(str(folder / "store"))
    return [
        (case.id, case.split, *(part.tobytes() for part in map(_array, store.read_case(case)))) for case in store.cases
    ]


def _array(part: Any) -> Any:
    return part if part is not None else memoryview(b"")


def _prepare_pages(source: Path, store: Path, **options: Any) -> Any:
    plan = documents.plan_store(str(source), str(store), image_size=64, **options)
    return documents.finish_store(str(store), plan, [prepare_pages(task) for task in plan.tasks], 1.0)


def _make_pages(folder: Path) -> None:
    save_tobacco(folder / "source", {"Letter": [1, 2, 3, 4], "Memo": [5, 6, 7, 8]})
    store = _prepare_pages(folder / "source", folder / "store", num_partitions=2, per_class=2)
    pages = [texts.PageText(page, "dear sir", 90.0, "ok") for page in store.ids]
    texts.write_part(store.root, pages)
    shutil.rmtree(folder / "source")


def _read_pages(folder: Path) -> Any:
    store = DocumentStore(str(folder / "store"))
    rows = store.rows("train", 0)
    found = store.read_images(rows).tobytes(), store.read_texts(rows), store.labels.tolist(), store.options
    return found, store.excluded_ids(), store.duplicated(store.rows("test", 0), 0)


def _make_scans(folder: Path) -> None:
    """One file of a case is not compressed: damage to it is not told by gzip."""
    write_scans(folder / "source", 2)
    packed = folder / "source/BraTS2021_00000/BraTS2021_00000_t1.nii.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()


def _make_decathlon(folder: Path) -> None:
    import nibabel as nib
    import numpy as np

    root, ids = folder / "source", ("BRATS_001", "BRATS_002")
    for name, shape in (("imagesTr", (12, 12, 12, 4)), ("labelsTr", (12, 12, 12))):
        (root / name).mkdir(parents=True)
        for case in ids:
            voxels = np.zeros(shape, np.int16 if name == "imagesTr" else np.uint8)
            if name == "imagesTr":
                voxels[2:10, 2:10, 2:10] = np.random.default_rng(0).integers(100, 999, (8, 8, 8, 4))
            else:
                voxels[4:8, 4:8, 4:8] = np.arange(64).reshape(4, 4, 4) % 4
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), root / name / f"{case}.nii.gz")
    facts = {
        "name": "BRATS",
        "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
        "numTraining": 2,
        "training": [{"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"} for case in ids],
        "test": [],
    }
    (root / "dataset.json").write_text(json.dumps(facts))


def _prepare_scans(folder: Path) -> Any:
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    _, tasks = plan_scans(str(folder / "source"), str(store), "in-order")
    return [type(prepare_scans(task)).__name__ for task in tasks]


def _make_rvl(folder: Path) -> None:
    listed = {"train": [("a", 0, 1), ("b", 1, 2)], "val": [("c", 0, 3)], "test": [("d", 1, 4)]}
    save_rvl(folder / "source", listed)


def _make_folders(folder: Path) -> None:
    """Folders a class, with a file of each kind of picture."""
    kinds = {"tif": "TIFF", "jpg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP"}
    for number, (suffix, kind) in enumerate(kinds.items()):
        for name in ("letter", "memo"):
            place = folder / "source" / name / f"p{number}.{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(encoded(draw_page(number + 10 * (name == "memo")), kind))
    (folder / "source/letter/p9.pdf").write_bytes(encoded(draw_page(99), "PDF"))


def _make_mirror(folder: Path) -> None:
    (folder / "source").mkdir(parents=True)
    pictures = [encoded(draw_page(number), "PNG") for number in range(4)]
    pq.write_table(pa.table({"image": pictures, "label": [0, 1, 0, 1]}), folder / "source/train-0.parquet")


def _make_metadata(folder: Path) -> None:
    _make_folders(folder)
    names = [path.relative_to(folder / "source") for path in sorted((folder / "source").rglob("p*.*"))]
    lines = [f"{name},{name.parts[0]}" for name in names if name.suffix != ".pdf"]
    (folder / "source/metadata.csv").write_text("\n".join(["file_name,label", *lines, ""]))


def _prepare_documents(folder: Path) -> Any:
    shutil.rmtree(folder / "store", ignore_errors=True)
    return len(_prepare_pages(folder / "source", folder / "store"))


def _each(kinds: dict[str, Any]) -> dict[str, Subject]:
    """A run's or study's files, each by its own reader."""
    made = {"run": _make_run, "study": _make_study}
    return {
        f"{owner} {kind.name}": Subject(
            made[owner],
            lambda folder, kind=kind: kind.read(str(folder)),
            (kind.name,),
            getattr(kind, "is_sealed", False),
        )
        for owner, found in kinds.items()
        for kind in found
    }


RUN_KINDS = [
    run.CONFIG,
    run.RECORD,
    run.METRICS,
    run.STEPS,
    run.STATUS,
    run.ORIGIN,
    run.STORES,
    run.ATTEMPTS,
    run.SPANS,
]
STUDY_KINDS = [study.STUDY, study.PLAN, study.RECORD, study.STOPPED, study.SUGGESTED]
RUN_FILES = tuple(made_run.finished_run())
STUDY_FILES = (
    "record.json",
    *(f"trials/{made_study.trial_name(0)}/{name}" for name in ("config.json", "metrics.jsonl")),
)
PAGES = tuple(f"source/letter/p{n}.{kind}" for n, kind in enumerate(("tif", "jpg", "png", "gif", "bmp")))

SUBJECTS: dict[str, Subject] = {
    **_each({"run": RUN_KINDS, "study": STUDY_KINDS}),
    "profile": Subject(_make_study, _read_profile, ("profile.json",)),
    "study to run": Subject(
        _make_study, lambda folder: study_of(files.read_json(str(folder / "study.json"))), ("study.json",)
    ),
    "report on a run": Subject(_make_run, _report_run, RUN_FILES, share=0.3),
    "report on a study": Subject(_make_study, _report_study, STUDY_FILES, share=0.1),
    "model": Subject(_make_model, _open_model, ("checkpoint/best.pt",), True),
    "checkpoint": Subject(_make_model, _resume, ("checkpoint/last.pt",), True),
    "export": Subject(_make_export, _open_model, ("weights.pt", "model.json"), True),
    "store of volumes": Subject(
        _make_volumes, _read_volumes, ("store/manifest.parquet", "store/cases/BraTS2021_00000.b2nd"), True
    ),
    "store of pages": Subject(
        _make_pages,
        _read_pages,
        (
            "store/manifest.parquet",
            "store/store.json",
            "store/images/00000.bin",
            "store/excluded.parquet",
            "store/duplicates.parquet",
            "store/ocr/part-00000.parquet",
        ),
        True,
    ),
    "scans": Subject(
        _make_scans,
        _prepare_scans,
        tuple(f"source/BraTS2021_00000/BraTS2021_00000_{name}" for name in ("t1.nii", "flair.nii.gz", "seg.nii.gz")),
        share=0.5,
    ),
    "scans of the Decathlon": Subject(_make_decathlon, _prepare_scans, ("source/dataset.json",), share=0.5),
    "lists of labels": Subject(_make_rvl, _prepare_documents, ("source/labels/train.txt",), share=0.3),
    "pages": Subject(_make_folders, _prepare_documents, (*PAGES, "source/letter/p9.pdf"), share=0.15),
    "pages in Parquet": Subject(_make_mirror, _prepare_documents, ("source/train-0.parquet",), share=0.5),
    "pages in a table": Subject(_make_metadata, _prepare_documents, ("source/metadata.csv",), share=0.2),
}
