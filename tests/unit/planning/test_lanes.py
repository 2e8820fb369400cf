"""How many trials of `hybrid:K` run side by side, from a study's first to its last."""

import pytest

from app.experiment import Experiment, Study
from app.planning.plan import Plan, next_trial, num_places, plan_of_strategy

NAMES = ("a", "b", "c", "d", "e")
STUDY = Study("s", tuple(Experiment(name=name, workload="w", batch_size=12) for name in NAMES))


def side_by_side(plan: Plan, slots: list[int]) -> list[int]:
    """Trials under way after each end of one, the oldest first, while the cluster has so many slots."""
    waiting, live, counts, turn = list(NAMES), dict[str, int](), list[int](), 0
    while waiting or live:
        now = slots[min(turn, len(slots) - 1)]
        places = lambda stage: num_places(plan, stage, slots[0], now)  # noqa: E731, B023
        while (name := next_trial(plan, waiting, live, places, lambda _: True)) is not None:
            waiting.remove(name)
            live[name] = 0
        counts.append(len(live))
        live.pop(next(iter(live)))
        turn += 1
    return counts


@pytest.mark.parametrize(
    ("strategy", "num_workers", "expected"),
    [
        ("hybrid:2", 4, [2, 2, 2, 2, 1]),
        ("hybrid:2", 5, [2, 2, 2, 2, 1]),  # the fifth worker has no partner
        ("hybrid:2", 6, [3, 3, 3, 2, 1]),
        ("hybrid:3", 4, [1, 1, 1, 1, 1]),
        ("hybrid:4", 12, [3, 3, 3, 2, 1]),
        ("hybrid:1", 12, [5, 4, 3, 2, 1]),
    ],
)
def test_lanes_of_k_workers_are_full_until_trials_run_out(strategy: str, num_workers: int, expected: list[int]) -> None:
    assert side_by_side(plan_of_strategy(STUDY, strategy, num_workers), [num_workers]) == expected


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ([4, 2], [2, 1, 1, 1, 1]),  # a host of two was lost after the first trial
        ([4, 6], [2, 3, 3, 2, 1]),  # one of two joined
        ([4, 5], [2, 2, 2, 2, 1]),  # one worker more is no lane
    ],
)
def test_a_host_that_joins_or_is_lost_is_a_lane_more_or_less(slots: list[int], expected: list[int]) -> None:
    assert side_by_side(plan_of_strategy(STUDY, "hybrid:2", 4), slots) == expected
