"""When each trial is expected to run, by hand."""

import pytest

from app.planning.cost import Cost
from app.planning.plan import Plan, Stage
from app.planning.schedule import expected_record


def costs(name: str, k: int, *_: int) -> Cost:
    """5 s once a lane, then 12 s: on two workers 7 s, their steps halved."""
    return Cost(5.0, 0.0, 10.0 / k, 1.0, 0.5, 0.0, 0.5, True)


def test_what_freed_workers_save_is_taken_off_the_end() -> None:
    """Two side by side end at 15 and 105 s; from 15 on the longer has 90 to go, or 20 + 45 on both workers: 80."""

    def of_two(name: str, k: int, *_: int) -> Cost:
        run_s = {"a": 10.0, "b": 100.0}[name] / k
        return Cost(5.0 if k == 1 else 20.0, 0.0, run_s, 0.0, 0.0, 0.0, 0.0, True)

    plan = Plan("s", 2, "x", (Stage(1, 2, ("a", "b")),))
    assert expected_record(plan, of_two).makespan_s() == 105.0
    found = expected_record(plan, of_two, widens=True)
    assert found.makespan_s() == pytest.approx(80.0) and max(t.end_s or 0 for t in found.trials) == pytest.approx(80.0)


def test_lanes_stages_and_phases() -> None:
    plan = Plan("s", 2, "mixed", (Stage(1, 2, ("a", "b", "c")), Stage(2, 1, ("d",))))
    found = expected_record(plan, costs, before_s=3.0, after_s=2.0)
    spans = {t.name: (t.lane, t.stage, t.start_s, t.end_s) for t in found.trials}
    assert spans == {
        "a": (0, 0, 3.0, 20.0),
        "b": (1, 0, 3.0, 20.0),
        "c": (0, 0, 20.0, 32.0),
        "d": (0, 1, 32.0, 44.0),
    }
    assert found.makespan_s() == 46.0
    phases = {t.name: [(s.phase, s.end_s - s.start_s) for s in t.spans] for t in found.trials}
    assert phases["a"] == [("startup", 5), ("step", 10), ("evaluation", 1), ("checkpoint", 0.5), ("other", 0.5)]
    assert [phase for phase, _ in phases["c"]] == ["step", "evaluation", "checkpoint", "other"]


def test_the_last_trials_are_drawn_as_long_as_they_are_foreseen() -> None:
    """Beside another 12 s, alone 6 s: after 17 s one is alone, with half of 12 s to go."""

    def crowded(name: str, k: int, places: int, busy: int) -> Cost:
        return Cost(5.0, 0.0, 12.0 if busy == 2 else 6.0, 0.0, 0.0, 0.0, 0.0, True)

    found = expected_record(Plan("s", 2, "x", (Stage(1, 2, ("a", "b", "c")),)), crowded)
    assert found.makespan_s() == pytest.approx(17.0 + 6.0)
    assert found.trials[-1].end_s == pytest.approx(23.0)


def test_a_trial_is_drawn_after_the_one_that_it_starts_from() -> None:
    plan = Plan("s", 2, "x", (Stage(1, 2, ("a",)), Stage(1, 2, ("b", "c"))))
    found = expected_record(plan, costs, origins={"b": "a", "c": "a"})
    assert {t.name: (t.stage, t.start_s, t.end_s) for t in found.trials} == {
        "a": (0, 0.0, 17.0),
        "b": (1, 17.0, 29.0),  # on a's lane; the other starts then
        "c": (1, 17.0, 34.0),
    }
