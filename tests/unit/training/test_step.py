"""The step's gradient against plain autograd on the whole batch."""

import math
import time
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from toy import MeanWorkload, ToyTask, ToyWorkload, toy_experiment

from app.experiment import OptimizerConfig
from app.training.context import LocalContext
from app.training.numerics import Numerics, candidates, choose, has_bf16
from app.training.step import StepFunction, seed_dropout, without_trace

CPU = torch.device("cpu")


def batch_of(workload: ToyWorkload, size: int) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in workload.example_batch(ToyTask(), size).items()}


@pytest.mark.parametrize("micro", [None, 1, 2, 3])
def test_gradient_is_that_of_the_whole_batch(micro: int | None) -> None:
    workload, task = ToyWorkload(), ToyTask()
    torch.manual_seed(0)
    model = workload.build_model(task)
    batch = batch_of(workload, 6)
    reference = workload.loss_value(task, workload.loss_sums(task, model(batch["x"]), batch))
    expected = torch.autograd.grad(reference, list(model.parameters()))
    experiment = toy_experiment(max_micro_batch_size=micro, optimizer=OptimizerConfig(clip_norm=None))
    step = StepFunction(experiment, workload, task, LocalContext(CPU), Numerics("fp32", False))
    loss, norm = step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, None, 0)
    assert loss == pytest.approx(float(reference.detach()), abs=1e-6)
    assert norm == pytest.approx(float(torch.cat([g.flatten() for g in expected]).norm()), rel=1e-5)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)


def test_micro_batches_of_a_mean_loss_take_one_pass_each() -> None:
    workload, task = MeanWorkload(), ToyTask()
    torch.manual_seed(0)
    model = workload.build_model(task)
    batch = batch_of(workload, 6)
    reference = ((model(batch["x"]) - batch["y"]) ** 2).mean()
    expected = torch.autograd.grad(reference, list(model.parameters()))
    experiment = toy_experiment(max_micro_batch_size=4, optimizer=OptimizerConfig(clip_norm=None))
    step = StepFunction(experiment, workload, task, LocalContext(CPU), Numerics("fp32", False))
    loss, norm = step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, None, 0)
    assert workload.num_forwards == 2
    assert loss == pytest.approx(float(reference.detach()), abs=1e-6)
    assert norm == pytest.approx(float(torch.cat([g.flatten() for g in expected]).norm()), rel=1e-5)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)


def test_gradients_are_clipped_to_the_norm() -> None:
    workload, task = ToyWorkload(), ToyTask()
    model = workload.build_model(task)
    experiment = toy_experiment(optimizer=OptimizerConfig(clip_norm=1e-3))
    step = StepFunction(experiment, workload, task, LocalContext(CPU), Numerics("fp32", False))
    found = step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch_of(workload, 6), None, 0)[1]
    norm = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)
    assert found > 2e-3, "the norm before"


class NormWorkload(ToyWorkload):
    """With batch normalization and dropout; notes what the network gives out."""

    def __init__(self) -> None:
        self.outputs: list[torch.Tensor] = []

    def build_model(self, task: ToyTask, with_weights: bool = True) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Dropout(task.dropout), torch.nn.Linear(3, 1))

    def forward(self, task: ToyTask, model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        output = super().forward(task, model, inputs)
        self.outputs.append(output.detach().clone())
        return output


def drawn(seed: int, step: int, rank: int) -> float:
    seed_dropout(seed, step, rank)
    return float(torch.rand(1))


def test_dropout_is_a_function_of_seed_step_and_rank() -> None:
    """Workers, steps and trainings of other seeds draw anew each; a resumed training draws what it would have drawn."""
    places = [(seed, step, rank) for seed in (0, 1, 7) for step in (0, 1, 500) for rank in (0, 1, 63)]
    first = [drawn(*place) for place in places]
    assert len(set(first)) == len(places)
    assert [drawn(*place) for place in reversed(places)] == first[::-1]


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.mark.parametrize("name", DEVICES)
def test_two_passes_over_micro_batches_leave_the_trace_of_one(name: str) -> None:
    """By hand: running = 0.9 running + 0.1 of the part's, the variance of n - 1, once for each part."""
    workload, task, device = NormWorkload(), ToyTask(dropout=0.5), torch.device(name)
    model = workload.build_model(task).to(device)
    batch = {key: value.to(device) for key, value in batch_of(workload, 12).items()}
    step = StepFunction(
        toy_experiment(max_micro_batch_size=8), workload, task, LocalContext(device), Numerics("fp32", False)
    )
    step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, None, 0)
    first, second = batch["x"][:8], batch["x"][8:]
    statistics = model[0].state_dict()  # type: ignore[index]
    assert int(statistics["num_batches_tracked"]) == 2
    torch.testing.assert_close(statistics["running_mean"], 0.09 * first.mean(0) + 0.1 * second.mean(0))
    torch.testing.assert_close(statistics["running_var"], 0.81 + 0.09 * first.var(0) + 0.1 * second.var(0))
    assert [len(output) for output in workload.outputs] == [8, 4, 8, 4]
    for before, after in zip(workload.outputs[:2], workload.outputs[2:], strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)
    again = workload.forward(task, model, {"x": first}).detach()
    assert not torch.equal(again, workload.outputs[0]), "dropout draws at random"


