"""A search becomes ordinary experiments, the same ones each time."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from app.errors import UsageError
from app.experiment import Study
from app.planning.plan import plan_of_strategy
from app.planning.search import Request, study_of
from app.scheduling import Scheduler
from app.search_space import Range, Search

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
        algorithm="random",
        num_trials=400,
        parameters={"optimizer.learning_rate": {"low": 1e-4, "high": 1.0, "log": True}, "seed": [1, 2]},
    )
    study = study_of(values)
    rates = [e.optimizer.learning_rate for e in study.experiments]
    assert len(rates) == 400 and study == study_of(values) and len(set(rates)) == 400
    assert min(rates) >= 1e-4 and max(rates) <= 1.0
    assert abs(sum(math.log10(rate) for rate in rates) / 400 + 2) < 0.2, "the middle of 1e-4 and 1 is 1e-2"
    assert {e.seed for e in study.experiments} == {1, 2}
    first, second = (study_of({**values, "seed": seed}).experiments for seed in (0, 1))
    assert study_of({key: value for key, value in values.items() if key != "seed"}).experiments == first != second


def test_listed_experiments_stay_beside_the_search() -> None:
    values = file(parameters={"seed": [1, 2]}, prefix="more-")
    study = study_of({**values, "experiments": [{"name": "first", "workload": "w"}]})
    assert [e.name for e in study.experiments] == ["first", "more-seed=1", "more-seed=2"]


def test_a_search_leaves_the_values_open_until_a_trial_begins() -> None:
    rates = {"low": 1e-4, "high": 1.0, "log": True}
    parameters = {"optimizer.learning_rate": rates, "batch_size": [4, 8]}
    values = file(algorithm="optuna", num_trials=3, n_startup_trials=2, prefix="t", parameters=parameters)
    study = study_of({**values, "experiments": [{"name": "first", "workload": "w", "batch_size": 3}]})
    assert [e.name for e in study.experiments] == ["first", "t000", "t001", "t002"]
    choices = {"optimizer.learning_rate": Range(1e-4, 1.0, log=True), "batch_size": (4, 8)}
    assert study.search == Search("optuna", choices, ("t000", "t001", "t002"), {"n_startup_trials": 2})
    plain = json.loads(json.dumps(study.to_dict()))
    assert Study.from_dict(plain) == study == study_of(plain), "a run's study.json is a study file too"
    found = study.variants()
    assert [(v.name, v.optimizer.learning_rate, v.batch_size) for v in found["t001"]] == [
        *(("t001", 1e-4, 4), ("t001", 1.0, 4)),
        *(("t001", 1e-3, 4), ("t001", 1e-3, 8)),
    ]
    assert found["first"] == [study.experiments[0]]
    with pytest.raises(ValueError, match=r"search.trials: got \['a'\], expected experiments of the study"):
        replace(study, search=Search("optuna", choices, ("a",)))


def test_a_plan_divides_every_batch_that_may_come() -> None:
    sizes = {"batch_size": {"low": 4, "high": 16, "step": 4, "integer": True}}
    study = study_of(file(algorithm="optuna", num_trials=2, parameters=sizes))
    assert plan_of_strategy(study, "data-parallel", 4).num_workers == 4
    with pytest.raises(ValueError, match="000: batch size 4 is not divisible by 8 workers"):
        plan_of_strategy(study, "data-parallel", 8)
    any_size = study_of(
        file(algorithm="optuna", num_trials=2, parameters={"batch_size": {**sizes["batch_size"], "step": 1}})
    )
    with pytest.raises(ValueError, match="batch size 5 is not divisible by 4 workers"):
        plan_of_strategy(any_size, "data-parallel", 4)


def test_whole_numbers_are_searched_as_such() -> None:
    whole = {"epochs": {"low": 1, "high": 9, "log": True, "integer": True}}
    study = study_of(file(algorithm="random", num_trials=60, parameters=whole))
    assert {e.epochs for e in study.experiments} == set(range(1, 10))
    for algorithm in ("random", "optuna"):
        with pytest.raises(ValueError, match=r'expected int; a range of whole numbers says "integer": true'):
            study_of(file(algorithm=algorithm, num_trials=1, parameters={"epochs": {"low": 1, "high": 9}}))


CONDITIONAL = {
    "task.depth": {"values": [2, 3], "when": {"task.net": ["deep"]}},
    "task.net": ["flat", "deep"],
    "task.filters": {"values": [8, 16], "when": {"task.net": ["flat"]}},
}


def test_a_grid_has_the_combinations_that_differ() -> None:
    study = study_of(file(parameters=CONDITIONAL))
    assert [(e.name, e.task) for e in study.experiments] == [
        ("net=flat+filters=8", {"net": "flat", "filters": 8}),
        ("net=flat+filters=16", {"net": "flat", "filters": 16}),
        ("depth=2+net=deep", {"depth": 2, "net": "deep"}),
        ("depth=3+net=deep", {"depth": 3, "net": "deep"}),
    ]
    many: dict[str, Any] = {"task.net": ["a", "b"]}
    many |= {f"task.x{n}": {"values": [*range(9)], "when": {"task.net": ["b"]}} for n in range(3)}
    assert len(study_of(file(parameters=many)).experiments) == 1 + 9**3
    assert len(study_of(file(parameters={"seed": [1, 1, 2]})).experiments) == 2


def test_a_grid_names_the_first_range_and_searchers_take_ranges_whatever_their_name() -> None:
    ranges = {"optimizer.learning_rate": Range(0.1, 1.0), "optimizer.weight_decay": Range(0.1, 1.0)}
    with pytest.raises(ValueError, match=r"^optimizer\.learning_rate: a grid takes values"):
        Request({}, ranges)
    assert Request({}, ranges, algorithm="bayesopt", num_trials=2).num_trials == 2


def test_a_condition_changes_no_other_draw() -> None:
    rate = {"optimizer.learning_rate": {"low": 0.1, "high": 1.0}}
    free = {**CONDITIONAL, "task.depth": [2, 3], "task.filters": [8, 16], **rate}
    bound, unbound = (
        study_of(file(algorithm="random", num_trials=20, parameters=parameters)).experiments
        for parameters in ({**CONDITIONAL, **rate}, free)
    )
    assert [e.optimizer.learning_rate for e in bound] == [e.optimizer.learning_rate for e in unbound]
    for some, every in zip(bound, unbound, strict=True):
        left_out = {"depth"} if some.task["net"] == "flat" else {"filters"}
        assert some.task == {key: value for key, value in every.task.items() if key not in left_out}


def test_a_scheduler_has_its_options_beside_its_name() -> None:
    options = {"grace_period": 2, "reduction_factor": 3}
    study = study_of({**file(parameters={"seed": [1]}), "scheduler": {"name": "asha", **options}})
    assert study.scheduler is not None
    assert (study.scheduler.name, study.scheduler.options) == ("asha", options)
    assert Study.from_dict(json.loads(json.dumps(study.to_dict()))) == study
    with pytest.raises(ValueError, match=r"missing key 'scheduler\.name'"):
        study_of({**file(parameters={"seed": [1]}), "scheduler": {"grace_period": 2}})


@pytest.mark.parametrize(
    ("values", "now"),
    [
        ({"early_stopping": {"first_epochs": 1}}, '"scheduler": {"name": "asha", "grace_period"'),
        ({"population": {"interval_epochs": 1}}, '"scheduler": {"name": "pbt", "perturbation_interval"'),
        ({"tuning": {"trials": []}}, '"search": {"algorithm": "optuna"'),
        ({"search": {"method": "tpe"}}, '"tpe" is "optuna"'),
        ({"search": {"num_random": 3}}, '"n_startup_trials"'),
    ],
)
def test_keys_of_older_files_are_refused_with_what_says_the_same(values: dict[str, Any], now: str) -> None:
    with pytest.raises(ValueError, match=r"no longer have it; write ") as caught:
        study_of({"name": "s", "experiments": [{"name": "a", "workload": "w"}], **values})
    assert now in str(caught.value)


def test_a_folder_of_an_older_study_without_them_is_read() -> None:
    older = {"name": "s", "experiments": [{"name": "a", "workload": "w"}], "tuning": None, "population": None}
    assert Study.from_dict(older).search is None


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"parameters": {}}, "search: parameters: got none"),
        ({"parameters": {"epochs": []}}, "epochs: got no values"),
        ({"parameters": {"x": {"low": 0, "high": 1}}}, "x: a grid takes values, not a range"),
        ({"parameters": {"x": {"low": 2, "high": 1}}, "algorithm": "random", "num_trials": 1}, "low below high"),
        ({"parameters": {"x": [1]}, "algorithm": "random"}, "num_trials: got None, expected 1 or more"),
        ({"parameters": {"x": [1]}, "algorithm": "random", "num_trials": 0}, "num_trials: got 0, expected 1 or more"),
        ({"parameters": {"x": [1]}, "algorithm": "optuna", "num_trials": -1}, "num_trials: got -1, expected 1 or more"),
        ({"parameters": {"x": [1]}, "num_trials": 3}, "num_trials: got 3"),
        ({"parameters": {"x": [1]}, "algorithm": "optuna"}, "num_trials: got None, expected 1 or more"),
        ({"parameters": {"x": [1]}, "n_startup_trials": 3}, "unknown key 'search.n_startup_trials'"),
        ({"parameters": {"epoch": [1]}, "algorithm": "optuna", "num_trials": 1}, "unknown key 'epoch': did you mean"),
        ({"parameters": {"store": ["a"]}, "algorithm": "optuna", "num_trials": 1}, "store: a search cannot choose it"),
        ({"parameters": {"epoch": [1]}}, "unknown key 'epoch': did you mean 'epochs'?"),
        ({"parameters": {"batch_size.x": [1]}}, "batch_size: got 4, expected a mapping that has x"),
        ({"parameters": {"x": [1]}, "prefixes": "grid"}, "unknown key 'search.prefixes': did you mean 'prefix'?"),
        ({"parameters": {"task.a": {"values": [1], "when": {"task.b": [1]}}}}, "'task.b' is not a parameter"),
    ],
)
def test_wrong_searches_are_refused(search: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        study_of(file(**search))
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [None, "text", [1], 3])
def test_a_study_that_is_no_object_is_a_user_s_error(value: object) -> None:
    with pytest.raises(UsageError, match="expected names with values"):
        study_of(value)


CHOICE = {"seed": {"values": [1, 2]}}
THOUSANDS = {name: {"values": list(range(1, 1001))} for name in ("seed", "epochs", "batch_size")}


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"algorithm": "random", "num_trials": 10**12, "parameters": CHOICE}, "num_trials: got 1000"),
        ({"algorithm": "optuna", "num_trials": 10_001, "parameters": CHOICE}, "expected at most 10000"),
        ({"parameters": THOUSANDS}, "the grid has more than 10000 combinations"),
    ],
)
def test_a_search_that_nobody_can_wait_for_is_refused_at_once(search: dict[str, Any], told: str) -> None:
    """A million draws took a minute of silence, a grid of 10^9 all memory."""
    with pytest.raises(UsageError, match=told):
        study_of({"name": "s", "search": {"base": {"workload": "w"}, **search}})


def test_that_a_scheduler_widens_stands_beside_its_options() -> None:
    listed = {"name": "s", "experiments": [{"name": "a", "workload": "w"}]}
    made = study_of({**listed, "scheduler": {"name": "asha", "grace_period": 2, "widen": True}})
    assert made.scheduler == Scheduler("asha", {"grace_period": 2}, widen=True)
    assert study_of(made.to_dict()) == made


def test_ten_thousand_trials_are_allowed() -> None:
    assert Request({}, {"seed": (1, 2)}, algorithm="random", num_trials=10_000).num_trials == 10_000
