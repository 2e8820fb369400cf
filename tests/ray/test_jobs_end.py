"""How jobs end on Ray: exit codes of a study, and SIGTERM in the middle of each, after which the command goes on."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ending import ADVANCE, STOPPED, Ending, StopAt, check_it_resumes
from small_scans import make_store

TOY = Path(__file__).parents[1] / "unit" / "training"
sys.path.insert(0, str(TOY))  # Ray's workers get the driver's path

from toy import toy_experiment  # noqa: E402

from app.configuration import to_dict  # noqa: E402
from app.experiment import Experiment  # noqa: E402
from app.training.checkpoint import save_best  # noqa: E402
from app.workloads.brats.task import BratsTask  # noqa: E402
from app.workloads.volumes.network.networks import build_network  # noqa: E402

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

TASK = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))
SMALL = ("--task.filters", "4", "8", "--task.patch-size", "8", "8", "8", "--batch-size", "2", "--epochs", "3")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scans/, their store/, and run/ with a network of random weights."""
    folder = tmp_path_factory.mktemp("ends")
    make_store(folder)
    experiment = Experiment(name="run", workload="brats", task=to_dict(TASK))
    save_best(str(folder / "run/checkpoint"), build_network(TASK), experiment.to_dict(), {"dice": 0.1, "epoch": 1})
    return folder


def study(folder: Path, strategy: str, **changes: dict[str, Any]) -> tuple[object, ...]:
    """A command that trains a trial for each of `changes`."""
    trials = [
        dataclasses.replace(toy_experiment(**options), name=name, workload="toy:ToyWorkload").to_dict()
        for name, options in changes.items()
    ]
    (folder / "study.json").write_text(json.dumps({"name": "toys", "experiments": trials}))
    flags = ("--study", folder / "study.json", "--store", folder, "--runs", folder / "runs", "--workers", "2")
    return ("study", *flags, "--strategy", strategy)


def test_a_trial_that_can_not_go_on_ends_a_study_with_5_once_the_others_are_trained(
    ending: Ending, tmp_path: Path
) -> None:
    command = study(tmp_path, "experiment-parallel", bad={"task": {"poison_step_row": 3}}, good={})
    code, told = ending(*command)
    assert code == 5
    assert told.startswith("error: 1 of 2 trials failed: bad: the loss is nan at step ") and told.count("\n") == 1
    record = json.loads((tmp_path / "runs" / "toys" / "record.json").read_text())
    assert {trial["name"]: trial["status"] for trial in record["trials"]} == {"bad": "failed", "good": "finished"}


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("--workers", "64"), 4, "error: 64 workers asked for, but the cluster has 4 CPU cores"),
        (("--store", "{}/nowhere"), 3, "error: {}/nowhere is not there: make the store first"),
        (("--workers", "3"), 2, "error: stage 1 of the plan: a: batch size 64 is not divisible by 3 workers"),
    ],
)
def test_what_a_study_lacks_ends_it_before_anything_runs(
    ending: Ending, tmp_path: Path, flags: tuple[str, ...], code: int, told: str
) -> None:
    command = study(tmp_path, "data-parallel", a={"batch_size": 64, "task": {"num_rows": 64}})
    found, line = ending(*command, *(flag.format(tmp_path) for flag in flags))
    assert found == code and line.count("\n") == 1, line
    assert line.startswith(told.format(tmp_path))
    assert not (tmp_path / "runs" / "toys" / "trials").exists()


@pytest.mark.parametrize("strategy", ["experiment-parallel", "data-parallel"])
def test_a_study_told_to_end_goes_on(ending: Ending, stop_at: StopAt, tmp_path: Path, strategy: str) -> None:
    command = study(tmp_path, strategy, a={"epochs": 5}, b={"epochs": 5, "seed": 8})
    reached = stop_at("app.execution.studies.trials.StudyTrials.tell")
    assert ending(*command) == (130, STOPPED)
    assert len(reached) == 1
    record = json.loads((tmp_path / "runs" / "toys" / "record.json").read_text())
    assert "finished" not in {trial["status"] for trial in record["trials"]}
    assert ending(*command) == (0, "")
    for name in "ab":
        lines = (tmp_path / "runs" / "toys" / "trials" / name / "steps.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(1, 16)), "every step once"


@pytest.mark.parametrize(
    ("name", "flags", "place"),
    [
        ("prepare", ("brats", "--source", "{}/scans", "--store", "{}/new", "--split", "in-order"), ADVANCE),
    ],
)  # fmt: skip
def test_told_to_end_in_the_middle_a_job_goes_on(
    ending: Ending, stop_at: StopAt, world: Path, name: str, flags: tuple[str, ...], place: str
) -> None:
    check_it_resumes(ending, stop_at, place, name, *(flag.format(world) for flag in flags))