def test_the_first_pass_keeps_the_random_state_of_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    forked: list[Any] = []

    def fork(devices: Any) -> Any:
        forked.append(devices)
        return nullcontext()

    monkeypatch.setattr(torch.random, "fork_rng", fork)
    for device in (CPU, torch.device("cuda", 3)):
        with without_trace(torch.nn.Linear(1, 1), device):
            assert not torch.is_grad_enabled()
    assert forked == [[], [torch.device("cuda", 3)]]


@pytest.mark.parametrize("clip_norm", [None, 12.0])
@pytest.mark.parametrize(("value", "is_loss"), [(float("nan"), True), (float("inf"), True), (1.0, False)])
def test_a_step_whose_loss_or_gradient_is_not_finite_changes_nothing(
    clip_norm: float | None, value: float, is_loss: bool
) -> None:
    class Spoilt(ToyWorkload):
        def loss_value(self, task: ToyTask, sums: torch.Tensor) -> torch.Tensor:
            return sums[0] * value if is_loss else 1 + (0 * sums[0]).sqrt()

    workload, task = Spoilt(), ToyTask()
    model = workload.build_model(task)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    experiment = toy_experiment(optimizer=OptimizerConfig(clip_norm=clip_norm))
    step = StepFunction(experiment, workload, task, LocalContext(CPU), Numerics("fp32", False))
    loss, norm = step(model, torch.optim.SGD(model.parameters(), lr=0.1), batch_of(workload, 6), None, 0)
    assert math.isfinite(loss) is not is_loss and not math.isfinite(norm)
    torch.testing.assert_close(list(model.parameters()), before, rtol=0, atol=0)


def test_numerics_are_those_that_measured_fastest() -> None:
    def compute(option: Numerics) -> None:
        until = time.process_time() + slow[option]
        while time.process_time() < until:
            pass

    options = [Numerics("fp32", False), Numerics("fp32", True)]
    slow = {options[0]: 0.02, options[1]: 0.001}
    best, record = choose(options, compute, CPU)
    assert best == options[1] and record["channels_last"] is True
    assert set(record["measured_s"]) == {"fp32", "fp32+channels_last"}


@pytest.mark.parametrize(("in_hardware", "expected"), [(True, {"fp32", "bf16"}), (False, {"fp32"})])
def test_bf16_is_no_candidate_where_the_device_emulates_it(
    monkeypatch: pytest.MonkeyPatch, in_hardware: bool, expected: set[str]
) -> None:
    monkeypatch.setattr("app.training.numerics.has_bf16", lambda device: in_hardware)
    found = {option.precision for option in candidates(toy_experiment(precision="auto", channels_last="auto"), CPU)}
    assert found == expected
    asked = candidates(toy_experiment(precision="bf16", channels_last="yes"), CPU)
    assert asked == [Numerics("bf16", True)]


@pytest.mark.parametrize(
    ("is_supported", "capability", "expected"),
    [(True, "AVX512", True), (True, "AVX2", False), (True, "DEFAULT", False), (False, "AVX512", False)],
)
def test_a_cpu_has_bf16_by_its_instructions(
    monkeypatch: pytest.MonkeyPatch, is_supported: bool, capability: str, expected: bool
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: is_supported)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert has_bf16(CPU) is expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_has_bf16_from_ampere_on(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert has_bf16(torch.device("cuda", 0)) is expected


def test_channels_last_reaches_weights_and_inputs() -> None:
    model = Numerics("fp32", True).place(torch.nn.Sequential(torch.nn.Conv3d(4, 8, 3)))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    inputs = Numerics("fp32", True).place_batch({"image": torch.zeros(1, 4, 8, 8, 8), "gain": torch.zeros(1, 4)})
    assert inputs["image"].is_contiguous(memory_format=torch.channels_last_3d) and inputs["gain"].shape == (1, 4)
