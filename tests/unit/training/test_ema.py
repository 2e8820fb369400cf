"""The average of weights by hand: the decay ramps up as 1/10, 2/11, 3/12, ... until it meets its limit."""

import pytest
import torch

from app.training.ema import ramped, start_average


def one_weight(value: float) -> torch.nn.Module:
    """Batch normalization has what an average has to tell apart: a weight and statistics."""
    model = torch.nn.BatchNorm1d(1)
    with torch.no_grad():
        model.weight.fill_(value)
        assert model.running_mean is not None
        model.running_mean.fill_(-value)
    return model


def test_the_decay_ramps_up_to_its_limit() -> None:
    assert [ramped(0.2, n) for n in range(4)] == pytest.approx([1 / 10, 2 / 11, 0.2, 0.2])
    assert ramped(0.999, 10**6) == 0.999


def test_three_steps_by_hand() -> None:
    model = one_weight(100)
    average = start_average(model, 0.9, None)
    assert average is not None
    seen = []
    for value in (1.0, 2.0, 4.0):
        average.update_parameters(one_weight(value))
        seen.append(float(average.module.weight))
    # The first is taken as it is; then 2/11 of 1 + 9/11 of 2 = 20/11; then 1/4 of 20/11 + 3/4 of 4 = 38/11.
    assert seen == pytest.approx([1, 20 / 11, 38 / 11])
    assert float(average.module.running_mean) == -4, "statistics are copied"
    assert float(model.weight.detach()) == 100, "the network itself stays as it is"


def test_it_goes_on_from_what_was_saved() -> None:
    whole = start_average(one_weight(0), 0.9, None)
    assert whole is not None
    for value in (1.0, 2.0):
        whole.update_parameters(one_weight(value))
    resumed = start_average(one_weight(7), 0.9, {name: value.clone() for name, value in whole.state_dict().items()})
    assert resumed is not None
    for average in (whole, resumed):
        average.update_parameters(one_weight(4))
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    assert float(resumed.module.weight) == pytest.approx(38 / 11)


def test_without_a_decay_there_is_none() -> None:
    assert start_average(one_weight(1), None, None) is None
