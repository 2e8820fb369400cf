"""Optimizers: against hand calculation, and against torch's own step for step."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToyTask, ToyWorkload, toy_experiment

from app.experiment import OptimizerConfig
from app.training.optimizers import eager, make_optimizer, parameter_groups


@pytest.mark.parametrize(
    ("config", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_optimizer_by_name(config: str, kind: type) -> None:
    options = OptimizerConfig(name=config, learning_rate=0.01, beta2=0.99, amsgrad=True)  # type: ignore[arg-type]
    optimizer = make_optimizer(toy_experiment(optimizer=options), ToyWorkload().build_model(ToyTask()), 1)
    assert isinstance(optimizer, kind) and optimizer.param_groups[0]["lr"] == 0.01
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # You et al. 2017: (g + 0.1 w) x 0.001 |w| / (|g| + 0.1 |w|), |w| = 5, |g| = 1
        ("lars", (3 - 2 * 0.9 * 0.005 / 1.5, 4 - 2 * 1.2 * 0.005 / 1.5)),
        # You et al. 2020: Adam's first step is (1, 1); u = (1, 1) + 0.1 w, and the step u |w| / |u|
        ("lamb", (3 - 2 * 1.3 * 5 / math.sqrt(3.65), 4 - 2 * 1.4 * 5 / math.sqrt(3.65))),
    ],
)
def test_a_layers_step_is_as_long_as_its_weights(name: Any, expected: tuple[float, float]) -> None:
    """One step at rate 2 and decay 0.1 from weights (3, 4) along (0.6, 0.8), by hand."""
    model = torch.nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[3.0, 4.0]])
    options = OptimizerConfig(name=name, learning_rate=2.0, momentum=0.0, weight_decay=0.1)
    optimizer = make_optimizer(toy_experiment(optimizer=options), model, 1)
    model.weight.grad = torch.tensor([[0.6, 0.8]])
    optimizer.step()
    assert model.weight.tolist()[0] == pytest.approx(expected, abs=1e-4)


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


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (torch.optim.Adam, {"amsgrad": True}),
        (torch.optim.AdamW, {"weight_decay": 0.1}),
    ],
)
def test_without_the_compiler_steps_are_torchs_own(kind: Any, options: dict[str, Any]) -> None:
    def trained(optimizer_kind: Any, state: dict[str, Any] | None) -> tuple[torch.Tensor, dict[str, Any]]:
        weights = torch.nn.Parameter(torch.arange(1.0, 7.0))
        optimizer = optimizer_kind([weights], lr=0.1, fused=True, **options)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            (weights**3).sum().backward()
            optimizer.step()
        assert weights.requires_grad and weights.grad is not None and torch.is_grad_enabled()
        return weights.detach(), optimizer.state_dict()

    ours, theirs = trained(eager(kind), None), trained(kind, None)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    torch.testing.assert_close(trained(eager(kind), theirs[1]), trained(kind, ours[1]), rtol=0, atol=0)


def test_a_training_does_not_import_the_compiler() -> None:
    """Nor what it brings along: sympy."""
    script = """
import sys, torch
from toy import ToyTask, ToyWorkload, toy_experiment
from app.training.optimizers import load_optimizer, make_optimizer
model = ToyWorkload().build_model(ToyTask())
optimizer = make_optimizer(toy_experiment(), model, 1)
optimizer.zero_grad(set_to_none=True)
sum(p.sum() for p in model.parameters()).backward()
optimizer.step()
load_optimizer(optimizer, optimizer.state_dict())
print({"torch._dynamo", "sympy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
