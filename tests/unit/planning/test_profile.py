"""Profiles from records, and what a trial is said to take by them."""

import json
from dataclasses import replace

import pytest

from app.errors import DataError
from app.experiment import Experiment, Study
from app.planning.cost import CostModel, ring_s
from app.planning.forecast import choose, forecasts
from app.planning.plan import Plan, check
from app.planning.profile import Profile, group_of, profile_of
from app.records import Session, StudyRecord, StudyTrial, Timings, TrialRecord

LIKE = Experiment(name="a", workload="w", batch_size=4, epochs=2)


def record(name: str = "a", k: int = 1, step_s: float = 2.0, **changes: object) -> TrialRecord:
    """Two epochs of 10 steps, of which 18 were timed; start-up 5 s, the ends of both epochs 4 s."""
    timings = Timings(
        startup_s=4, first_batch_s=1, data_wait_s=1.8, step_s=18 * (step_s - 0.1), evaluation_s=3, checkpoint_s=1,
        num_timed_steps=18,
    )  # fmt: skip
    made = TrialRecord(
        name=name, status="finished", experiment=replace(LIKE, name=name).to_dict(), store="s", num_workers=k,
        launcher="local", device="cpu", global_batch_size=4, num_steps=20, num_parameters=1000, numerics={},
        timings=timings, samples_per_s=None, samples_per_s_per_worker=None, waiting_share=None, binding_limit="device",
        metrics={}, versions={"torch": "2"}, host={"num_cores": 2},
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def two_at_once() -> StudyRecord:
    """a and b side by side, then c alone on a's lane."""
    spans = {"a": (0, 0.0, 50.0), "b": (1, 0.0, 80.0), "c": (0, 90.0, 120.0)}
    trials = tuple(
        StudyTrial(name, "finished", 0, lane, 1, start, end, 1, record=record(name))
        for name, (lane, start, end) in spans.items()
    )
    return StudyRecord("s", "finished", "experiment-parallel", {}, 2, "CPU", (Session(0, 120),), trials)


def test_a_record_is_a_sample() -> None:
    (sample,) = profile_of([], [record()]).samples
    assert (sample.startup_s, sample.epoch_end_s, sample.steps_per_epoch) == (5, 2, 10)
    assert sample.step_s == pytest.approx(2.0)


def test_neighbours_and_the_first_on_a_lane_are_seen() -> None:
    found = profile_of([two_at_once()]).samples
    assert [(s.side_by_side, s.first_on_lane) for s in found] == [(2, True), (2, True), (1, False)]


def test_other_hardware_or_versions_do_not_mix() -> None:
    with pytest.raises(ValueError, match="a ran on cpu, 2 cores, torch 2 and b on cpu, 2 cores, torch 3: their times"):
        profile_of([], [record(), record("b", versions={"torch": "3"})])


def test_failed_and_restarted_trainings_are_no_samples() -> None:
    with pytest.raises(ValueError, match="got no finished training"):
        profile_of([], [record(status="failed"), record(num_restarts=1)])


def test_a_profile_survives_its_file_and_a_wrong_one_is_refused() -> None:
    profile = profile_of([], [record()])
    assert Profile.from_json(profile.to_json()) == profile
    values = json.loads(profile.to_json())
    with pytest.raises(DataError, match="format: got 0, wanted 1"):
        Profile.from_json(json.dumps({**values, "format": 0}))
    values["samples"][0]["step_s"] = -1
    with pytest.raises(DataError, match="step_s: got -1"):
        Profile.from_json(json.dumps(values))
    with pytest.raises(DataError, match="unknown key 'sample'"):
        Profile.from_json(json.dumps({"sample": []}))


def test_rates_seeds_and_epochs_cost_nothing_and_the_network_does() -> None:
    assert group_of(replace(LIKE, seed=3, epochs=9)) == group_of(LIKE)
    assert group_of(replace(LIKE, task={"filters": [8]})) != group_of(LIKE)


def test_the_time_of_a_trial_as_measured() -> None:
    cost = CostModel(profile_of([], [record()])).cost(replace(LIKE, epochs=3), 1, 1)
    assert (cost.start_s, cost.measured) == (5, True)
    assert cost.run_s == pytest.approx(3 * (10 * 2 + 2))


def test_neighbours_cost_what_was_measured_beside_them() -> None:
    study = two_at_once()
    alone = replace(study.trials[2], record=record("c", step_s=1.0))
    model = CostModel(profile_of([replace(study, trials=(*study.trials[:2], alone))]))
    assert model.cost(LIKE, 1, 2).run_s == pytest.approx(model.cost(LIKE, 1, 1).run_s + 20)


def test_a_width_between_measured_ones_lies_on_their_line() -> None:
    """Step of 4 samples 4 s, of 1 sample a worker 1.9 s: a = 1.2, b = 0.7; 2 samples a worker: 2.6 s and the ring."""
    model = CostModel(profile_of([], [record(step_s=4.0), record(k=4, step_s=1.9 + ring_s(1000, 4))]))
    cost = model.cost(LIKE, 2, 1)
    assert not cost.measured
    assert cost.run_s == pytest.approx(2 * (10 * (2.6 + ring_s(1000, 2)) + 2))


def test_the_ring_by_hand() -> None:
    assert ring_s(1_000_000, 4) == pytest.approx(2 * 3 * 1e-4 + 1.5 * 4e6 / 1e9)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="a: the profile has no training of its network"):
        CostModel(profile_of([], [record()])).cost(replace(LIKE, workload="other"), 1, 1)


STUDY = Study("s", tuple(replace(LIKE, name=name) for name in "abc"))
MEASURED = profile_of([], [record(step_s=4.0), record(step_s=4.4), record(k=2, step_s=2.2), record(k=2, step_s=2.6)])


def test_forecasts_are_plans_that_run_with_intervals_around_their_times() -> None:
    found = forecasts(STUDY, MEASURED, 2)
    assert {one.plan.strategy for one in found} == {"experiment-parallel", "data-parallel", "mixed:1+2"}
    for one in found:
        check(Plan.from_json(one.plan.to_json()), STUDY)
        assert one.low_s < one.makespan_s < one.high_s
        assert one.bound_s <= one.makespan_s
        assert one.worker_hours == pytest.approx(2 * one.makespan_s / 3600)
    # one each: two waves of 2 x (10 x 4.2 + 2) and 5 s once; on both: three of 2 x (10 x 2.4 + 2) and 5 s
    by_name = {one.plan.strategy: one.makespan_s for one in found}
    assert by_name["experiment-parallel"] == pytest.approx(5 + 2 * 88)
    assert by_name["data-parallel"] == pytest.approx(5 + 3 * 52)


def test_what_was_not_measured_says_so_and_is_less_certain() -> None:
    narrow = profile_of([], [record(step_s=4.0), record(step_s=4.0)])
    known, inferred = (
        next(one for one in forecasts(STUDY, narrow, 2) if one.plan.strategy == name)
        for name in ("experiment-parallel", "data-parallel")
    )
    assert known.low_s == known.high_s
    assert (inferred.high_s - inferred.low_s) / inferred.makespan_s > 0.1
    assert "inferred" in inferred.plan.reasons[0]


def test_the_cheapest_and_the_fastest_and_a_deadline() -> None:
    found = [one for n in (1, 2) for one in forecasts(STUDY, MEASURED, n)]
    assert choose(found).plan.num_workers == 2
    assert choose(found, "cost").plan.num_workers == 1
    assert choose(found, "cost", deadline_s=240).plan.num_workers == 2
    with pytest.raises(ValueError, match="--deadline-h"):
        choose(found, deadline_s=1)
