"""A trained model is found in its run's folder or an exported one; what is wrong is said in one line."""

import json
from pathlib import Path

import pytest
import torch

from app.configuration import from_dict
from app.errors import DataError, UsageError
from app.execution.models.model import load_model, load_model_of, weights_file
from app.experiment import Experiment
from app.training.checkpoint import Progress, save_best, save_last
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.networks import build_network

OPTIONS = {"filters": [4, 8], "patch_size": [8, 8, 8]}
EXPERIMENT = Experiment(name="a", workload="brats", task=OPTIONS)


def write_run(folder: Path, options: dict[str, object] = OPTIONS) -> torch.nn.Module:
    network = build_network(from_dict(BratsTask, OPTIONS))
    experiment = {**EXPERIMENT.to_dict(), "task": options}
    save_best(str(folder / "checkpoint"), network, experiment, {"dice": 0.5, "epoch": 3})
    return network


def test_the_best_weights_of_a_run(tmp_path: Path) -> None:
    network = write_run(tmp_path)
    model = load_model(str(tmp_path))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[name], value)
    assert not model.network.training
    assert model.metrics == {"dice": 0.5, "epoch": 3}
    assert model.task.filters == (4, 8)


def test_options_of_the_task_can_be_replaced_and_are_checked(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert load_model(str(tmp_path), task_options={"final_overlap": 0.7}).task.final_overlap == 0.7
    with pytest.raises(ValueError, match="final_overlap"):
        load_model(str(tmp_path), task_options={"final_overlap": 1.5})


def test_an_exported_folder_has_its_weights_at_the_top(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "export").mkdir()
    (tmp_path / "run/checkpoint/best.pt").rename(tmp_path / "export/weights.pt")
    assert weights_file(str(tmp_path / "export")).endswith("weights.pt")
    assert load_model(str(tmp_path / "export")).metrics["epoch"] == 3


def written(place: str, numerics: dict[str, object]) -> object:
    if place != "record.json":
        return {"numerics": numerics}
    words = {"name": "a", "status": "finished", "store": "", "launcher": "local", "device": "cpu", "binding_limit": ""}
    numbers = {"num_workers": 1, "global_batch_size": 1, "num_steps": 1, "num_parameters": 1}
    unknown = {"samples_per_s": None, "samples_per_s_per_worker": None, "waiting_share": None}
    return {**words, **numbers, **unknown, "experiment": {}, "timings": {}, "metrics": {}, "numerics": numerics}


@pytest.mark.parametrize(
    ("asked", "chosen", "expected"),
    [
        ("fp32", None, "fp32"),
        ("bf16", None, "bf16"),
        ("auto", None, "bf16"),
        ("auto", "fp32", "fp32"),
        ("auto", "bf16", "bf16"),
    ],
)
@pytest.mark.parametrize("place", ["record.json", "model.json", "checkpoint/last.pt"])
def test_the_numerics_are_those_of_the_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, chosen: str | None, expected: str, place: str
) -> None:
    network = build_network(from_dict(BratsTask, OPTIONS))
    experiment = {**EXPERIMENT.to_dict(), "precision": asked}
    save_best(str(tmp_path / "checkpoint"), network, experiment, {})
    numerics = {"precision": chosen, "channels_last": False}
    if chosen is not None and place.endswith(".json"):
        (tmp_path / place).write_text(json.dumps(written(place, numerics)))
    elif chosen is not None:
        optimizer = torch.optim.SGD(network.parameters())
        save_last(str(tmp_path / "checkpoint"), network, optimizer, Progress(), experiment, numerics)
    monkeypatch.setattr("app.execution.models.model.has_bf16", lambda _: True)
    found = load_model(str(tmp_path)).numerics
    assert (found.precision, found.channels_last) == (expected, chosen is None)
    monkeypatch.setattr("app.execution.models.model.has_bf16", lambda _: False)
    assert load_model(str(tmp_path)).numerics.precision == "fp32"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    write_run(tmp_path)
    path = tmp_path / "checkpoint/best.pt"
    content = torch.load(path, weights_only=True)
    next(iter(content["model"].values())).view(-1)[0] = value
    torch.save(content, path)
    with pytest.raises(DataError, match=r"best\.pt: got weights that are not finite"):
        load_model(str(tmp_path))


def test_what_is_no_model_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_model(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match=r"holds no model.*first evaluation"):
        load_model(str(tmp_path))
    write_run(tmp_path, {**OPTIONS, "filters": [8, 8]})
    with pytest.raises(DataError, match="weights do not fit"):
        load_model(str(tmp_path))


def test_a_network_of_a_size_that_no_machine_has_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path)
    path = tmp_path / "checkpoint/best.pt"
    content = torch.load(path, weights_only=True)
    content["experiment"]["task"]["filters"] = [10**7, 10**7]
    torch.save(content, path)
    with pytest.raises(DataError, match=r"best\.pt: the network that it names cannot be made: .*memory"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("name", ["model", "experiment", "metrics"])
@pytest.mark.parametrize("value", [None, [], 1, "x", {1: "x"}])
def test_what_a_model_lacks_is_one_line(tmp_path: Path, name: str, value: object) -> None:
    write_run(tmp_path)
    path = tmp_path / "checkpoint/best.pt"
    torch.save({**torch.load(path, weights_only=True), name: value}, path)
    with pytest.raises(DataError, match=rf"best\.pt is damaged: ({name}|1): "):
        load_model(str(tmp_path))


@pytest.mark.parametrize("place", ["model.json", "record.json"])
def test_numerics_that_nothing_computes_in_are_one_line(tmp_path: Path, place: str) -> None:
    write_run(tmp_path)
    (tmp_path / place).write_text(json.dumps(written(place, {"precision": "fp8"})))
    with pytest.raises(DataError, match="numerics is damaged: precision: got 'fp8', expected one of fp32, bf16"):
        load_model(str(tmp_path))


def test_a_model_from_elsewhere_runs_no_code_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its workload may be a place in any module."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/trap.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    for number, workload in enumerate(("trap:MINE", "os:abort")):
        experiment = {**EXPERIMENT.to_dict(), "workload": workload}
        folder = tmp_path / str(number)
        save_best(str(folder / "checkpoint"), build_network(from_dict(BratsTask, OPTIONS)), experiment, {})
        with pytest.raises(UsageError, match=f"is a model of the workload '{workload}', expected one of 'brats'"):
            load_model_of(str(folder), "brats")
    with pytest.raises(UsageError, match=r"workload 'os:abort': got <built-in .*, expected a subclass of"):
        load_model(str(folder))
