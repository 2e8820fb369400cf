"""Background and quantisation of one modality; expected values by hand."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.workloads.volumes.scans.intensities import BORDER_CONSTANT, EXTREMES, to_stored

SHAPE = (8, 9, 10)
BRAIN = (slice(2, 6), slice(2, 7), slice(3, 8))
"""100 of 720 voxels."""
FULL_RANGE = 32767


def volume(inside: object, outside: float = 0, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[np.generic]:
    data = np.full(SHAPE, outside, dtype)
    data[BRAIN] = inside
    return data


def ramp(low: float, high: float) -> npt.NDArray[np.float64]:
    """[4, 5, 5]: 100 values from low to high, both included."""
    return np.linspace(low, high, 100).reshape(4, 5, 5)


def is_background(values: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    outside = np.ones(SHAPE, bool)
    outside[BRAIN] = False
    assert (values[outside] == 0).all()
    return values[BRAIN] == 0


def test_whole_numbers_are_kept_as_they_are_without_a_copy() -> None:
    data = volume(np.arange(1, 101).reshape(4, 5, 5), dtype=np.int16)
    stored = to_stored(data, 0, "T1w")
    assert (stored.scale, stored.notes) == (1.0, ())
    assert np.shares_memory(stored.values, data)


def test_what_is_within_half_a_step_of_0_is_0() -> None:
    """A slope of 0.024 and an intercept that puts the nearest stored number at -0.012: exactly half a step."""
    stored = to_stored(volume(ramp(0.012 + 0.024, 700), -0.012), 0.024, "T1w")
    assert not is_background(stored.values).any()
    assert stored.notes == ()
    assert stored.scale == pytest.approx(700 / FULL_RANGE)


def test_beyond_half_a_step_nothing_is_0() -> None:
    data = volume(ramp(5, 700))
    data[2, 2, 3] = -0.02
    stored = to_stored(data, 0.024, "T1w")
    assert stored.values[2, 2, 3] == round(-0.02 / (700 / FULL_RANGE)) == -1


@pytest.mark.parametrize("outside", [-1.2345, 3.5, -40.0])
def test_a_constant_that_fills_the_border_is_background(outside: float) -> None:
    """As of z-scores; -40 lies beyond all of the brain, and does not take its steps."""
    stored = to_stored(volume(ramp(-1.2, 3.1), outside), 0, "T1gd")
    assert not is_background(stored.values).any()
    assert stored.scale == pytest.approx(3.1 / FULL_RANGE)
    assert np.abs(stored.values[BRAIN] * stored.scale - ramp(-1.2, 3.1)).max() <= stored.scale * 0.51
    assert stored.notes == (f"a constant other than 0 fills the border, it counts as background: T1gd {outside:g}",)


def test_a_constant_of_whole_numbers_is_background_too() -> None:
    inside = np.arange(-30, 70).reshape(4, 5, 5)
    stored = to_stored(volume(inside, -1024, np.int16), 0, "FLAIR")
    is_background(stored.values)
    assert (stored.values[BRAIN] == inside).all()
    assert stored.scale == 1.0
    assert stored.notes == ("a constant other than 0 fills the border, it counts as background: FLAIR -1024",)


def test_a_brain_may_reach_through_a_face() -> None:
    """All of one face but its corners: of 484 voxels on the faces, edges counted with both, 368 stay the constant."""
    data = volume(ramp(-1, 3), -2.5)
    data[0, 0, 1:-1] = data[0, -1, 1:-1] = data[0, 1:-1] = 1.5
    stored = to_stored(data, 0, "T1w")
    assert (stored.values[1, 0] == 0).all()
    assert (stored.values[0, 1:-1] != 0).all()


def test_noise_at_the_border_is_no_background() -> None:
    data = np.random.default_rng(0).normal(5, 1, SHAPE).astype(np.float32)
    stored = to_stored(data, 0, "T1w")
    assert (stored.values != 0).all()
    assert stored.notes == ()


def test_a_zero_in_a_corner_is_the_background() -> None:
    """A constant frame around a brain on 0 is written by no tool; 0 stays what it was."""
    data = volume(ramp(1, 50), 7)
    data[0, 0, 0] = 0
    assert (to_stored(data, 0, "T1w").values == 0).sum() == 1


def test_one_value_everywhere_is_not_all_background() -> None:
    assert (to_stored(np.full(SHAPE, 7, np.int16), 0, "T1w").values == 7).all()


def test_a_few_extreme_voxels_leave_the_others_their_contrast() -> None:
    """Two of 10,000 voxels are 1,000 times too bright. The 99th percentile of 1 to 1,000 in even steps is
    990 and a little; 8 times it makes steps of 0.24, where the largest made steps of 61."""
    data = np.zeros((20, 25, 42), np.float32)
    data[:, :, 1:21] = np.linspace(1, 1000, 10_000).reshape(20, 25, 20) + 0.25
    data[3, 3, 3], data[4, 4, 4] = 1e6, -2e6
    stored = to_stored(data, 0, "T1gd")
    assert stored.scale == pytest.approx(8 * 990.26 / FULL_RANGE, rel=1e-3)
    normal = (data > 0) & (data < 2000)
    assert np.abs(stored.values * stored.scale - data)[normal].max() <= 0.51 * stored.scale
    assert (stored.values[3, 3, 3], stored.values[4, 4, 4]) == (FULL_RANGE, -FULL_RANGE)
    (told,) = stored.notes
    assert told.startswith("extreme values were cut to 8 times the 99th percentile: T1gd 2 voxels beyond 792")
    assert told.endswith(", up to 2e+06")


def test_large_whole_numbers_keep_their_contrast_too() -> None:
    data = np.tile(volume(ramp(100, 2000), dtype=np.int32), (4, 4, 4))
    data[2, 2, 3] = 2_000_000_000
    stored = to_stored(data, 0, "T1w")
    assert stored.scale < 1
    assert stored.notes


def test_no_value_is_cut_that_is_within_the_usual() -> None:
    """The largest is 7 times the 99th percentile."""
    data = volume(ramp(1.5, 100.5))
    data[2, 2, 3] = 700
    stored = to_stored(data, 0, "T1w")
    assert stored.values.max() == FULL_RANGE
    assert stored.scale == pytest.approx(700 / FULL_RANGE)
    assert stored.notes == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (volume(1e-35), "is empty: no value beyond 1e-35"),
    ],
)
def test_what_has_no_signal_is_refused(data: npt.NDArray[np.generic], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        to_stored(data, 0, "T1w")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_0_and_does_not_move_the_rest(value: float) -> None:
    data = volume(ramp(1.5, 100.5))
    odd = np.where(data == 0, np.float32(value), data)
    odd[0, 0, 0] = 0
    stored, plain = to_stored(odd, 0, "T1w"), to_stored(data, 0, "T1w")
    assert (stored.values == plain.values).all()
    assert stored.scale == plain.scale
    assert stored.unknown is not None
    assert stored.unknown.sum() == (data == 0).sum() - 1
    assert plain.unknown is None


@given(
    inside=arrays(np.float32, (4, 5, 5), elements=st.floats(0.5, 1e4, width=32)),
    sign=st.sampled_from([-1, 1]),
    outside=st.sampled_from([0, 0.1, -0.1, 0.25, -3e4, 1e7]),
    step=st.sampled_from([0.0, 0.25]),
)
def test_any_brain_comes_back_within_half_a_stored_step(
    inside: npt.NDArray[np.float32], sign: int, outside: float, step: float
) -> None:
    """Whatever lies outside of it, unless it is cut; and what lies outside is 0."""
    inside = inside * np.float32(sign)
    stored = to_stored(volume(inside, outside), step, "T1w")
    is_background(stored.values)
    limit = stored.scale * FULL_RANGE
    told = [line.partition(": ")[0] for line in stored.notes]
    assert (BORDER_CONSTANT in told) == (abs(outside) > 0.125 if step else outside != 0)
    assert (EXTREMES in told) == bool(stored.scale < 1 and np.abs(inside).max() > limit * 1.0001)
    error = np.abs(stored.values[BRAIN] * stored.scale - np.clip(inside, -limit, limit))
    assert error.max() <= 0.51 * stored.scale + 1e-6 * limit
