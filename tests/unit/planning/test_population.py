"""Who takes over from whom: the worst from the best, the same whatever the order, with options near the origin's."""

import random
from typing import Any

import pytest

from app.experiment import EarlyStopping, Experiment, OptimizerConfig, Study
from app.planning.population import Standing, decide, perturbed
from app.search_space import Population, Range, Tuning

RATE, DECAY = "optimizer.learning_rate", "optimizer.weight_decay"
RULE = Population(2, {RATE: Range(1e-4, 1.0), DECAY: (0.0, 1e-3, 1e-2)})


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
        ((1, 2, 3), 2, {1, 3}),
        ((1, 2, 3), 3, {2, 3}),
        ((1,), 1, {1}),
    ],
)
def test_perturbed_values_stay_near_and_in_bounds(choice: Any, value: Any, expected: set[Any]) -> None:
    assert {perturbed(choice, value, (0.8, 1.2), random.Random(n)) for n in range(30)} == expected


def study(rule: Population = RULE, **changes: Any) -> Study:
    rates = (0.1, 0.2, 0.3)
    trials = tuple(
        Experiment(
            name=f"m{n}", workload="w", seed=n, epochs=4, optimizer=OptimizerConfig(learning_rate=rate), **changes
        )
        for n, rate in enumerate(rates)
    )
    return Study("s", trials, population=rule)


def test_a_population_is_a_study_of_a_file() -> None:
    made = study()
    assert Study.from_dict(made.to_dict()) == made


def test_populations_that_can_not_be_are_refused() -> None:
    trials = study().experiments
    wrong: list[tuple[str, Any]] = [
        ("interval_epochs: got 3, wanted a divisor of 4 epochs", lambda: study(Population(3, RULE.mutations))),
        ("wanted a multiple of evaluate_every_epochs, 4", lambda: study(evaluate_every_epochs=4)),
        ("early_stopping: got EarlyStopping", lambda: Study("s", trials, 0, EarlyStopping(), population=RULE)),
        ("tuning: got Tuning", lambda: Study("s", trials, 0, None, Tuning({"seed": (1,)}, ("m0",)), RULE)),
        ("got 1 experiment, wanted 2 or more", lambda: Study("s", trials[:1], population=RULE)),
        (
            "m3 differs from m0 in more than name, seed and mutations",
            lambda: Study("s", (*trials, Experiment(name="m3", workload="v", epochs=4)), population=RULE),
        ),
        ("m0: optimizer.learning_rate: got 0.1, wanted it within", lambda: study(Population(2, {RATE: (0.2, 0.3)}))),
        ("mutations: got 'batch_size', wanted options of the optimizer", lambda: Population(2, {"batch_size": (1,)})),
        ("mutations: got 'optimizer.amsgrad'", lambda: Population(2, {"optimizer.amsgrad": (True, False)})),
        ("mutations: got none", lambda: Population(2, {})),
        ("unknown key 'optimizer.rate'", lambda: study(Population(2, {"optimizer.rate": (None,)}))),
        (
            "beta1: got 1.0, wanted at least 0 and less than 1",
            lambda: study(Population(2, {"optimizer.beta1": Range(0.1, 1.0)})),
        ),
        ("quantile: got 0.6", lambda: Population(2, RULE.mutations, 0.6)),
        ("factors: got", lambda: Population(2, RULE.mutations, factors=(0.0, 1.0))),
        ("interval_epochs: got 0", lambda: Population(0, RULE.mutations)),
    ]
    for message, make in wrong:
        with pytest.raises(ValueError) as caught:
            make()
        assert message in str(caught.value)
