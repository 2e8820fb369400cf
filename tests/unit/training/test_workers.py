"""Two workers in processes of their own, over gloo: the gradient of a step, and which network is judged and kept."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from toy import MeanWorkload, ToyTask, ToyWorkload, toy_experiment

from app.experiment import OptimizerConfig
from app.training import checkpoint
from app.training.context import LocalContext
from app.training.loop import train
from app.training.numerics import Numerics
from app.training.order import Order
from app.training.step import StepFunction

pytestmark = pytest.mark.timeout(300)

CPU = torch.device("cpu")
STEPS = [(workload, micro) for workload in ("ratio", "mean") for micro in (None, 1, 3)]
"""A worker's share is 4 samples, so micro-batches of 3 differ in size."""
DECAYS = (None, 0.5)


class NormWorkload(ToyWorkload):
    """With batch normalization; notes the network that it judges."""

    judged: dict[str, torch.Tensor]

    def build_model(self, task: ToyTask, with_weights: bool = True) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))

    def evaluate_cases(self, task: Any, model: Any, *rest: Any, **named: Any) -> list[dict[str, float | None]]:
        self.judged = {name: value.clone() for name, value in model.state_dict().items()}
        return super().evaluate_cases(task, model, *rest, **named)


def network() -> torch.nn.Module:
    torch.manual_seed(5)
    return ToyWorkload().build_model(ToyTask())


def gradient(workload: ToyWorkload, micro: int | None, rank: int) -> tuple[float, float, list[torch.Tensor]]:
    """Of this worker's half of eight samples: loss, norm and what the optimizer would get."""
    context = LocalContext(CPU)
    experiment = toy_experiment(max_micro_batch_size=micro, optimizer=OptimizerConfig(clip_norm=None))
    step = StepFunction(experiment, workload, ToyTask(), context, Numerics("fp32", False))
    rows = workload.example_batch(ToyTask(), 8)
    batch = {key: torch.from_numpy(value)[rank * 4 : rank * 4 + 4] for key, value in rows.items()}
    model = context.wrap(network())
    loss, norm = step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, None, 0)
    return loss, norm, [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def work(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world_size)
    found: dict[str, Any] = {}
    for name, micro in STEPS:
        found[f"{name} {micro}"] = gradient(MeanWorkload() if name == "mean" else ToyWorkload(), micro, rank)
    for decay in DECAYS:
        workload = NormWorkload()
        experiment = toy_experiment(epochs=1, ema_decay=decay)
        train(Order(experiment, "", f"{folder}/{decay}", time.time()), workload, LocalContext(CPU))
        found[f"judged {decay}"] = workload.judged
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
    os._exit(0)  # a thread of gloo's may abort the interpreter's end; what is tested is on disk by now


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two workers did all of the above."""
    made = tmp_path_factory.mktemp("workers")
    torch.multiprocessing.spawn(work, (2, str(made)), nprocs=2, join=True)
    return made


@pytest.mark.parametrize(("name", "micro"), STEPS)
def test_the_gradient_is_that_of_one_big_batch_by_hand(folder: Path, name: str, micro: int | None) -> None:
    model, batch = network(), ToyWorkload().example_batch(ToyTask(), 8)
    x, y = torch.from_numpy(batch["x"]), torch.from_numpy(batch["y"])
    p = model(x).sigmoid()
    dice = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
    expected_loss = dice if name == "ratio" else ((model(x) - y) ** 2).sum() / 8
    expected = torch.autograd.grad(expected_loss, list(model.parameters()))
    for rank in (0, 1):
        loss, norm, gradients = torch.load(folder / f"{rank}.pt")[f"{name} {micro}"]
        assert loss == pytest.approx(float(expected_loss.detach()), abs=1e-6)
        assert norm == pytest.approx(float(torch.cat([g.flatten() for g in expected]).norm()), rel=1e-5)
        for found, wanted in zip(gradients, expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("decay", DECAYS)
def test_every_worker_judges_the_network_that_is_kept(folder: Path, decay: float | None) -> None:
    kept = checkpoint.load(str(folder / str(decay) / "checkpoint" / "best.pt"))["model"]
    assert int(kept["0.num_batches_tracked"]) == 3
    for rank in (0, 1):
        judged = torch.load(folder / f"{rank}.pt")[f"judged {decay}"]
        torch.testing.assert_close(judged, dict(kept), rtol=0, atol=0)
