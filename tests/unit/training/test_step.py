"""The step's gradient against plain autograd on the whole batch."""

import time

import pytest
import torch
from toy import ToyTask, ToyWorkload, toy_experiment

from app.experiment import OptimizerConfig
from app.training.context import LocalContext
from app.training.numerics import Numerics, candidates, choose, has_bf16
from app.training.step import StepFunction, make_optimizer, parameter_groups

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
    loss = step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, None, 0)
    assert float(loss) == pytest.approx(float(reference.detach()), abs=1e-6)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)


class MeanWorkload(ToyWorkload):
    """Its loss is a mean over samples."""

    loss_is_mean = True
    num_forwards = 0

    def forward(self, task: ToyTask, model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.num_forwards += 1
        return super().forward(task, model, inputs)

    def loss_sums(self, task: ToyTask, outputs: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        errors = (outputs - inputs["y"]) ** 2
        return torch.stack([errors.sum(), errors.new_tensor(float(len(errors)))])

    def loss_value(self, task: ToyTask, sums: torch.Tensor) -> torch.Tensor:
        return sums[0] / sums[1]


def test_micro_batches_of_a_mean_loss_take_one_pass_each() -> None:
    workload, task = MeanWorkload(), ToyTask()
    torch.manual_seed(0)
    model = workload.build_model(task)
    batch = batch_of(workload, 6)
    reference = ((model(batch["x"]) - batch["y"]) ** 2).mean()
    expected = torch.autograd.grad(reference, list(model.parameters()))
    experiment = toy_experiment(max_micro_batch_size=4, optimizer=OptimizerConfig(clip_norm=None))
    step = StepFunction(experiment, workload, task, LocalContext(CPU), Numerics("fp32", False))
    loss = step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch, None, 0)
    assert workload.num_forwards == 2
    assert float(loss) == pytest.approx(float(reference.detach()), abs=1e-6)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)


def test_gradients_are_clipped_to_the_norm() -> None:
    workload, task = ToyWorkload(), ToyTask()
    model = workload.build_model(task)
    experiment = toy_experiment(optimizer=OptimizerConfig(clip_norm=1e-3))
    step = StepFunction(experiment, workload, task, LocalContext(CPU), Numerics("fp32", False))
    step(model, torch.optim.SGD(model.parameters(), lr=0.0), batch_of(workload, 6), None, 0)
    norm = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(
    ("config", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_optimizer_by_name(config: str, kind: type) -> None:
    options = OptimizerConfig(name=config, learning_rate=0.01, beta2=0.99, amsgrad=True)  # type: ignore[arg-type]
    optimizer = make_optimizer(toy_experiment(optimizer=options), ToyWorkload().build_model(ToyTask()), 1)
    assert type(optimizer) is kind and optimizer.param_groups[0]["lr"] == 0.01
    if config != "sgd":
        assert optimizer.param_groups[0]["betas"] == (0.9, 0.99) and optimizer.param_groups[0]["amsgrad"]


@pytest.mark.parametrize(("nesterov", "expected"), [(False, 0.536), (True, 0.2624)])
def test_momentum_is_plain_or_nesterovs(nesterov: bool, expected: float) -> None:
    """Two steps from 1 with gradient 1, rate 0.16, momentum 0.9, by hand: velocities 1 and 1.9, so plain steps end at
    1 - 0.16 x 2.9, and Nesterov's (Sutskever et al. 2013, as torch has it) at 1 - 0.16 (1.9 + 2.71)."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    options = OptimizerConfig(name="sgd", learning_rate=0.16, momentum=0.9, nesterov=nesterov)
    optimizer = make_optimizer(toy_experiment(optimizer=options), model, 1)
    for _ in range(2):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
    assert model.weight.item() == pytest.approx(expected, abs=1e-6)


def test_vectors_decay_where_asked() -> None:
    model = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.InstanceNorm3d(2, affine=True))
    options = OptimizerConfig(name="sgd", learning_rate=0.05, weight_decay=0.1, decay_vectors=True)
    groups = make_optimizer(toy_experiment(optimizer=options), model, 1).param_groups
    assert sorted(p.ndim for group in groups for p in group["params"]) == [1, 1, 1, 5]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.1]


def test_learning_rate_scales_with_workers_when_the_batch_does() -> None:
    model = ToyWorkload().build_model(ToyTask())
    grown = make_optimizer(toy_experiment(batch_rule="fixed-per-worker"), model, 4)
    fixed = make_optimizer(toy_experiment(), model, 4)
    assert grown.param_groups[0]["lr"] == pytest.approx(0.2) and fixed.param_groups[0]["lr"] == pytest.approx(0.05)


def test_biases_and_norms_do_not_decay() -> None:
    model = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.InstanceNorm3d(2, affine=True))
    decayed, plain = parameter_groups(model, 0.1)
    assert [p.ndim for p in decayed["params"]] == [5] and decayed["weight_decay"] == 0.1
    assert [p.ndim for p in plain["params"]] == [1, 1, 1] and plain["weight_decay"] == 0.0


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


def test_bf16_is_no_candidate_where_the_device_emulates_it() -> None:
    found = {option.precision for option in candidates(toy_experiment(precision="auto", channels_last="auto"), CPU)}
    assert found == ({"fp32", "bf16"} if has_bf16(CPU) else {"fp32"})
    asked = candidates(toy_experiment(precision="bf16", channels_last="yes"), CPU)
    assert asked == [Numerics("bf16", True)]


def test_channels_last_reaches_weights_and_inputs() -> None:
    model = Numerics("fp32", True).place(torch.nn.Sequential(torch.nn.Conv3d(4, 8, 3)))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    inputs = Numerics("fp32", True).place_batch({"image": torch.zeros(1, 4, 8, 8, 8), "gain": torch.zeros(1, 4)})
    assert inputs["image"].is_contiguous(memory_format=torch.channels_last_3d) and inputs["gain"].shape == (1, 4)
