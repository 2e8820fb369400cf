"""A trial's folder: an older one is recognised, another experiment's is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.data.store.manifest import write_manifest
from app.errors import UsageError
from app.execution.trials.attempts import write_failure
from app.execution.trials.record import claim_folder, claim_stores, note_origin
from app.experiment import Experiment, OptimizerConfig
from app.training.order import Order
from app.workloads.documents.ocr.texts import PageText, write_part

TASK = {"model": "test_efficientnet", "classes": ["a", "b"], "stored_size": 384}


def order(folder: Path, **changes: Any) -> Order:
    experiment = Experiment(**{"name": "e", "workload": "document_image", "task": TASK, **changes})
    return Order(experiment, "store", str(folder), 0.0)


def write_older(folder: Path) -> None:
    """As runs were before a store said its size and before Nesterov could be switched off."""
    older = order(folder).experiment.to_dict()
    del older["task"]["stored_size"], older["optimizer"]["nesterov"], older["optimizer"]["decay_vectors"]
    (folder / "config.json").write_text(json.dumps(older))


def test_a_run_of_before_goes_on_with_the_same_command(tmp_path: Path) -> None:
    write_older(tmp_path)
    assert claim_folder(order(tmp_path)) is None
    assert json.loads((tmp_path / "config.json").read_text())["task"]["stored_size"] == 384
    with pytest.raises(UsageError, match=r"\(different: task\)"):
        claim_folder(order(tmp_path, task={**TASK, "stored_size": 224}))


def test_a_run_on_scans_of_before_goes_on_too(tmp_path: Path) -> None:
    """As they were before a store said its voxel size."""
    task = {"filters": [8, 16], "spacing_mm": [1.0, 1.0, 1.0], "resampling": True}
    older = order(tmp_path, workload="brats", task={"filters": [8, 16]}).experiment.to_dict()
    (tmp_path / "config.json").write_text(json.dumps(older))
    assert claim_folder(order(tmp_path, workload="brats", task=task)) is None
    assert json.loads((tmp_path / "config.json").read_text())["task"] == task
    with pytest.raises(UsageError, match=r"\(different: task\)"):
        claim_folder(order(tmp_path, workload="brats", task={**task, "spacing_mm": [2.0, 1.0, 1.0]}))


def test_a_run_of_before_is_not_another_experiments(tmp_path: Path) -> None:
    write_older(tmp_path)
    with pytest.raises(UsageError, match=r"\(different: optimizer\)"):
        claim_folder(order(tmp_path, optimizer=OptimizerConfig(nesterov=False)))
    with pytest.raises(UsageError, match=r"\(different: task\)"):
        claim_folder(order(tmp_path, task={**TASK, "model": "efficientnet_b0"}))


def make_store(path: Path, crc32: int) -> str:
    write_manifest(str(path), [{"id": "a", "split": "train", "crc32": crc32}])
    return str(path)


def test_a_run_does_not_go_on_with_other_data(tmp_path: Path) -> None:
    first, moved, other = (make_store(tmp_path / name, crc32) for name, crc32 in (("a", 1), ("copy", 1), ("b", 2)))
    run = str(tmp_path / "run")
    claim_stores(run, {"": first})
    claim_stores(run, {"": moved})
    with pytest.raises(UsageError, match=f"was begun on other data: the store {other} is not {moved}"):
        claim_stores(run, {"": other})
    make_store(tmp_path / "copy", 3)
    with pytest.raises(UsageError, match=f"the store {moved} has changed since"):
        claim_stores(run, {"": moved})


def test_a_training_of_texts_does_not_go_on_with_others(tmp_path: Path) -> None:
    """OCR that is done again reads other words, and another number of pages: the order of samples would be another."""
    store, run = make_store(tmp_path / "store", 1), str(tmp_path / "run")
    text, image = {("", "document_text")}, {("", "document_image")}
    write_part(store, [PageText("a", "dear sir", 90.0, "ok")])
    claim_stores(run, {"": store}, text)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    claim_stores(run, {"": str(tmp_path / "copy")}, text)
    write_part(store, [PageText("a", "dear madam", 90.0, "ok")])
    claim_stores(str(tmp_path / "images"), {"": store}, image)
    with pytest.raises(UsageError, match=r"was begun on other data: the store .* is not "):
        claim_stores(run, {"": store}, text)
    write_part(store, [PageText("a", "dear all", 90.0, "ok")])
    claim_stores(str(tmp_path / "images"), {"": store}, image)


def test_each_store_of_a_study_is_known_by_its_name(tmp_path: Path) -> None:
    first, second = make_store(tmp_path / "a", 1), make_store(tmp_path / "b", 2)
    run = str(tmp_path / "study")
    claim_stores(run, {"small": first})
    claim_stores(run, {"large": second, "small": first})
    with pytest.raises(UsageError, match="was begun on other data"):
        claim_stores(run, {"small": second})


def test_a_store_without_a_manifest_is_not_told_apart(tmp_path: Path) -> None:
    claim_stores(str(tmp_path / "run"), {"": str(tmp_path / "numbers")})
    claim_stores(str(tmp_path / "run"), {"": str(tmp_path / "others")})
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_no_password_and_goes_on_with_a_new_one(tmp_path: Path) -> None:
    for password in ("SECRET", "NEW-SECRET"):
        weights = f"https://me:{password}@host/best.pt"
        assert claim_folder(order(tmp_path, task={**TASK, "weights": weights})) is None
        note_origin(str(tmp_path), {"source": weights})
        write_failure(str(tmp_path), "e", f"cannot read {weights}: not found")
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert len(written) == 3
    for content in written:
        assert "SECRET" not in content and "https://me:***@host/best.pt" in content
    with pytest.raises(UsageError, match=r"\(different: task\)"):
        claim_folder(order(tmp_path, task={**TASK, "weights": "https://me:SECRET@elsewhere/best.pt"}))


def test_a_run_of_before_loses_the_password_it_kept(tmp_path: Path) -> None:
    weights = "https://me:SECRET@host/best.pt"
    config = order(tmp_path, task={**TASK, "weights": weights}).experiment.to_dict()
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert claim_folder(order(tmp_path, task={**TASK, "weights": weights})) is None
    assert "SECRET" not in (tmp_path / "config.json").read_text()
