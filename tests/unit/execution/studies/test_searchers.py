"""Tune's search algorithms by name: which run, what their options are called, and what their suggestions become."""

import json
import math
import random
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.search import SEARCH_ALG_IMPORT
from ray.tune.search.optuna import OptunaSearch

from app.errors import UsageError
from app.execution.studies import searchers
from app.execution.studies.searchers import ALIASES, SEARCHERS, _domain, _value, check_search, make_searcher, values_of
from app.planning.search import study_of
from app.search_space import Choice, Normal, Range, Search, Values, applicable

DOCS = Path(__file__).parents[4] / "docs" / "schedulers-and-searches.md"
RATE = "optimizer.learning_rate"
PARAMETERS: dict[str, Choice] = {
    RATE: Range(1e-4, 1.0, log=True),
    "task.share": Range(0.0, 1.0),
    "task.step": Range(0.0, 1.0, step=0.25),
    "batch_size": Range(4, 16, step=4, integer=True),
    "task.depth": Range(1, 64, log=True, integer=True, when={"task.net": ("deep",)}),
    "task.shift": Normal(2, 0.5),
    "task.net": ("flat", "deep"),
    "task.filters": Values(([8, 16], None, "auto"), {"task.net": ("flat",)}),
}
NAMES = tuple(f"{n:03d}" for n in range(40))


def documented() -> dict[str, str]:
    """Names of the table of the docs, and what it says of them."""
    text = DOCS.read_text().split("## Searches\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| (runs|refused) \|", text, re.M)
    return {name: says for names, says in rows for name in re.findall(r"`([^`]+)`", names)}


def search(**changes: Any) -> Search:
    return Search(**{"algorithm": "optuna", "parameters": PARAMETERS, "trials": NAMES, **changes})


def drive(rule: Search, seed: int, num_trials: int = 40, failing_from: float = math.inf) -> list[dict[str, Any]]:
    """Best at a rate of 1e-2; a rate of `failing_from` and more fails, and is told as a low number."""
    made, found = make_searcher(rule, seed), []
    for name in rule.trials[:num_trials]:
        suggestion = made.suggest(name)
        assert isinstance(suggestion, dict)
        values = values_of(rule, json.loads(json.dumps(suggestion)))
        found.append(values)
        distance = abs(math.log10(values[RATE]) + 2)
        score = -distance if values[RATE] < failing_from else -1e3
        made.on_trial_complete(name, {"score": score, "training_iteration": 1})
    return found


def test_every_name_of_tune_is_in_the_table_and_in_the_docs() -> None:
    assert set(SEARCHERS) == set(SEARCH_ALG_IMPORT)
    says = {name: "runs" if reason is None else "refused" for name, reason in SEARCHERS.items()}
    assert documented() == {**says, **dict.fromkeys(ALIASES, "runs")}
    assert set(searchers.PACKAGES) == {name for name, word in says.items() if word == "runs"} - {"random"}
    for _, package in searchers.PACKAGES.values():
        assert "optuna" in package or f"pip install {searchers.shlex.quote(package)}" in DOCS.read_text()


def test_the_example_of_the_docs_is_a_study_that_can_be_searched() -> None:
    scheduler, widening, example = re.findall(r"^```\n(.*?)^```", DOCS.read_text(), re.M | re.S)
    study, wide = (study_of(json.loads(f'{{"name": "s", {some}, {example}}}')) for some in (scheduler, widening))
    assert study.scheduler is not None and wide.scheduler == replace(study.scheduler, widen=True)
    check_search(study.search)
    assert study.search is not None and study.search.options == {"n_startup_trials": 5}


def test_optuna_is_tunes_and_gives_the_same_values_for_the_same_seed() -> None:
    assert isinstance(make_searcher(search(), 0), OptunaSearch)
    first = drive(search(), 3, 15)
    assert drive(search(), 3, 15) == first != drive(search(), 4, 15)


def test_values_are_those_of_the_parameters() -> None:
    found = drive(search(options={"n_startup_trials": 40}), 1)
    for values in found:
        for path, choice in PARAMETERS.items():
            if isinstance(choice, Range):
                assert choice.holds(values[path]), (path, values[path])
        assert type(values["batch_size"]) is type(values["task.depth"]) is int and 0 <= values["task.shift"] <= 4
        kept = applicable(PARAMETERS, values)
        assert ("task.depth" in kept) == (values["task.net"] == "deep") == ("task.filters" not in kept)
    assert {v["batch_size"] for v in found} == {4, 8, 12, 16} and {v["task.step"] for v in found} >= {0.0, 0.5, 1.0}
    assert {json.dumps(v["task.filters"]) for v in found} == {"[8, 16]", "null", '"auto"'}
    low = sum(values[RATE] < 1e-2 for values in found)
    assert 12 <= low <= 28, "half of them, as the logarithm is even"
    mean = sum(values["task.shift"] for values in found) / 40
    assert abs(mean - 2) < 0.25, "three deviations of a mean of 40"


