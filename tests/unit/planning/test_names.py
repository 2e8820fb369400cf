"""Names of a search's trials: readable, of their own on any disk, short enough, and the same each time."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.configuration import to_dict
from app.experiment import Experiment
from app.planning.names import names_of


def test_a_name_says_what_sets_the_trial_apart() -> None:
    chosen = [
        {"optimizer.learning_rate": 0.01, "task.loss": "dice"},
        {"optimizer.learning_rate": 1e-5, "task.loss": "b"},
    ]
    assert names_of(chosen, "s-") == ["s-learning_rate=0.01+loss=dice", "s-learning_rate=1e-05+loss=b"]
    assert names_of(chosen, "s-", numbered=True)[1] == "s-001+learning_rate=1e-05+loss=b"


def test_as_many_digits_are_shown_as_tell_values_apart() -> None:
    assert names_of([{"a.x": 0.123456}, {"a.x": 0.5}]) == ["x=0.1235", "x=0.5"]
    assert names_of([{"a.x": 0.123456}, {"a.x": 0.123457}]) == ["x=0.123456", "x=0.123457"]
    neighbours = [{"a.x": 0.1}, {"a.x": 0.1 + 2**-54}]
    assert names_of(neighbours) == ["x=0.1", "x=0.1000000000000001"]


def test_paths_with_one_end_are_told_apart() -> None:
    assert names_of([{"optimizer.name": "adam", "schedule.name": "poly", "seed": 1}]) == [
        "optimizer.name=adam+schedule.name=poly+seed=1"
    ]


def test_names_that_differ_in_case_or_in_signs_alone_get_a_digest() -> None:
    upper, lower, other = names_of([{"task.m": "Net"}, {"task.m": "net"}, {"task.m": "other"}])
    assert upper.lower() != lower.lower() and upper.startswith("m=Net-") and lower.startswith("m=net-")
    assert other == "m=other" and len(upper) == len("m=Net-") + 12
    assert names_of([{"task.m": "net"}, {"task.m": "Net"}])[1] == upper, "whatever their order"
    slash, space = names_of([{"task.m": "a/b"}, {"task.m": "a b"}])
    assert slash != space and slash.startswith("m=a_b-")
    assert len(set(names_of([{"a": True}, {"a": 1}, {"a": "True"}, {"a": "1"}, {"a": None}]))) == 5


def test_long_names_are_cut_and_stay_their_own() -> None:
    chosen = [{f"task.parameter_{n}": 0.25 + n + (n == 29) * i for n in range(30)} for i in range(3)]
    found = names_of(chosen, numbered=True)
    assert [len(name) for name in found] == [120] * 3 and len(set(found)) == 3
    assert found[2].startswith("002+parameter_0=0.25+parameter_1=1.25+") and found == names_of(chosen, numbered=True)


texts = st.text(max_size=60) | st.sampled_from(["a", "A", "a_", "a b"])
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.lists(st.integers(0, 9))
paths = st.sampled_from(["a.x", "b.x", "x", "y", "c.d.y", "long." + "z" * 50])


@given(st.lists(st.dictionaries(paths, values, min_size=1, max_size=6), min_size=1, max_size=8), st.booleans())
def test_names_are_names_of_experiments_and_no_two_are_alike(chosen: list[dict[str, Any]], numbered: bool) -> None:
    distinct = {json.dumps(to_dict(settings), sort_keys=True): settings for settings in chosen}
    settings = chosen if numbered else list(distinct.values())
    found = names_of(settings, numbered=numbered)
    assert len({name.lower() for name in found}) == len(settings)
    assert all(len(name.encode()) <= 120 and Experiment(name=name, workload="w") for name in found)
