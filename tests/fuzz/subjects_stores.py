"""Prepared stores of scans and of pages."""

import shutil
from pathlib import Path
from typing import Any

from drawn_sets import save_tobacco
from small_scans import make_store
from subject import Subject
from subjects_sources import build_pages

from app.workloads.documents.ocr import texts
from app.workloads.documents.store.prepared import DocumentStore
from app.workloads.volumes.store.prepared import VolumeStore, store_labels, store_spacing


def _make_volumes(folder: Path) -> None:
    make_store(folder)
    shutil.rmtree(folder / "scans")


def _read_volumes(folder: Path) -> Any:
    root = str(folder / "store")
    store = VolumeStore(root)
    return (
        store_labels(root),
        store_spacing(root),
        [
            (case.id, case.split, *(part.tobytes() for part in map(_array, store.read_case(case))))
            for case in store.cases
        ],
    )


def _array(part: Any) -> Any:
    return part if part is not None else memoryview(b"")


def _make_pages(folder: Path) -> None:
    save_tobacco(folder / "source", {"Letter": [1, 2, 3, 4], "Memo": [5, 6, 7, 8]})
    store = build_pages(folder / "source", folder / "store", num_partitions=2, per_class=2)
    pages = [texts.PageText(page, "dear sir", 90.0, "ok") for page in store.ids]
    texts.write_part(store.root, pages)
    shutil.rmtree(folder / "source")


def _read_pages(folder: Path) -> Any:
    store = DocumentStore(str(folder / "store"))
    rows = store.rows("train", 0)
    found = store.read_images(rows).tobytes(), store.read_texts(rows), store.labels.tolist(), store.options
    return found, store.excluded_ids(), store.duplicated(store.rows("test", 0), 0)


SUBJECTS: dict[str, Subject] = {
    "store of volumes": Subject(
        _make_volumes,
        _read_volumes,
        ("store/manifest.parquet", "store/store.json", "store/cases/BraTS2021_00000.b2nd"),
        True,
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
}
