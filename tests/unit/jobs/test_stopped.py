"""SIGTERM in the middle of each job, without Ray: one line that says how to go on, and code 130; then it goes on."""

import json
import os
import signal
import sys
import tarfile
import threading
import time
from importlib import import_module
from pathlib import Path

import pytest
from ending import ADVANCE, STOPPED, Ending, StopAt, check_it_resumes
from small_scans import make_store

from app.configuration import to_dict
from app.data.store.manifest import write_manifest
from app.experiment import Experiment
from app.training.checkpoint import save_best
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.networks import build_network

SMALL = ("--task.filters", "4", "8", "--task.patch-size", "8", "8", "8", "--batch-size", "1", "--epochs", "2")
LOCAL = ("--launcher", "local")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scans/ with their store/, task.tar as the Decathlon has it, pages/ as a store with ready texts/, and run/ with a
    network of random weights."""
    folder = tmp_path_factory.mktemp("stopped")
    make_store(folder)
    data_set = folder / "Task01_BrainTumour"
    data_set.mkdir()
    (data_set / "dataset.json").write_text("{}")
    with tarfile.open(folder / "task.tar", "w") as archive:
        archive.add(data_set, data_set.name)
    write_manifest(str(folder / "pages"), [{"id": str(n), "source": f"{n}.png", "crc32": n} for n in range(2)])
    (folder / "texts").mkdir()
    for number in range(2):
        (folder / "texts" / f"{number}.txt").write_text("dear sir")
    task = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))
    experiment = Experiment(name="run", workload="brats", task=to_dict(task))
    best = {"dice": 0.1, "epoch": 1, "step": 1}
    save_best(str(folder / "run/checkpoint"), build_network(task), experiment.to_dict(), best)
    (folder / "run/metrics.jsonl").write_text(json.dumps({**best, "loss": 0.5}) + "\n")
    return folder


@pytest.mark.parametrize(
    ("name", "flags", "place"),
    [
        ("synthesize", ("brats", "--out", "{}/made", "--num-cases", "2", "--num-test-cases", "1",
                        "--shape", "40", "40", "32", "--num-processes", "1"), ADVANCE),
        ("fetch", ("msd-brain", "--out", "{}/fetched", "--source", "file://{}/task.tar"),
         "app.data.fetch.archive.extract_tar"),
        ("ocr", ("--store", "{}/pages", "--import", "{}/texts"), ADVANCE),
        ("train", ("brats", "--store", "{}/store", "--runs", "{}/runs", *SMALL, *LOCAL),
         "app.training.loop.Training._end_epoch"),
        ("evaluate", ("brats", "--run", "{}/run", "--store", "{}/store", "--split", "train", *LOCAL), ADVANCE),
        ("predict", ("brats", "--model", "{}/run", "--input", "{}/scans", "--out", "{}/masks", *LOCAL), ADVANCE),
        ("report", ("--run", "{}/run"), "app.reporting.run.report.build_report"),
    ],
)  # fmt: skip
def test_told_to_end_it_says_how_to_go_on_and_goes_on(
    ending: Ending, stop_at: StopAt, world: Path, name: str, flags: tuple[str, ...], place: str
) -> None:
    check_it_resumes(ending, stop_at, place, name, *(flag.format(world) for flag in flags))


@pytest.mark.parametrize(
    ("name", "flags", "place"),
    [
        ("cluster", ("status",), "app.execution.cluster.hosts.read_hosts_file"),
        ("vocabulary", ("--store", "s", "--out", "o"), "app.workloads.documents.store.prepared.DocumentStore"),
        ("plan", ("--study", "s", "--workers", "2", "--profile", "p"), "app.data.files.read_json"),
    ],
)
def test_so_does_what_would_reach_others_or_is_done_at_once(
    ending: Ending, stop_at: StopAt, name: str, flags: tuple[str, ...], place: str
) -> None:
    reached = stop_at(place)
    assert ending(name, *flags) == (130, STOPPED)
    assert reached == [place]


def test_the_demo_hands_it_on_to_the_job_that_runs(
    ending: Ending, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A terminal's Ctrl-C reaches both by itself; `kill` reaches the demo alone."""
    told, begun = tmp_path / "told", tmp_path / "begun"
    slow = f"""
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path({str(told)!r}).touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path({str(begun)!r}).touch()
time.sleep(60)
"""

    def kill_once_begun() -> None:
        while not begun.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    steps = import_module("demo_steps")
    monkeypatch.setattr("demo_steps.Steps.run", lambda *_: steps.run_process([sys.executable, "-c", slow]))
    threading.Thread(target=kill_once_begun, daemon=True).start()
    began = time.monotonic()
    assert ending("demo", "--runs", tmp_path / "runs") == (130, STOPPED)
    assert told.exists() and time.monotonic() - began < steps.STOP_S
