"""One study, one arithmetic: numerics are measured once for a network and kind of device, whoever asks."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToyTask, ToyWorkload, toy_experiment

from app.errors import DataError
from app.experiment import OptimizerConfig
from app.training import choices, numerics
from app.training.context import LocalContext
from app.training.loop import Training
from app.training.numerics import Numerics, StudyMemory, settle
from app.training.order import Order
from app.workloads.brats.workload import BratsWorkload

CPU = torch.device("cpu")
OPTIONS = [Numerics("fp32", False), Numerics("fp32", True)]


class FickleTimer:
    """Finds another option the fastest at each measurement."""

    def __init__(self) -> None:
        self.num_measurements = 0
        self._asked: list[Numerics] = []

    def __call__(self, trial_step: Callable[[Numerics], None], option: Numerics, device: torch.device) -> float:
        self.num_measurements += not self._asked
        self._asked.append(option)
        fastest = OPTIONS[self.num_measurements % 2]
        if len(self._asked) == len(OPTIONS) * (numerics.NUM_TRIAL_STEPS + 1):
            self._asked.clear()
        return 1.0 if option == fastest else 2.0


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> FickleTimer:
    found = FickleTimer()
    monkeypatch.setattr(numerics, "_time", found)
    return found


def trained(
    study: Path | None, folder: Path, workload: Any = None, num_epochs: int | None = None, **changes: Any
) -> dict[str, Any]:
    """The record of a training's numerics; after so many epochs it is left as a kill would leave it."""
    experiment = toy_experiment(**{"channels_last": "auto", **changes})
    order = Order(experiment, "", str(folder), time.time(), numerics_folder=None if study is None else str(study))
    training = Training(order, workload or ToyWorkload(), LocalContext(CPU))
    try:
        while not training.is_done and training.progress.num_epochs != num_epochs:
            training.advance()
        return training.finish().numerics
    finally:
        training.close()


def test_without_a_study_each_training_has_its_own(tmp_path: Path, timer: FickleTimer) -> None:
    """What the study's memory is there to prevent."""
    layouts = [trained(None, tmp_path / name)["channels_last"] for name in "abc"]
    assert layouts == [True, False, True] and timer.num_measurements == 3


def test_all_trials_strategies_and_restarts_of_a_study_have_one(tmp_path: Path, timer: FickleTimer) -> None:
    study, other = tmp_path / "a", tmp_path / "b"
    fast = OptimizerConfig(learning_rate=0.5)
    found = [
        trained(study, study / "cut", num_epochs=1),
        trained(study, study / "cut"),  # goes on from its checkpoint
        trained(study, study / "rate", optimizer=fast),
        trained(study, study / "seed", seed=8),
        trained(study, study / "partition", task={"num_rows": 16}),
        trained(study, study / "batch", batch_size=2),
        trained(study, study / "dropout", task={"dropout": 0.5}),
    ]
    (study / "cut" / "checkpoint" / "last.pt").unlink()  # and one that begins anew
    found.append(trained(study, study / "cut"))
    assert choices.take_over(str(study), str(other)) == 1
    found += [trained(other, other / "cut"), trained(other, other / "rate", optimizer=fast)]
    assert (
        found == [{"precision": "fp32", "channels_last": True, "measured_s": {"fp32": 2, "fp32+channels_last": 1}}] * 10
    )
    assert timer.num_measurements == 1
    (file,) = (study / "numerics").iterdir()
    assert json.loads(file.read_text()) == {
        "workload": "toy",
        "device": "cpu",
        "network": "Sequential, 41 parameters, x 3, y 1",
        **found[0],
    }


class WiderToy(ToyWorkload):
    def build_model(self, task: ToyTask, with_weights: bool = True) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(3, 9), torch.nn.Tanh(), torch.nn.Linear(9, 1))


def test_another_network_is_measured_for_itself(tmp_path: Path, timer: FickleTimer) -> None:
    layouts = [trained(tmp_path, tmp_path / str(n), toy)["channels_last"] for n, toy in enumerate([None, WiderToy()])]
    assert layouts == [True, False]
    layouts = [trained(tmp_path, tmp_path / f"{n}+", toy)["channels_last"] for n, toy in enumerate([None, WiderToy()])]
    assert layouts == [True, False] and timer.num_measurements == 2


