"""Choosing a plan: golden numbers worked out by hand, and what holds for every study."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.choice import Candidate, candidates, lower_bound_s
from app.planning.forecast import reason
from app.planning.lanes import Seconds, makespan_s, places
from app.planning.plan import Stage

ONE_MIN, EIGHT_MIN = 241.0, 36.0
"""Minutes of a published nnU-Net on one A100 and on eight."""


def names(number: int) -> list[str]:
    return [f"t{index:05d}" for index in range(number)]


def table(by_k: dict[int, float]) -> Seconds:
    return lambda _, k, *__: (0.0, by_k[k]) if k in by_k else None


PUBLISHED = table({1: ONE_MIN, 8: EIGHT_MIN})


def times(num_trials: int, num_workers: int, widths: list[int], seconds: Seconds) -> dict[str, float]:
    return {c.strategy: c.makespan_s for c in candidates([names(num_trials)], num_workers, widths, seconds)}


def test_nine_equal_trials_on_eight_gpus() -> None:
    found = times(9, 8, [1, 8], PUBLISHED)
    assert found == {"experiment-parallel": 482, "data-parallel": 324, "mixed:1+8": 277}
    assert lower_bound_s(names(9), 8, [1, 8], PUBLISHED) == pytest.approx(9 * 241 / 8)  # 271.1


def test_where_data_parallelism_wins_on_eight() -> None:
    wins = [
        m
        for m in range(1, 65)
        if (found := times(m, 8, [1, 8], PUBLISHED))["data-parallel"] < found["experiment-parallel"]
    ]
    assert wins == [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 17, 18, 19, 20, 25, 26, 33]


def test_ideal_speed_ups_of_32_trials() -> None:
    one_each = table({1: 1.0})
    found = [32 / times(32, n, [1], one_each)["experiment-parallel"] for n in (1, 2, 4, 8, 12, 16, 32)]
    assert [round(speed_up, 2) for speed_up in found] == [1, 2, 4, 8, 10.67, 16, 32]


def test_a_lane_starts_once_and_a_new_width_starts_anew() -> None:
    stages = [Stage(1, 2, ("a", "b", "c")), Stage(1, 2, ("d",)), Stage(2, 1, ("e",))]
    # lanes: 5 + 10 + 10, twice, then 5 + 10 for the other width
    assert makespan_s(stages, lambda *_: (5.0, 10.0)) == 25 + 15


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, list[int], dict[tuple[str, int], float]]:
    """Trials, workers up to 8, and times that shrink with k by no more than k."""
    num_trials = draw(st.integers(1, 8))
    work = {}
    for name in names(num_trials):
        one_s, fixed = draw(st.floats(1, 100)), draw(st.floats(0, 1))
        work.update({(name, k): one_s * (fixed + (1 - fixed) / k) for k in range(1, 10)})
    return num_trials, draw(st.lists(st.integers(1, 9), max_size=3)), work


@given(problems(), st.integers(1, 8))
def test_what_holds_for_every_study(
    problem: tuple[int, list[int], dict[tuple[str, int], float]], num_workers: int
) -> None:
    num_trials, more, work = problem
    widths = sorted({1, *more})

    def seconds(name: str, k: int, *_: int) -> tuple[float, float]:
        return 0.0, work[name, k]

    def best(n: int) -> float:
        return candidates([names(num_trials)], n, [k for k in widths if k <= n], seconds)[0].makespan_s

    allowed = [k for k in widths if k <= num_workers]
    found = candidates([names(num_trials)], num_workers, allowed, seconds)
    bound_s = lower_bound_s(names(num_trials), num_workers, allowed, seconds)
    assert all(one.makespan_s >= bound_s * (1 - 1e-9) for one in found)
    single = [one.makespan_s for one in found if not one.strategy.startswith("mixed")]
    assert found[0].makespan_s <= min(single, default=math.inf)
    assert best(num_workers + 1) <= best(num_workers) * (1 + 1e-9)
    for one in found:
        assert sorted(name for stage in one.stages for name in stage.trials) == names(num_trials)


def test_generations_run_one_after_the_other_and_are_not_mixed() -> None:
    found = candidates([["a", "b"], ["c"]], 2, [1, 2], table({1: 10.0, 2: 6.0}))
    assert {c.strategy: c.makespan_s for c in found} == {"data-parallel": 18, "experiment-parallel": 20}


def test_a_trial_waits_for_the_one_that_it_starts_from() -> None:
    """a takes 100 s, b 1 s; c (100 s) starts from a and d (1 s) from b. On two workers d follows b, c follows a."""
    took = {"a": 100.0, "b": 1.0, "c": 100.0, "d": 1.0}
    origins = {"c": "a", "d": "b"}

    def seconds(name: str, k: int, *_: int) -> tuple[float, float]:
        return 0.0, took[name] / k

    assert places(["a", "b", "c", "d"], 1, 2, seconds, origins) == [
        ("a", 0, True, 0.0, 100.0),
        ("b", 1, True, 0.0, 1.0),
        ("d", 1, False, 1.0, 2.0),
        ("c", 0, False, 100.0, 200.0),
    ]
    found = candidates([["a", "b"], ["c", "d"]], 2, [1, 2], seconds, origins)
    assert [(one.strategy, one.makespan_s) for one in found] == [("data-parallel", 101), ("experiment-parallel", 200)]


def test_stages_of_one_width_follow_each_other_without_a_pause() -> None:
    """a 10 s and b 2 s side by side; c, one at a time, waits for both; d and e, two at a time, begin beside nobody.
    Where the second stage has room for two as well, c follows b at once."""
    took = {"a": 10.0, "b": 2.0, "c": 4.0}

    def seconds(name: str, *_: int) -> tuple[float, float]:
        return 0.0, took[name]

    stages = lambda c: [Stage(1, 2, ("a", "b")), Stage(1, c, ("c",))]  # noqa: E731
    assert makespan_s(stages(2), seconds) == 10.0
    assert makespan_s(stages(1), seconds) == 14.0
    assert makespan_s([Stage(1, 1, ("c",)), Stage(1, 2, ("a", "b"))], seconds) == 10.0, "a begins beside c"


def test_the_reason_counts_trials_of_each_stage() -> None:
    stages = (Stage(1, 2, ("a", "b", "c")), Stage(2, 1, ("d",)))
    assert reason(Candidate("mixed:1+2", stages, 15.0), 15.0, 10.0, measured=True) == (
        "3 trials on 1 each, 2 at a time, then 1 trial on 2: 50% above what any plan needs"
    )
