"""A search becomes ordinary experiments, the same ones each time."""

import math
from typing import Any

import pytest

from app.planning.search import study_of

BASE = {"workload": "w", "batch_size": 4}


def file(**search: Any) -> dict[str, Any]:
    return {"name": "s", "seed": 5, "search": {"base": BASE, **search}}


def test_a_grid_is_every_combination() -> None:
    study = study_of(
        file(parameters={"optimizer.learning_rate": [0.1, 0.001], "task.loss": ["dice", "bce"], "epochs": [3]})
    )
    assert [e.name for e in study.experiments] == [
        "learning_rate=0.1+loss=dice+epochs=3",
        "learning_rate=0.1+loss=bce+epochs=3",
        "learning_rate=0.001+loss=dice+epochs=3",
        "learning_rate=0.001+loss=bce+epochs=3",
    ]
    last = study.experiments[-1]
    assert (last.optimizer.learning_rate, last.task, last.epochs, last.batch_size) == (0.001, {"loss": "bce"}, 3, 4)


def test_draws_are_in_range_even_in_their_logarithm_and_the_same_each_time() -> None:
    values = file(
        method="random",
        num_trials=400,
        parameters={"optimizer.learning_rate": {"low": 1e-4, "high": 1.0, "log": True}, "seed": [1, 2]},
    )
    study = study_of(values)
    rates = [e.optimizer.learning_rate for e in study.experiments]
    assert len(rates) == 400 and study == study_of(values) and len(set(rates)) == 400
    assert min(rates) >= 1e-4 and max(rates) <= 1.0
    assert abs(sum(math.log10(rate) for rate in rates) / 400 + 2) < 0.2, "the middle of 1e-4 and 1 is 1e-2"
    assert {e.seed for e in study.experiments} == {1, 2}


def test_listed_experiments_stay_beside_the_search() -> None:
    values = file(parameters={"seed": [1, 2]}, prefix="more-")
    study = study_of({**values, "experiments": [{"name": "first", "workload": "w"}]})
    assert [e.name for e in study.experiments] == ["first", "more-seed=1", "more-seed=2"]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"parameters": {}}, "search: parameters: got none"),
        ({"parameters": {"epochs": []}}, "epochs: got no values"),
        ({"parameters": {"x": {"low": 0, "high": 1}}}, "x: a grid takes values, not a range"),
        ({"parameters": {"x": {"low": 2, "high": 1}}, "method": "random", "num_trials": 1}, "low below high"),
        ({"parameters": {"x": [1]}, "method": "random"}, "num_trials: got None, wanted 1 or more"),
        ({"parameters": {"x": [1]}, "num_trials": 3}, "num_trials: got 3"),
        ({"parameters": {"epoch": [1]}}, "unknown key 'epoch': did you mean 'epochs'?"),
        ({"parameters": {"batch_size.x": [1]}}, "batch_size: got 4, wanted a mapping that has x"),
        ({"parameters": {"x": [1]}, "methods": "grid"}, "unknown key 'search.methods'"),
    ],
)
def test_wrong_searches_are_refused(search: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        study_of(file(**search))
    assert message in str(caught.value)
