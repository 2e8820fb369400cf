"""The memory of a step: counted by hand, and trainings that cannot fit refused before they begin."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToyWorkload, toy_experiment

from app.errors import ResourceError
from app.execution.trials.trial_worker import TrialWorker
from app.experiment import Experiment, OptimizerConfig
from app.training import memory
from app.training.context import LocalContext
from app.training.memory import Counter, check_fits, step_bytes
from app.training.numerics import Numerics
from app.training.order import Order
from app.workloads.brats.workload import BratsWorkload

CPU = torch.device("cpu")
TASK = {"outputs": "whole", "loss": "dice", "augment": None, "filters": [8, 16], "patch_size": [32, 32, 32]}


def test_storages_count_while_they_live_and_views_not_at_all() -> None:
    """Ten floats of 4 bytes, twice, then once and five of them in bytes."""
    with Counter() as counter:
        first = torch.zeros(10)
        second = first + 1
        view = second[:5]
        assert counter.num_bytes == 80
        del first
        third = view.to(torch.uint8)
        assert counter.num_bytes == 45
    assert counter.peak_bytes == 80
    del third


def counted(precision: str = "fp32", micro: int | None = None, share: int = 2, name: Any = "sgd", **task: Any) -> int:
    optimizer = OptimizerConfig(name=name, momentum=0.0)
    experiment = Experiment(
        name="a", workload="brats", batch_size=share, max_micro_batch_size=micro, optimizer=optimizer
    )
    workload = BratsWorkload()
    return step_bytes(experiment, workload, workload.parse_task({**TASK, **task}), share, Numerics(precision, True))


def test_what_a_step_holds_is_no_less_than_what_must_be_kept() -> None:
    """At 32^3 the finest resolution's four convolutions keep their inputs and their normalizations, in floats: 4 + 8
    channels, 8 + 8, 16 + 8 and 8 + 8, so 68 channels x 2 samples; no more than three times that comes to it."""
    must = 68 * 2 * 32**3 * 4
    assert must < counted() < 3 * must


def test_less_at_a_time_recomputed_or_in_fewer_bytes_takes_less() -> None:
    plain = counted()
    assert counted(share=4) == pytest.approx(2 * plain, rel=0.02)
    assert counted(micro=1) < 0.6 * plain
    assert counted(recompute=True) < 0.75 * plain
    assert counted("bf16") < 0.75 * plain


def test_adams_two_moments_count() -> None:
    """Beside weights that weigh more than samples: two floats for each."""
    filters = {"filters": [64, 128], "patch_size": [4, 4, 4]}
    num_parameters = sum(
        p.numel() for p in BratsWorkload().build_model(BratsWorkload().parse_task({**TASK, **filters})).parameters()
    )
    assert counted(name="adam", **filters) - counted(**filters) == pytest.approx(8 * num_parameters, rel=0.001)


def order(**options: Any) -> Order:
    whole = {**TASK, "filters": [8, 16, 32, 64], "patch_size": [152, 240, 240], "sampling": "whole"}
    return Order(Experiment(name="a", workload="brats", task=whole, precision="fp32", **options), "", "", 0.0)


def test_a_whole_volume_is_refused_where_it_cannot_fit_and_taken_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two whole volumes hold 9.2 GB in fp32, one at a time 4.9."""
    monkeypatch.setattr(memory, "device_bytes", lambda device, workers: 8 * 10**9)
    wanted = (
        r"a step of 2 sample\(s\) a worker, 2 at a time, in fp32 holds 9\.\d GB of tensors \(14 to 24 GB with all "
        r"else\), expected at most the 8\.0 GB of its device\. Set a smaller max_micro_batch_size"
    )
    with pytest.raises(ResourceError, match=wanted):
        check_fits(order(), BratsWorkload(), LocalContext(CPU))
    check_fits(order(max_micro_batch_size=1), BratsWorkload(), LocalContext(CPU))


def test_small_samples_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two samples of 4 x 32^3 voxels, one label each and eight numbers: 330 thousand numbers, at 5,000 bytes 1.6 GB."""
    counted: list[int] = []

    def count(experiment: Any, workload: Any, task: Any, share: int, numerics: Any) -> int:
        counted.append(share)
        return 0

    monkeypatch.setattr(memory, "step_bytes", count)  # nothing that raises: what cannot be counted is let be
    small = Order(Experiment(name="a", workload="brats", task=TASK, batch_size=2), "", "", 0.0)
    for there, num in ((24 * 10**9, 0), (17 * 10**8, 0), (16 * 10**8, 1)):
        monkeypatch.setattr(memory, "device_bytes", lambda device, workers, there=there: there)
        check_fits(small, BratsWorkload(), LocalContext(CPU))
        assert counted == [2] * num, there


def test_workers_of_one_machine_share_its_memory() -> None:
    """The kernel's own count in KB is of the same pages."""
    told = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:"))
    whole = 1024 * int(told.split()[1])
    assert [memory.device_bytes(CPU, workers) for workers in (1, 2, 3)] == [whole, whole // 2, whole // 3]


def test_a_worker_refuses_before_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("trial_worker", "record"):
        monkeypatch.setattr(f"app.execution.trials.{module}.find_workload", lambda _: ToyWorkload())
    monkeypatch.setattr(memory, "device_bytes", lambda device, workers: 100)
    monkeypatch.setattr("app.execution.trials.record.find_declaration", lambda _: None)
    worker = TrialWorker(lambda _: LocalContext(CPU))
    toy = Order(toy_experiment(), "", str(tmp_path), 0.0, launcher="local")
    with pytest.raises(ResourceError, match=r"out of memory before it began: a step of \d sample"):
        worker.begin(toy)
    assert not (tmp_path / "checkpoint").exists()
    monkeypatch.setattr(memory, "device_bytes", lambda device, workers: 10**6)
    assert worker.begin(toy) == 0
    worker.end()
