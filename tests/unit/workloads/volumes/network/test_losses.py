from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.losses import loss_sums, loss_value

WHOLE = BratsTask(outputs="whole", loss="dice")


def _volumes(num_samples: int = 4, num_regions: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (num_samples, num_regions, 4, 5, 6)
    targets = torch.rand(shape, generator=generator) < 0.3
    return 2 * torch.randn(shape, generator=generator), targets.to(torch.uint8)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # p = 0.5, 0.5, 0.8, 0.2; t = 1, 0, 1, 0: sum(p t) = 1.3, sum(p) = 2, sum(t) = 2, sum(p^2) = 1.18
        ("dice", 1 - 2 * 1.3 / (2 + 2)),
        ("squared-dice", 1 - 2 * 1.3 / (1.18 + 2)),
        # cross entropy: -(2 log 0.5 + 2 log 0.8) / 4
        ("dice-bce", 1 - 2 * 1.3 / 4 + (0.6931472 + 0.2231436) / 2),
    ],
)
def test_values_by_hand(loss: Any, expected: float) -> None:
    task = BratsTask(outputs="whole", loss=loss)
    logits = torch.tensor([0.0, 0.0, 1.3862944, -1.3862944]).view(1, 1, 1, 1, 4)
    targets = torch.tensor([1, 0, 1, 0], dtype=torch.uint8).view(1, 1, 1, 1, 4)
    value = loss_value(task, loss_sums(task, logits, targets))
    assert value.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("loss", "squared"), [("dice", False), ("squared-dice", True)])
def test_dice_agrees_with_monai(loss: Any, squared: bool) -> None:
    from monai.losses.dice import DiceLoss

    task = BratsTask(loss=loss)
    logits, targets = _volumes()
    expected = DiceLoss(sigmoid=True, batch=True, squared_pred=squared)(logits, targets.float())
    assert loss_value(task, loss_sums(task, logits, targets)).item() == pytest.approx(expected.item(), abs=1e-6)


def test_cross_entropy_is_added_to_dice() -> None:
    from monai.losses.dice import DiceLoss

    task = BratsTask()
    logits, targets = _volumes()
    expected = DiceLoss(sigmoid=True, batch=True)(logits, targets.float())
    expected += F.binary_cross_entropy_with_logits(logits, targets.float())
    assert loss_value(task, loss_sums(task, logits, targets)).item() == pytest.approx(expected.item(), abs=1e-6)


def test_nothing_to_find_and_nothing_found_costs_nothing() -> None:
    logits = torch.full((1, 1, 2, 2, 2), -200.0)
    assert loss_value(WHOLE, loss_sums(WHOLE, logits, torch.zeros_like(logits))).item() == pytest.approx(0.0, abs=1e-6)


def test_extreme_logits_stay_finite() -> None:
    task = BratsTask(outputs="whole")
    logits = torch.tensor([1e4, -1e4]).view(1, 1, 1, 1, 2).requires_grad_()
    value = loss_value(task, loss_sums(task, logits, torch.tensor([0, 1]).view(1, 1, 1, 1, 2)))
    value.backward()
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", ["dice", "squared-dice", "dice-bce"])
def test_sums_of_parts_give_the_loss_and_gradient_of_the_whole(loss: Any) -> None:
    """What the engine does over workers and micro-batches, against one pass over everything."""
    task = BratsTask(loss=loss)
    logits, targets = _volumes()
    whole = logits.clone().requires_grad_()
    expected = loss_value(task, loss_sums(task, [whole, whole * 0.5], targets))
    expected.backward()

    parts = [(logits[i].clone().requires_grad_(), targets[i]) for i in (slice(0, 1), slice(1, 4))]
    sums = [loss_sums(task, [x, x * 0.5], t) for x, t in parts]
    total = torch.stack(sums).detach().sum(0).requires_grad_()
    value = loss_value(task, total)
    (slope,) = torch.autograd.grad(value, total)
    for part in sums:
        (slope * part).sum().backward()
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    assert whole.grad is not None
    gradients = [x.grad for x, _ in parts if x.grad is not None]
    torch.testing.assert_close(torch.cat(gradients), whole.grad, rtol=1e-5, atol=1e-9)


def test_heads_weigh_half_as_much_each() -> None:
    task = BratsTask()
    logits, targets = _volumes()
    heads = [logits, logits * 0.3, -logits]
    single = [loss_value(task, loss_sums(task, head, targets)).item() for head in heads]
    together = loss_value(task, loss_sums(task, heads, targets)).item()
    assert together == pytest.approx((single[0] + single[1] / 2 + single[2] / 4) / 1.75, abs=1e-6)
    assert len({round(value, 3) for value in single}) == 3


def test_sums_are_float32_whatever_the_logits_are() -> None:
    logits, targets = _volumes()
    sums = loss_sums(BratsTask(), logits.bfloat16(), targets)
    assert sums.dtype == torch.float32
    assert sums.shape == (3 * 3 + 2,)
    assert sums[-1].item() == targets.numel()


def test_another_shape_is_refused() -> None:
    logits, targets = _volumes()
    for head, labels in ((logits, targets[:, :1]), (logits[:, :1], targets)):
        with pytest.raises(ValueError, match="expected the same"):
            loss_sums(BratsTask(), head, labels)
