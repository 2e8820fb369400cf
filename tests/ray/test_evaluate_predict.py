"""Evaluation and prediction as a user runs them, the model on one worker or several."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from quarantine_files import read_quarantine

from app.configuration import to_dict
from app.errors import DataError, ResourceError
from app.execution.models.predict import map_with_model
from app.experiment import Experiment
from app.training.checkpoint import save_best
from app.workloads.brats.commands.flags import EvaluateBrats, PredictBrats
from app.workloads.brats.store.plan import plan_store
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.networks import build_network
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.prepare import prepare_or_keep
from jobs import evaluate, predict

pytestmark = pytest.mark.ray

NUM_CASES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """raw/: six BraTS 2023 cases; store/: the same prepared, all in one split; run/: a network with random weights."""
    folder = tmp_path_factory.mktemp("use")
    for number in range(NUM_CASES):
        write_case(folder / "raw", f"BraTS-GLI-{number:05d}-000", number)
    _, tasks = plan_store(str(folder / "raw"), str(folder / "store"), "in-order")
    finish_store(str(folder / "store"), [prepare_or_keep(task) for task in tasks], 0.0)
    task = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))
    torch.manual_seed(0)
    network = build_network(task).eval()
    with torch.no_grad():  # logits of a random network lie to one side of zero: put them around it
        network.head.bias -= network(torch.randn(1, 4, 16, 16, 16)).mean(dim=(0, 2, 3, 4))
    experiment = Experiment(name="run", workload="brats", task=to_dict(task))
    save_best(str(folder / "run/checkpoint"), network, experiment.to_dict(), {"dice": 0.1, "epoch": 1})
    return folder


def write_case(root: Path, case: str, seed: int) -> None:
    (root / case).mkdir(parents=True)
    rng = np.random.default_rng(seed)
    brain = np.zeros((18, 16, 14), np.int16)
    for name in ("t2f", "t1n", "t1c", "t2w"):
        brain[2:16, 2:14, 2:12] = rng.integers(100, 900, (14, 12, 10))
        nib.save(nib.Nifti1Image(brain, np.diag([1, 1, 2, 1])), root / case / f"{case}-{name}.nii.gz")
    label = np.zeros((18, 16, 14), np.uint8)
    label[4:9, 4:9, 4:9] = 2
    label[5:7, 5:7, 5:7] = 3
    nib.save(nib.Nifti1Image(label, np.diag([1, 1, 2, 1])), root / case / f"{case}-seg.nii.gz")


def run_evaluation(folder: Path, workers: int, launcher: str) -> tuple[list[dict[str, str]], dict[str, object]]:
    evaluate.main(
        EvaluateBrats(
            run=str(folder / "run"),
            store=str(folder / "store"),
            split="train",
            workers=workers,
            launcher=launcher,  # type: ignore[arg-type]
        )
    )
    written = folder / "run/evaluation/train"
    with open(written / "cases.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((written / "summary.json").read_text())


def test_the_result_does_not_depend_on_the_number_of_workers(
    ray_cluster: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, summary = run_evaluation(folder, 1, "local")
    shown = capsys.readouterr().out
    together, summary_together = run_evaluation(folder, 3, "ray")
    assert [row["case"] for row in alone] == [f"BraTS-GLI-{n:05d}-000" for n in range(4)], "70 % of six, in order, once"
    assert together == alone
    assert summary_together == summary
    assert summary["num_cases"] == 4
    dice = summary["scores"]["dice_WT"]  # type: ignore[index]
    values = [float(row["dice_WT"]) for row in alone]
    assert dice["mean"] == pytest.approx(np.mean(values), abs=1e-5)
    assert min(values) <= dice["low"] <= dice["mean"] <= dice["high"] <= max(values)
    assert any("BraTS" in convention for convention in summary["conventions"])  # type: ignore[attr-defined]
    assert f"dice_WT {dice['mean']:15.4f}".replace(" ", "") in shown.replace(" ", "")


def test_a_bad_scan_costs_one_case(
    ray_cluster: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    for number in range(3):
        write_case(raw, f"BraTS-GLI-{number:05d}-000", number)
    bad = raw / "BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1c.nii.gz"
    bad.write_bytes(bad.read_bytes()[:200])
    out = tmp_path / "out"
    predict.main(PredictBrats(model=str(folder / "run"), input=(str(raw),), out=str(out), truth=str(raw), workers=2))
    good = ["BraTS-GLI-00000-000", "BraTS-GLI-00002-000"]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [*(f"{case}.{end}" for case in good for end in ("nii.gz", "png")), "quarantine.jsonl", "notes.jsonl"]
    )
    (found,) = read_quarantine(str(out))
    assert found.file == str(bad)
    notes = [json.loads(line) for line in (out / "notes.jsonl").read_text().splitlines()]
    assert [line["id"] for line in notes] == good
    assert all("fills the box" in line["notes"][0] for line in notes), "write_case's brain is a box"
    assert f"note on 2 cases ({good[0]}, {good[1]}): what is not 0 fills the box" in capsys.readouterr().out
    label = nib.load(out / f"{good[0]}.nii.gz")
    assert label.shape == (18, 16, 14) and label.header.get_zooms() == (1, 1, 2)
    assert set(np.unique(np.asarray(label.dataobj))) <= {0, 1, 2, 3}


def test_nothing_good_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of 1 cases"):
        predict.main(
            PredictBrats(
                model=str(folder / "run"),
                input=(str(tmp_path / "scan.nii.gz"),),
                out=str(tmp_path / "out"),
                launcher="local",
            )
        )
    assert len(read_quarantine(str(tmp_path / "out"))) == 1


def test_an_export_predicts_without_the_run(folder: Path, tmp_path: Path) -> None:
    model, scan = tmp_path / "model", folder / "raw/BraTS-GLI-00000-000/BraTS-GLI-00000-000-t2f.nii.gz"
    predict.main(PredictBrats(model=str(folder / "run"), export=str(model)))
    assert sorted(p.name for p in model.iterdir()) == ["README.txt", "model.json", "model.onnx", "weights.pt"]
    for source, out in ((folder / "run", "a"), (model, "b")):
        predict.main(PredictBrats(model=str(source), input=(str(scan),), out=str(tmp_path / out), launcher="local"))
    name = "BraTS-GLI-00000-000.nii.gz"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_more_workers_than_the_cluster_has(ray_cluster: str, folder: Path) -> None:
    with pytest.raises(ResourceError, match="99 workers"):
        list(map_with_model(str(folder / "run"), lambda model, item: item, list(range(200)), num_workers=99))


def test_without_a_model_or_scans_it_is_said_at_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to do"):
        predict.main(PredictBrats(model=str(folder / "run")))
    with pytest.raises(DataError, match="holds no model"):
        predict.main(PredictBrats(model=str(tmp_path), input=("x.nii.gz",), out="out"))