def test_what_is_fixed_by_hand_is_neither_measured_nor_kept(tmp_path: Path, timer: FickleTimer) -> None:
    found = trained(tmp_path, tmp_path / "t", channels_last="no")
    assert found == {"precision": "fp32", "channels_last": False, "measured_s": {}}
    assert timer.num_measurements == 0 and not (tmp_path / "numerics").exists()
    trained(tmp_path, tmp_path / "u")  # chooses channels_last, which is none of the options of the next
    assert trained(tmp_path, tmp_path / "v", channels_last="no")["channels_last"] is False


def test_the_checkpoint_of_an_older_folder_becomes_the_study_s_choice(tmp_path: Path, timer: FickleTimer) -> None:
    before = trained(None, tmp_path / "t", num_epochs=1)
    assert trained(tmp_path, tmp_path / "t") == before == trained(tmp_path, tmp_path / "u")
    assert timer.num_measurements == 1


def brats_key(device: str = "cpu", options: list[Numerics] = OPTIONS, **task: Any) -> str:
    workload = BratsWorkload()
    parsed = workload.parse_task({"filters": [4, 8], "patch_size": [16, 16, 16], **task})
    return StudyMemory("", options, workload, parsed, workload.build_model(parsed), device).key


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"augment": None}, True),
        ({"samples_per_case": 1, "foreground_share": 0.0}, True),
        ({"norm": "batch"}, False),
        ({"filters": [4, 12]}, False),
        ({"network": "segresnet", "filters": [8, 16]}, False),
        ({"patch_size": [16, 16, 24]}, False),
        ({"outputs": "whole"}, False),
        ({"device": "NVIDIA H100"}, False),
        ({"options": [*OPTIONS, Numerics("bf16", True)]}, False),
    ],
)
def test_a_choice_is_for_a_network_its_samples_and_a_device(changes: dict[str, Any], same: bool) -> None:
    assert (brats_key(**changes) == brats_key()) is same


class PairContext(LocalContext):
    """One of two workers, each in a thread of its own."""

    _values: tuple[list[Any], threading.Barrier]

    def __init__(self, rank: int, values: list[Any], barrier: threading.Barrier) -> None:
        super().__init__(CPU)
        self.rank, self.world_size, self._values = rank, 2, (values, barrier)

    def gather(self, value: Any) -> list[Any]:
        values, barrier = self._values
        values[self.rank] = value
        barrier.wait(10)
        found = list(values)
        barrier.wait(10)
        return found


def settled_by_two(memory: StudyMemory, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What two workers settle on, of whom each finds another option the fastest; or how they fail."""
    values, barrier, found = [None, None], threading.Barrier(2), [None, None]

    def prefers(trial_step: Any, option: Numerics, device: torch.device) -> float:
        return float(option != OPTIONS[int(threading.current_thread().name)])

    def work(rank: int) -> None:
        context = PairContext(rank, values, barrier)
        try:
            found[rank] = settle(OPTIONS, memory, None, lambda: lambda _: None, context)[0]  # type: ignore[call-overload]
        except DataError as error:
            found[rank] = str(error)  # type: ignore[call-overload]

    monkeypatch.setattr(numerics, "_time", prefers)
    threads = [threading.Thread(target=work, args=(rank,), name=str(rank)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_worker_0_decides_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = ToyWorkload()
    memory = StudyMemory(str(tmp_path), OPTIONS, workload, ToyTask(), workload.build_model(ToyTask()), "cpu")
    assert settled_by_two(memory, monkeypatch) == [OPTIONS[0], OPTIONS[0]]
    (file,) = (tmp_path / "numerics").iterdir()
    file.write_text(file.read_text().replace("false", "true"))
    assert settled_by_two(memory, monkeypatch) == [OPTIONS[1], OPTIONS[1]]  # taken from the study
    file.write_text("{")
    first, second = settled_by_two(memory, monkeypatch)
    assert first == second and f"{file} is damaged" in first and "delete it" in first  # none waits for the other


def test_of_two_trials_that_begin_at_the_same_moment_the_loser_takes_the_winner_s(
    tmp_path: Path, timer: FickleTimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find no choice and measure; the second comes to write when the first has written."""
    monkeypatch.setattr(StudyMemory, "read", lambda _: None)
    layouts = [trained(tmp_path, tmp_path / name)["channels_last"] for name in "ab"]
    assert layouts == [True, True] and timer.num_measurements == 2