def test_it_learns_from_the_trials_before_and_stays_away_from_those_that_failed() -> None:
    def distance(rule: Search) -> float:
        last = [v for seed in range(3) for v in drive(rule, seed)[20:]]
        return sum(abs(math.log10(v[RATE]) + 2) for v in last) / len(last)

    assert distance(search()) < 0.6 * distance(search(options={"n_startup_trials": 40})), "drawn alone: 1 on average"
    failing = [v[RATE] for seed in range(3) for v in drive(search(), seed, failing_from=1e-2)[20:]]
    assert sum(rate >= 1e-2 for rate in failing) < 0.4 * len(failing), "half of them, drawn alone"


def test_an_earlier_starts_trials_are_told_and_not_begun_with_again() -> None:
    rule = search(options={"n_startup_trials": 5})
    made: Any = make_searcher(rule, searchers.seed_of(3, 0))
    before = [made.suggest(name) for name in NAMES[:3]]
    again: Any = make_searcher(rule, searchers.seed_of(3, 3))
    for suggestion in before:
        again.add_evaluated_point(suggestion, 0.5)
    assert len(again._ot_study.trials) == 3 and again.suggest("003") not in before
    assert make_searcher(rule, searchers.seed_of(3, 0)).suggest("000") == before[0], "as one seed alone would"


@pytest.mark.parametrize("name", [name for name, reason in SEARCHERS.items() if reason is not None])
def test_those_that_do_not_run_say_why(name: str) -> None:
    with pytest.raises(UsageError, match=rf"search\.algorithm {name} does not run here: "):
        check_search(search(algorithm=name))


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("hyperopt", "pip install hyperopt"),
        ("bayesopt", "pip install bayesian-optimization==1.4.3"),
        ("nevergrad", "pip install nevergrad"),
        ("hebo", "pip install 'HEBO>=0.2.0'"),
        ("optuna", "pip install 'optuna>=5'"),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(name: str, command: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(searchers.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(UsageError) as caught:
        check_search(search(algorithm=name))
    assert str(caught.value) == f"search.algorithm {name} needs a package that is missing: {command}"


@pytest.mark.parametrize("name", ["hyperopt", "bayesopt", "nevergrad", "hebo"])
def test_the_others_suggest_values_of_the_parameters(name: str) -> None:
    pytest.importorskip(searchers.PACKAGES[name][0])
    numbers = {path: choice for path, choice in PARAMETERS.items() if isinstance(choice, Range | Normal)}
    rule = search(algorithm=name, parameters={k: v for k, v in numbers.items() if k != "task.depth"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for values in drive(rule, 7, 12):
            assert all(not isinstance(c, Range) or c.holds(values[path]) for path, c in rule.parameters.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "optna"}, "search.algorithm: got 'optna'; did you mean 'optuna'?"),
        ({"algorithm": "random"}, "search.algorithm: random is listed before the study runs"),
        ({"options": {"n_startup": 3}}, "unknown option 'n_startup': did you mean 'n_startup_trials'?"),
        ({"options": {"seed": 3}}, "search: unknown option 'seed'"),
        ({"options": {"gamma": 3}}, "search: unknown option 'gamma'"),
    ],
)
def test_wrong_names_and_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_search(search(**changes))
    assert message in str(caught.value)


def test_bayesopt_knows_numbers_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(searchers.importlib.util, "find_spec", lambda module: module)
    with pytest.raises(UsageError, match=r"bayesopt: task\.net is a list, and it knows numbers only; use optuna"):
        check_search(search(algorithm="bayesopt"))


@given(st.sampled_from(list(PARAMETERS)), st.booleans(), st.integers(0, 10**6))
def test_all_that_a_library_may_suggest_is_a_value(path: str, whole: bool, seed: int) -> None:
    choice = PARAMETERS[path]
    random.seed(seed)
    domain = _domain(choice, whole)
    ends = (
        [domain.lower, domain.upper - (whole and type(domain).__name__ == "Integer")]
        if hasattr(domain, "lower")
        else []
    )
    drawn = [domain.sample(random_state=seed), *ends]
    for value in (_value(choice, suggested) for suggested in drawn):
        if isinstance(choice, Range):
            assert choice.holds(value)
        elif isinstance(choice, Normal):
            assert 0 <= value <= 4
        else:
            assert value in (choice.values if isinstance(choice, Values) else choice)


def test_the_ends_of_a_range_can_be_suggested() -> None:
    for choice in (Range(4, 16, step=4, integer=True), Range(0.0, 1.0, step=0.25), Range(1, 8, log=True, integer=True)):
        domain = _domain(choice, whole=True)
        found = {_value(choice, domain.sample(random_state=seed)) for seed in range(300)}
        assert min(found) == choice.low and max(found) == choice.high
