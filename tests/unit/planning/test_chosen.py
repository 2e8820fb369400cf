"""What a search chooses when a trial begins enters the times as a distribution."""

from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
from measured_records import LIKE, record

from app.experiment import Experiment, Study
from app.planning.chosen import Space
from app.planning.cost import CostModel
from app.planning.forecast import Forecast, fitting, forecasts
from app.planning.measured import profile_of
from app.planning.measuring import kinds
from app.planning.memory import GIB
from app.planning.profile import Profile, group_of
from app.planning.search import study_of
from app.records import TrialRecord

BASE = {"workload": "w", "batch_size": 4, "epochs": 2}


def study(parameters: dict[str, Any], num_trials: int = 1, **base: Any) -> Study:
    search = {"algorithm": "optuna", "num_trials": num_trials, "parameters": parameters, "base": {**BASE, **base}}
    return study_of({"name": "s", "search": search})


def ran(step_s: float, **changes: Any) -> TrialRecord:
    """A training of steps of so many seconds, ten an epoch; a trial of two epochs takes 20 of them and 4 s."""
    batch = changes.get("batch_size", 4)
    return record(step_s=step_s, experiment=replace(LIKE, **changes).to_dict(), global_batch_size=batch)


def only(of: Study, profile: Profile) -> Forecast:
    (found,) = forecasts(of, profile, 1)
    return found


RATES = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}


def test_rates_change_no_cost() -> None:
    profile = profile_of([], [ran(2.0)])
    found, listed = only(study(RATES), profile), only(Study("s", (replace(LIKE, name="000"),)), profile)
    assert (found.makespan_s, found.low_s, found.high_s) == (listed.makespan_s, listed.low_s, listed.high_s)
    assert Space(study(RATES), lambda _: True).line() is None


def test_times_are_means_over_what_may_be_chosen_and_intervals_span_it() -> None:
    """Filters of 8: 20 x 1 s, of 16: 20 x 5 s; each 4 s more, and a start of 5 s: 29 and 109 s."""
    profile = profile_of([], [ran(1.0, task={"filters": 8}), ran(5.0, task={"filters": 16})])
    of = study({"task.filters": [8, 16], **RATES})
    found = only(of, profile)
    share = fmean(option.experiment.task["filters"] == 16 for option in Space(of, lambda _: True).options("000"))
    assert 0.35 < share < 0.65
    assert found.makespan_s == pytest.approx(29 + 80 * share, rel=0.03)
    assert found.low_s < 31 and found.high_s > 105
    many = only(study({"task.filters": [8, 16], **RATES}, num_trials=30), profile)
    assert (many.high_s - many.low_s) / many.makespan_s < 0.5, "of many trials the mean is known better"
    expected = many.plan.expected
    assert expected is not None and sum(expected.worker_s.values()) == pytest.approx(many.makespan_s)
    assert {*expected.trial_s.values()} == {expected.trial_s["000"]}
    assert expected.trial_s["000"] == pytest.approx(24 + 80 * share)


def test_epochs_that_are_chosen_need_no_profile_of_their_own() -> None:
    """1 to 9 epochs of 10 x 2 + 2 s, and a start of 5 s: 115 s in the middle."""
    found = only(study({"epochs": {"low": 1, "high": 9, "integer": True}}), profile_of([], [ran(2.0)]))
    assert found.makespan_s == pytest.approx(115, rel=0.08)
    assert found.low_s < 60 and found.high_s > 180


def test_numbers_between_measured_ones_cost_what_lies_between_and_less_surely() -> None:
    profile = profile_of([], [ran(1.0, task={"depth": 2}), ran(3.0, task={"depth": 6})])
    of = study({"task.depth": {"low": 2, "high": 6, "step": 2, "integer": True}})
    options = {o.spread > 0: o for o in Space(of, lambda e: group_of(e) in {*profile_groups(profile)}).options("000")}
    assert sorted((e.task["depth"], weight) for e, weight in options[True].parts) == [(2, 0.5), (6, 0.5)]
    assert options[True].spread == 0.12
    middle = study({"task.depth": {"low": 2, "high": 6, "step": 2, "integer": True}}, num_trials=60)
    found = only(middle, profile)
    shares = [o.spread > 0 for o in Space(of, CostModel(profile).knows).options("000")]
    assert 0.2 < fmean(shares) < 0.5
    assert found.makespan_s / 60 == pytest.approx(44, rel=0.1)  # 24, 44 and 64 s
    line = Space(of, CostModel(profile).knows).line()
    assert line is not None and "the search chooses task.depth" in line and "; 1 of 3 kinds" in line


def profile_groups(profile: Profile) -> list[str]:
    return [group for s in profile.samples for group in s.groups]


def test_combinations_count_like_the_nearest_and_far_less_surely() -> None:
    """Each of two options was measured with its second value beside the first of the other, not both."""
    base = {"network": "a", "filters": 8}
    some = [base, {**base, "network": "b"}, {**base, "filters": 16}]
    profile = profile_of([], [ran(1.0, task=task) for task in some])
    of = study({"task.network": ["a", "b"], "task.filters": [8, 16]}, task=base)
    both = next(o for o in Space(of, CostModel(profile).knows).options("000") if o.spread)
    assert both.spread == 0.30
    assert both.experiment.task in ({**base, "network": "b"}, {**base, "filters": 16})


def test_what_nothing_measured_is_like_is_refused() -> None:
    profile = profile_of([], [ran(1.0, task={"filters": 8})])
    with pytest.raises(
        ValueError, match=r"task.filters: the search may choose 16, and the profile has trainings with 8"
    ):
        only(study({"task.filters": [8, 16]}), profile)
    with pytest.raises(
        ValueError, match=r"batch_size: the search may choose \d+, and the profile has trainings with 4"
    ):
        only(study({"batch_size": {"low": 4, "high": 64, "step": 4, "integer": True}}), profile_of([], [ran(1.0)]))


def test_what_is_measured_holds_every_value_and_both_ends() -> None:
    of = study({"task.network": ["a", "b"], "batch_size": {"low": 4, "high": 16, "step": 4, "integer": True}, **RATES})
    assert [(e.task.get("network"), e.batch_size) for e in kinds(of)] == [
        ("a", 4), ("b", 4), ("a", 8), ("a", 16),
    ], "none of them as it is listed, which the search never leaves"  # fmt: skip


def test_memory_has_to_have_room_for_the_largest_that_may_be_chosen() -> None:
    small, large = ran(1.0, task={"filters": 8}), ran(5.0, task={"filters": 16})
    held = {"memory_limit_bytes": 8 * GIB, "device": "NVIDIA H100"}
    fits = replace(large, memory_bytes=7 * GIB, **held)
    profile = profile_of([], [replace(small, memory_bytes=GIB, **held), fits])
    of = study({"task.filters": [8, 16]})
    assert fitting(of, profile, 1)[0] == [1]
    with pytest.raises(ValueError, match=r"needs 9\.0 GiB a worker"):
        fitting(of, profile_of([], [replace(small, memory_bytes=GIB, **held), replace(fits, memory_bytes=9 * GIB)]), 1)


def test_a_population_has_no_options() -> None:
    listed = Study("s", (Experiment(name="a", **BASE),))  # type: ignore[arg-type]
    assert Space(listed, lambda _: False).options("a") == ()
