"""What the README promises of `make demo`, on fewer cases: volumes in; a model, scores, labels and a report out."""

import csv
import gzip
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from running import Demo, run_job

pytestmark = pytest.mark.timeout(600)

STEPS = ("synthesize", "prepare", "train", "evaluate", "predict", "report")


def nifti_voxels(path: Path) -> np.ndarray:
    """Voxels of a uint8 NIfTI-1 label, shape X Y Z, read by hand."""
    content = gzip.decompress(path.read_bytes())
    shape = struct.unpack("<8h", content[40:56])
    (offset,) = struct.unpack("<f", content[108:112])
    (code,) = struct.unpack("<h", content[70:72])
    assert code == 2, "uint8"
    return np.frombuffer(content, np.uint8, offset=int(offset)).reshape(shape[1:4], order="F")


def test_the_demo_ends_well_and_shows_every_command(demo: Demo) -> None:
    assert demo.done.exit_code == 0, demo.done.stdout + demo.done.stderr
    lines = demo.done.stdout.splitlines()
    commands = [line for line in lines if line.startswith("$ ")]
    assert [re.search(r"jobs/(\w+)\.py", command).group(1) for command in commands] == list(STEPS)  # type: ignore[union-attr]
    assert [line.split("]")[0] for line in lines if re.match(r"\[\d/6\]", line)] == [f"[{n}/6" for n in range(1, 7)]
    assert f"The report: {demo.run / 'report.html'}" in lines


def test_it_shows_progress_all_the_way(demo: Demo) -> None:
    for expected in ("synthesize: 9/9", "prepare: 9/9", "epoch 2/2", "evaluate test:", "predict: 2/2"):
        assert expected in demo.done.stdout


def test_training_left_its_record(demo: Demo) -> None:
    record = json.loads((demo.run / "record.json").read_text())
    assert (record["status"], record["num_workers"], record["launcher"]) == ("finished", 2, "ray")
    times = record["timings"]
    phases = ("startup_s", "first_batch_s", "data_wait_s", "warmup_steps_s", "step_s", "evaluation_s", "checkpoint_s")
    assert sum(times[phase] for phase in phases) + times["other_s"] == pytest.approx(times["total_s"], rel=1e-6)
    assert len((demo.run / "metrics.jsonl").read_text().splitlines()) == 2


def test_every_held_out_case_is_scored_once(demo: Demo) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(demo.store / "manifest.parquet").to_pylist()
    held_out = sorted(row["id"] for row in rows if row["split"] == "test")
    with (demo.run / "evaluation" / "test" / "cases.csv").open() as file:
        cases = list(csv.DictReader(file))
    assert sorted(case["case"] for case in cases) == held_out
    summary = json.loads((demo.run / "evaluation" / "test" / "summary.json").read_text())
    for name, mean in summary["scores"].items():
        assert mean["mean"] == pytest.approx(np.mean([float(case[name]) for case in cases]), rel=1e-4)


def test_predictions_lie_on_the_grid_of_their_scan(demo: Demo) -> None:
    predictions = demo.run / "predictions"
    labels = sorted(predictions.glob("*.nii.gz"))
    assert len(labels) == 2
    for label in labels:
        voxels = nifti_voxels(label)
        assert voxels.shape == (48, 48, 40)
        assert set(np.unique(voxels)) <= {0, 1, 2, 3}
        assert (predictions / label.name.replace(".nii.gz", ".png")).exists()


def test_run_again_it_keeps_what_is_finished(demo: Demo) -> None:
    metrics = (demo.run / "metrics.jsonl").read_bytes()
    labels = {path: path.stat().st_mtime_ns for path in (demo.run / "predictions").glob("*.nii.gz")}
    again = run_job("demo", "--quick", "--runs", demo.runs, timeout_s=400)
    assert again.exit_code == 0, again.stdout + again.stderr
    assert "finished before, not run again" in again.stdout
    assert again.stdout.count("kept from before") == 2
    assert (demo.run / "metrics.jsonl").read_bytes() == metrics
    assert {path: path.stat().st_mtime_ns for path in (demo.run / "predictions").glob("*.nii.gz")} == labels
