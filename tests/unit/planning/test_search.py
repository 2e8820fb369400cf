"""A search becomes ordinary experiments, the same ones each time."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from app.experiment import Study
from app.planning.plan import plan_of_strategy
from app.planning.search import study_of
from app.search_space import Range, Tuning

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


def test_tpe_leaves_the_values_open_until_a_trial_begins() -> None:
    rates = {"low": 1e-4, "high": 1.0, "log": True}
    parameters = {"optimizer.learning_rate": rates, "batch_size": [4, 8]}
    values = file(method="tpe", num_trials=3, num_random=2, prefix="t", parameters=parameters)
    study = study_of({**values, "experiments": [{"name": "first", "workload": "w", "batch_size": 3}]})
    assert [e.name for e in study.experiments] == ["first", "t000", "t001", "t002"]
    choices = {"optimizer.learning_rate": Range(1e-4, 1.0, log=True), "batch_size": (4, 8)}
    assert study.tuning == Tuning(choices, ("t000", "t001", "t002"), num_random=2)
    assert Study.from_dict(json.loads(json.dumps(study.to_dict()))) == study
    found = study.variants()
    assert [(v.name, v.optimizer.learning_rate, v.batch_size) for v in found["t001"]] == [
        *(("t001", 1e-4, 4), ("t001", 1.0, 4)),
        *(("t001", 1e-3, 4), ("t001", 1e-3, 8)),
    ]
    assert found["first"] == [study.experiments[0]]
    others = replace(study, experiments=study.experiments[1:])
    assert plan_of_strategy(others, "data-parallel", 4).num_workers == 4
    with pytest.raises(ValueError, match="t000: 8 workers do not divide the global batch of 4 samples"):
        plan_of_strategy(others, "data-parallel", 8)
    with pytest.raises(ValueError, match="tuning: a search with method tpe makes it"):
        study_of({**values, "tuning": study.to_dict()["tuning"]})
    with pytest.raises(ValueError, match=r"tuning.trials: got \['a'\], wanted experiments of the study"):
        replace(study, tuning=Tuning(choices, ("a",)))


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"parameters": {}}, "search: parameters: got none"),
        ({"parameters": {"epochs": []}}, "epochs: got no values"),
        ({"parameters": {"x": {"low": 0, "high": 1}}}, "x: a grid takes values, not a range"),
        ({"parameters": {"x": {"low": 2, "high": 1}}, "method": "random", "num_trials": 1}, "low below high"),
        ({"parameters": {"x": [1]}, "method": "random"}, "num_trials: got None, wanted 1 or more"),
        ({"parameters": {"x": [1]}, "num_trials": 3}, "num_trials: got 3"),
        ({"parameters": {"x": [1]}, "method": "tpe"}, "num_trials: got None, wanted 1 or more"),
        ({"parameters": {"x": [1]}, "num_random": 3}, "num_random: got 3 with method grid, wanted it with tpe alone"),
        ({"parameters": {"seed": [1]}, "method": "tpe", "num_trials": 1, "num_random": 0}, "num_random: got 0"),
        (
            {"parameters": {"epochs": {"low": 1, "high": 2}}, "method": "tpe", "num_trials": 1},
            "epochs: got 1.0 (float)",
        ),
        ({"parameters": {"epoch": [1]}, "method": "tpe", "num_trials": 1}, "unknown key 'epoch': did you mean"),
        ({"parameters": {"store": ["a"]}, "method": "tpe", "num_trials": 1}, "store: tpe can not choose it"),
        ({"parameters": {"epoch": [1]}}, "unknown key 'epoch': did you mean 'epochs'?"),
        ({"parameters": {"batch_size.x": [1]}}, "batch_size: got 4, wanted a mapping that has x"),
        ({"parameters": {"x": [1]}, "methods": "grid"}, "unknown key 'search.methods'"),
    ],
)
def test_wrong_searches_are_refused(search: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        study_of(file(**search))
    assert message in str(caught.value)
