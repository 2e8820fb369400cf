"""Data sets of others that stores are made of."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from drawn_sets import draw_page, encoded, save_rvl
from small_scans import write_scans
from subject import Subject

from app.workloads.brats.store.plan import plan_store as plan_scans
from app.workloads.documents.store import build_store as documents
from app.workloads.documents.store.prepare import prepare_or_keep as prepare_pages
from app.workloads.volumes.store.prepare import prepare_or_keep as prepare_scans


def build_pages(source: Path, store: Path, **options: Any) -> Any:
    plan = documents.plan_store(str(source), str(store), image_size=64, **options)
    return documents.finish_store(str(store), plan, [prepare_pages(task) for task in plan.tasks], 1.0)


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
    return len(build_pages(folder / "source", folder / "store"))


PAGES = tuple(f"source/letter/p{n}.{kind}" for n, kind in enumerate(("tif", "jpg", "png", "gif", "bmp")))


SUBJECTS: dict[str, Subject] = {
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
