"""Plans: what a strategy makes of a study, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DataError
from app.experiment import Experiment, Study
from app.planning.plan import Plan, Stage, check, plan_of_strategy, workers_per_trial
from app.run_folder.study import PLAN

BATCH = 24


def study(**origins: str | None) -> Study:
    """Trials by name, each with the one that it starts from."""
    return Study(
        "s",
        tuple(Experiment(name=n, workload="w", batch_size=BATCH, starts_from=o) for n, o in origins.items()),
    )


FREE = study(a=None, b=None, c=None)


@pytest.mark.parametrize(
    ("strategy", "k"), [("data-parallel", 8), ("experiment-parallel", 1), ("hybrid:1", 1), ("hybrid:8", 8)]
)
def test_the_workers_of_a_trial(strategy: str, k: int) -> None:
    assert workers_per_trial(strategy, 8) == k


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("data_parallel", "strategy: got 'data_parallel', expected auto, data-parallel, experiment-parallel, hybrid:K"),
        ("hybrid", "strategy: got 'hybrid'"),
        ("hybrid:x", "strategy: got 'hybrid:x'"),
        ("hybrid:-1", "strategy: got 'hybrid:-1'"),
        ("hybrid:0", "strategy hybrid:0: expected 1 to 4 workers a trial, as there are 4"),
        ("hybrid:5", "strategy hybrid:5: expected 1 to 4"),
    ],
)
def test_no_such_strategy(strategy: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        workers_per_trial(strategy, 4)
    assert message in str(caught.value)


def test_a_hybrid_by_hand() -> None:
    assert plan_of_strategy(FREE, "hybrid:3", 8).stages == (Stage(3, 2, ("a", "b", "c")),)
    assert plan_of_strategy(FREE, "experiment-parallel", 8).stages == (Stage(1, 3, ("a", "b", "c")),)


def test_trials_that_start_from_others_are_in_later_stages() -> None:
    chained = study(late="early", early=None, later="late", other=None)
    plan = plan_of_strategy(chained, "experiment-parallel", 2)
    assert [stage.trials for stage in plan.stages] == [("early", "other"), ("late",), ("later",)]
    assert [stage.concurrent_trials for stage in plan.stages] == [2, 1, 1]


@st.composite
def studies(draw: st.DrawFn) -> Study:
    count = draw(st.integers(1, 8))
    origins = [draw(st.none() | st.integers(0, i - 1)) if i else None for i in range(count)]
    order = draw(st.permutations(range(count)))
    return study(**{f"t{i}": None if origins[i] is None else f"t{origins[i]}" for i in order})


@given(studies(), st.sampled_from([1, 2, 3, 4, 6, 8, 12]), st.data())
def test_plans_of_strategies_run_every_trial_once_and_in_order(made: Study, k: int, data: st.DataObject) -> None:
    num_workers = data.draw(st.integers(k, 16))
    plan = plan_of_strategy(made, f"hybrid:{k}", num_workers)
    names = [name for stage in plan.stages for name in stage.trials]
    assert sorted(names) == sorted(e.name for e in made.experiments)
    stage_of = {name: number for number, stage in enumerate(plan.stages) for name in stage.trials}
    for experiment in made.experiments:
        assert experiment.starts_from is None or stage_of[experiment.starts_from] < stage_of[experiment.name]
    for stage in plan.stages:
        assert stage.workers_per_trial == k
        assert stage.concurrent_trials == min(num_workers // k, len(stage.trials)), "no worker idles without need"
    assert PLAN.parse(PLAN.text(plan).encode()) == plan


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([Stage(2, 3, ("a", "b", "c"))], "3 trials at a time x 2 workers = 6 workers, expected at most 4"),
        ([Stage(1, 1, ("a", "b", "c", "d"))], "the study s has no trial 'd'; it has ['a', 'b', 'c']"),
        ([Stage(1, 1, ("a", "b", "c", "a"))], "a is in the plan more than once"),
        ([Stage(1, 1, ("a", "b")), Stage(1, 1, ("c", "b"))], "stage 2 of the plan: b is in the plan more than once"),
        ([Stage(1, 1, ("b",))], "the plan leaves out a, c"),
    ],
)
def test_plans_that_do_not_fit_are_refused(stages: list[Stage], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        check(Plan("s", 4, "mine", tuple(stages)), FREE)
    assert message in str(caught.value)


def test_what_a_trial_starts_from_is_trained_before() -> None:
    made = study(a=None, b="a")
    check(Plan("s", 1, "mine", (Stage(1, 1, ("a",)), Stage(1, 1, ("b",)))), made)
    for stages in ((Stage(1, 1, ("a", "b")),), (Stage(1, 1, ("b",)), Stage(1, 1, ("a",)))):
        with pytest.raises(ValueError, match="b starts from a, which no earlier stage trains"):
            check(Plan("s", 1, "mine", stages), made)


def test_a_batch_that_does_not_divide_is_found_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="stage 1 of the plan: a: batch size 24 is not divisible by 5 workers"):
        plan_of_strategy(FREE, "data-parallel", 5)


def test_a_stage_wants_workers_and_trials() -> None:
    for values, message in (((0, 1, ("a",)), "workers_per_trial: got 0"), ((1, 0, ("a",)), "concurrent_trials: got 0")):
        with pytest.raises(ValueError, match=message):
            Stage(*values)
    with pytest.raises(ValueError, match="trials: got none"):
        Stage(1, 1, ())


def test_a_file_that_is_no_plan_says_what_is_wrong() -> None:
    with pytest.raises(DataError, match=r"plan\.json is damaged: not JSON"):
        PLAN.parse(b"{")
    good = json.loads(plan_of_strategy(FREE, "data-parallel", 2).to_json())
    good["stages"][0]["worker_per_trial"] = 2
    with pytest.raises(DataError, match="'workers_per_trial'"):
        PLAN.parse(json.dumps(good).encode())
