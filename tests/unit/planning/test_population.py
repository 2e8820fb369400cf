"""Who takes over from whom: the worst from the best, the same whatever the order, with options near the origin's."""

import random
from typing import Any

import pytest

from app.configuration import to_dict
from app.experiment import Experiment, OptimizerConfig, Study
from app.planning.population import Standing, decide, explored
from app.planning.search import study_of
from app.scheduling import Population, Scheduler
from app.search_space import Choice, Range, Search

RATE, DECAY = "optimizer.learning_rate", "optimizer.weight_decay"
RULE = Population(2, {RATE: Range(1e-4, 1.0), DECAY: (0.0, 1e-3, 1e-2)}, resample_probability=0.0)


def members(**scores: float | None) -> dict[str, Standing]:
    return {name: Standing(score, score, {RATE: 0.1, DECAY: 1e-3}) for name, score in scores.items()}


def test_the_worst_quarter_takes_over_from_the_best() -> None:
    eight = members(a=0.5, b=0.9, c=0.1, d=0.4, e=0.6, f=0.8, g=0.2, h=0.3)
    found = decide(RULE, 0, 2, eight)
    assert [(t.member, t.epoch, t.takes_best) for t in found] == [("g", 2, True), ("c", 2, True)]
    assert {t.origin for t in found} <= {"b", "f"}
    for takeover in found:
        assert takeover.values[RATE] in (0.1 * 0.8, 0.1 * 1.2) and takeover.values[DECAY] in (0.0, 1e-2)
    drawn = {(t.origin, t.values[RATE], t.values[DECAY]) for seed in range(50) for t in decide(RULE, seed, 2, eight)}
    assert len(drawn) == 2 * 2 * 2, "either origin, either factor, either neighbour"


def test_of_three_members_one_takes_over_and_never_both_gives_and_takes() -> None:
    half = Population(2, {RATE: Range(1e-4, 1.0)}, quantile_fraction=0.5, resample_probability=0.0)
    for seed in range(20):
        (found,) = decide(half, seed, 2, members(a=0.5, b=0.9, c=0.1))
        assert (found.member, found.origin) == ("c", "b")


def test_the_order_in_which_members_ended_has_no_say_and_the_round_has() -> None:
    scores = {"a": 0.5, "b": 0.9, "c": 0.1, "d": 0.4}
    turned = dict(reversed(scores.items()))
    assert decide(RULE, 7, 2, members(**scores)) == decide(RULE, 7, 2, members(**turned))
    values = {decide(RULE, 7, epoch, members(**scores))[0].values[RATE] for epoch in range(2, 40, 2)}
    assert len(values) == 2


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"a": 0.1, "b": 0.2}, [("a", "b")]),
        ({"a": 0.1, "b": 0.2, "c": 0.15}, [("a", "b")]),
        ({"a": 0.2, "b": 0.2}, []),
        ({"a": None, "b": 0.2}, [("a", "b")]),
        ({"a": 0.1, "b": float("nan")}, [("b", "a")]),
        ({"a": 0.1}, []),
        ({}, []),
    ],
)
def test_small_populations_ties_and_scores_that_are_none(
    scores: dict[str, float | None], expected: list[tuple[str, str]]
) -> None:
    assert [(t.member, t.origin) for t in decide(RULE, 0, 2, members(**scores))] == expected


def test_a_member_keeps_a_better_best() -> None:
    fallen = {"a": Standing(0.1, 0.95, {RATE: 1.0, DECAY: 0.0}), "b": Standing(0.9, 0.9, {RATE: 0.01, DECAY: 0.0})}
    (takeover,) = decide(RULE, 0, 2, fallen)
    assert (takeover.member, takeover.takes_best) == ("a", False)


@pytest.mark.parametrize(
    ("choice", "value", "expected"),
    [
        (Range(0.01, 1.0), 0.5, {0.4, 0.6}),
        (Range(0.01, 1.0), 1.0, {0.8, 1.0}),
        (Range(0.01, 1.0), 0.011, {0.01, 0.011 * 1.2}),
        (Range(1, 20, integer=True), 10, {8, 12}),
        (Range(1, 20, integer=True), 1, {1, 2}),
        (Range(0.0, 1.0, step=0.25), 0.5, {0.25, 0.5, 0.75} - {0.5}),
        ((1, 2, 3), 2, {1, 3}),
        ((1, 2, 3), 3, {2, 3}),
        ((1, 2, 3), 1, {1, 2}),
        ((1,), 1, {1}),
    ],
)
def test_explored_values_stay_near_and_in_bounds(choice: Any, value: Any, expected: set[Any]) -> None:
    rule = Population(1, {RATE: choice}, resample_probability=0.0)
    found = {explored(rule, RATE, value, random.Random(n)) for n in range(30)}
    assert found == expected and {type(v) for v in found} == {type(value)}


