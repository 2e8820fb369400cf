"""Ranges, normal draws and conditions: what is drawn is what was asked for, and every condition can be met."""

import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.configuration import from_dict, to_dict
from app.search_space import Choice, Normal, Range, Values, applicable, check_choices, draw, extremes, parents_first


@dataclass(frozen=True)
class Holder:
    x: Choice


chances = st.integers(0, 10**6).map(random.Random)


@st.composite
def ranges(some: st.DrawFn) -> Range:
    log, integer = some(st.booleans()), some(st.booleans())
    first = some(st.integers(1 if log else -40, 40))
    last = some(st.integers(first + 1, first + 60))
    step = some(st.sampled_from([1, 2, 7] if integer else [0.1, 0.25, 3, 0.001]))
    low, high = (n * step if integer else float(f"{n * step:.12g}") for n in (first, last))  # as a file has them
    return Range(low, high, log, step, integer)


@given(ranges(), chances)
def test_draws_are_multiples_of_the_step_within_the_range(choice: Range, chance: random.Random) -> None:
    assert choice.step is not None
    for _ in range(20):
        value = choice.draw(chance)
        assert choice.low - 1e-9 <= value <= choice.high + 1e-9 and choice.holds(value)
        assert abs(value / choice.step - round(value / choice.step)) < 1e-6
        assert type(value) is (int if choice.integer else float)
        assert len(f"{value}") <= 14, "0.3 and not 0.30000000000000004"


@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e3), st.booleans(), chances)
def test_plain_draws_are_within_the_range(low: float, times: float, log: bool, chance: random.Random) -> None:
    value = Range(low, low * times, log).draw(chance)
    assert low <= value <= low * times and isinstance(value, float)


def test_whole_numbers_come_alike_often_and_in_the_logarithm_by_their_share() -> None:
    chance = random.Random(0)
    counts = Counter(Range(2, 5, integer=True).draw(chance) for _ in range(8000))
    assert set(counts) == {2, 3, 4, 5} and all(1850 < count < 2150 for count in counts.values())
    choice = Range(1, 8, log=True, integer=True)
    counts = Counter(choice.draw(chance) for _ in range(8000))
    assert set(counts) == set(range(1, 9))
    for value in counts:  # the share of log(value - 1/2) to log(value + 1/2) in log(1/2) to log(17/2)
        assert abs(counts[value] / 8000 - math.log((value + 0.5) / (value - 0.5)) / math.log(17)) < 0.02


def test_a_range_that_is_not_of_whole_numbers_draws_numbers_even_between_whole_ends() -> None:
    assert all(isinstance(value, float) for value in (Range(1, 8).draw(random.Random(0)), *_ends(Range(1, 8))))


def test_normal_draws_have_their_mean_and_deviation_and_end_at_four_of_it() -> None:
    chance = random.Random(0)
    found = [Normal(3, 0.5).draw(chance) for _ in range(4000)]
    mean = sum(found) / 4000
    assert abs(mean - 3) < 0.03 and abs(math.sqrt(sum((v - mean) ** 2 for v in found) / 4000) - 0.5) < 0.02
    assert Normal(3, 0.5).nearest(99) == 5.0 and Normal(0, 1, step=0.5).nearest(0.7) == 0.5


def _ends(choice: Choice) -> list[Any]:
    return [values["x"] for values in extremes({"x": choice})]


def test_extremes_are_the_ends_the_second_whole_number_and_all_that_is_listed() -> None:
    assert _ends(Range(0.0, 1.0)) == [0.0, 1.0]
    assert _ends(Range(4, 16, step=4, integer=True)) == [4, 8, 16]
    assert _ends(Normal(0, 1)) == [-4.0, 4.0]
    assert _ends(Values((1, "a"))) == [1, "a"]
    chain: dict[str, Choice] = {"a": (1, 2), "b": Values((3,), {"a": (2,)}), "c": Range(0.0, 1.0, when={"b": (3,)})}
    assert list(extremes(chain)) == [
        *({"a": 1}, {"a": 2}, {"a": 2, "b": 3}),
        *({"a": 2, "b": 3, "c": 0.0}, {"a": 2, "b": 3, "c": 1.0}),
    ]