def test_some_are_drawn_anew() -> None:
    rule = Population(1, {RATE: Range(0.01, 1.0)}, resample_probability=0.25)
    found = [explored(rule, RATE, 0.5, random.Random(n)) for n in range(400)]
    assert 60 < sum(value not in (0.4, 0.6) for value in found) < 140, "a quarter of 400"


def rule(interval: int = 2, mutations: dict[str, Choice] | None = None, **options: Any) -> Scheduler:
    chosen = mutations if mutations is not None else RULE.hyperparam_mutations
    return Scheduler("pbt", {"perturbation_interval": interval, "hyperparam_mutations": chosen, **options})


def study(scheduler: Scheduler | None = None, **changes: Any) -> Study:
    rates = (0.1, 0.2, 0.3)
    trials = tuple(
        Experiment(
            name=f"m{n}", workload="w", seed=n, epochs=4, optimizer=OptimizerConfig(learning_rate=rate), **changes
        )
        for n, rate in enumerate(rates)
    )
    return Study("s", trials, scheduler=scheduler or rule())


def test_a_population_is_a_study_of_a_file() -> None:
    made = study()
    assert Study.from_dict(made.to_dict()) == made
    assert made.scheduler is not None and made.scheduler.population() == Population(2, RULE.hyperparam_mutations)
    assert made.scheduler.options["hyperparam_mutations"][DECAY] == [0.0, 1e-3, 1e-2], "plain, as study.json has it"
    assert rule(burn_in_period=4).population().burn_in_period == 4  # type: ignore[union-attr]


def test_populations_that_can_not_be_are_refused() -> None:
    trials = study().experiments
    search = Search("optuna", {"seed": (1,)}, ("m0",))
    wrong: list[tuple[str, Any]] = [
        ("perturbation_interval: got 3, expected a divisor of 4 epochs", lambda: study(rule(3))),
        ("expected a multiple of evaluate_every_epochs, 4", lambda: study(evaluate_every_epochs=4)),
        ("search: got optuna, expected none with pbt", lambda: Study("s", trials, 0, search, rule())),
        ("got 1 experiment, expected 2 or more", lambda: Study("s", trials[:1], scheduler=rule())),
        (
            "m3 differs from m0 in more than name, seed and mutations",
            lambda: Study("s", (*trials, Experiment(name="m3", workload="v", epochs=4)), scheduler=rule()),
        ),
        ("m0: optimizer.learning_rate: got 0.1, expected it within", lambda: study(rule(2, {RATE: (0.2, 0.3)}))),
        ("got 'batch_size', expected options of the optimizer", lambda: study(rule(2, {"batch_size": (1,)}))),
        ("got 'optimizer.amsgrad'", lambda: study(rule(2, {"optimizer.amsgrad": (True, False)}))),
        ("hyperparam_mutations: got none", lambda: study(rule(2, {}))),
        ("unknown key 'optimizer.rate'", lambda: study(rule(2, {"optimizer.rate": (None,)}))),
        (
            "beta1: got 1.0, expected at least 0 and less than 1",
            lambda: study(rule(2, {"optimizer.beta1": Range(0.1, 1.0)})),
        ),
        ("quantile_fraction: got 0.6", lambda: study(rule(quantile_fraction=0.6))),
        ("perturbation_factors: got", lambda: study(rule(perturbation_factors=(0.0, 1.0)))),
        ("resample_probability: got 2", lambda: study(rule(resample_probability=2))),
        ("burn_in_period: got 3, expected a multiple", lambda: study(rule(burn_in_period=3))),
        ("perturbation_interval: got 0", lambda: study(rule(0))),
        ("'scheduler.quantile': did you mean 'quantile_fraction'?", lambda: study(rule(quantile=0.5))),
        ("unknown key 'scheduler.synch'", lambda: study(rule(synch=True))),
        ("mode: the study sets it", lambda: rule(mode="min")),
    ]
    for message, make in wrong:
        with pytest.raises(ValueError) as caught:
            make()
        assert message in str(caught.value)


def test_a_scheduler_is_plain_in_study_json() -> None:
    plain = {"name": "asha", "options": {"grace_period": 1}, "widen": False}
    assert to_dict(Scheduler("asha", {"grace_period": 1})) == plain


def test_members_may_be_drawn_by_a_random_search() -> None:
    rates = {"low": 1e-4, "high": 1.0, "log": True}
    made = study_of(
        {
            "name": "s",
            "search": {
                "algorithm": "random",
                "num_trials": 5,
                "base": {"workload": "w", "epochs": 4},
                "parameters": {RATE: rates, "seed": {"low": 0, "high": 9, "integer": True}},
            },
            "scheduler": {"name": "pbt", "perturbation_interval": 2, "hyperparam_mutations": {RATE: rates}},
        }
    )
    assert len(made.experiments) == 5 and made.scheduler is not None and made.search is None
    assert made.scheduler.population() == Population(2, {RATE: Range(1e-4, 1.0, log=True)})