def test_a_parameter_applies_where_those_that_it_depends_on_apply_and_have_the_value() -> None:
    chain: dict[str, Choice] = {
        "depth": Range(1, 3, integer=True, when={"net": ("deep",), "on": (True,)}),
        "width": Values((8, 16), {"depth": (2, 3)}),
        "net": ("flat", "deep"),
        "on": (True, False),
    }
    assert parents_first(chain) == ["net", "on", "depth", "width"]
    values = {"depth": 2, "width": 8, "net": "deep", "on": True}
    assert applicable(chain, values) == values and [*applicable(chain, values)] == [*chain]
    assert applicable(chain, {**values, "depth": 1}) == {"depth": 1, "net": "deep", "on": True}
    assert applicable(chain, {**values, "on": False}) == {"net": "deep", "on": False}
    assert applicable(chain, {**values, "net": "flat"}) == {"net": "flat", "on": True}
    lists: dict[str, Choice] = {"a": ((1, 2), (3,)), "b": Values((0,), {"a": ([1, 2],)})}
    assert applicable(lists, {"a": [1, 2], "b": 0}) == {"a": [1, 2], "b": 0}, "a list of a file is a tuple here"


@given(st.lists(st.integers(0, 9), min_size=2, max_size=8), chances)
def test_what_applies_is_closed_and_all_else_has_a_reason(numbers: list[int], chance: random.Random) -> None:
    parameters: dict[str, Choice] = {"p0": (0, 1)}
    for i, number in enumerate(numbers, start=1):
        parameters[f"p{i}"] = Values((0, 1), {f"p{number % i}": (number % 2,)}) if number < 7 else (0, 1)
    shuffled = dict(chance.sample(list(parameters.items()), len(parameters)))
    check_choices(shuffled)
    values = {path: draw(choice, chance) for path, choice in shuffled.items()}
    found = applicable(shuffled, values)
    for path, choice in shuffled.items():
        conditions = {} if isinstance(choice, tuple) else choice.when  # type: ignore[union-attr]
        assert (path in found) == all(found.get(parent) in allowed for parent, allowed in conditions.items())


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"a": (1,), "b": Values((1,), {"c": (1,)})},
            "b: when: 'c' is not a parameter of this search; it has ['a', 'b']",
        ),
        ({"a": (1, 2), "b": Values((1,), {"a": (3,)})}, "b: when: a is never 3; it is one of [1, 2]"),
        ({"a": (1, 2), "b": Values((1,), {"a": (True,)})}, "b: when: a is never True"),
        ({"a": (1, 2), "b": Values((1,), {"a": ()})}, "b: when: a: got no values"),
        ({"a": Range(1, 4, integer=True), "b": Values((1,), {"a": (5,)})}, "b: when: a is never 5"),
        ({"a": Range(0, 1), "b": Values((1,), {"a": (1,)})}, "expected listed or whole values"),
        ({"a": Values((1,), {"b": (1,)}), "b": Values((1,), {"a": (1,)})}, "goes in a circle: ['a', 'b']"),
        ({"a": Values((1,), {"a": (1,)})}, "goes in a circle"),
        ({"a": Values(())}, "a: got no values"),
    ],
)
def test_conditions_that_can_not_be_met_are_refused(choices: dict[str, Choice], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_choices(choices)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"low": 1.5, "high": 4, "integer": True}, "expected whole numbers as it is integer"),
        ({"low": 0, "high": 4, "step": 0.5, "integer": True}, "expected whole numbers"),
        ({"low": 1, "high": 4, "step": 2}, "step: got 2 from 1 to 4, expected both multiples of it"),
        ({"low": 0, "high": 4, "step": 0}, "step: got 0"),
        ({"low": 0, "high": 4, "log": True}, "above 0 where log"),
        ({"low": 0, "high": math.inf}, "expected low below high"),
        ({"low": 0, "hihg": 1}, "unknown key 'x.hihg': did you mean 'high'?"),
        ({"mean": 0, "sd": 0}, "expected numbers, and sd above 0"),
        ({"mean": 0, "sd": 1, "step": -1}, "normal: step: got -1"),
        ({"values": [1], "if": {}}, "unknown key 'x.if'"),
    ],
)
def test_wrong_ranges_are_refused_by_the_one_they_are_nearest_to(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_dict(Holder, {"x": values})
    assert message in str(caught.value) and "; or" not in str(caught.value)


def test_they_survive_json() -> None:
    for choice in (Range(1, 8, True, 1, True, {"a": (1,)}), Normal(0, 1.5, 0.5), Values((1, None)), (1, "a")):
        assert from_dict(Holder, to_dict(Holder(choice))) == Holder(choice)
