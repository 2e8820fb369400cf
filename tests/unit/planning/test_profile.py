"""Profiles from records."""

import json
from dataclasses import replace

import pytest
from measured_records import LIKE, record, two_at_once

from app.errors import DataError
from app.planning.cost import CostModel
from app.planning.measured import profile_of
from app.planning.profile import Profile, group_of
from app.records import StudyTrial


def test_a_record_is_a_sample() -> None:
    (sample,) = profile_of([], [record()]).samples
    assert (sample.startup_s, sample.steps_per_epoch, sample.start) == (5, 10, "command")
    assert (sample.evaluation_s, sample.checkpoint_s) == (1.5, 0.5)
    assert sample.step_s == pytest.approx(2.0)


def test_an_evaluation_costs_the_same_however_often_it_is() -> None:
    """Three evaluations in five epochs, every two and after the last: 3 s in all are 1 s each."""
    every_two = replace(LIKE, epochs=5, evaluate_every_epochs=2).to_dict()
    (sample,) = profile_of([], [record(experiment=every_two)]).samples
    assert sample.evaluation_s == pytest.approx(1.0)
    assert sample.groups == (group_of(LIKE),)


def test_warm_up_counts_as_what_it_takes_longer() -> None:
    timings = replace(record().timings, warmup_steps_s=7.5, num_warmup_steps=3)
    (sample,) = profile_of([], [record(timings=timings)]).samples
    assert sample.first_steps_s == pytest.approx(1.5)


def test_a_lane_is_seen_neighbours_start_and_what_belongs_to_no_training() -> None:
    profile = profile_of([(two_at_once(), {})])
    assert [(s.side_by_side, s.start) for s in profile.samples] == [(2, "command"), (2, "command"), (1, "kept")]
    assert [s.handover_s for s in profile.samples] == pytest.approx([2.0, 2.0, 2.5])
    assert profile.closings_s == (3.0,)


def test_a_lane_is_new_after_trials_of_another_width() -> None:
    study = two_at_once()
    wide = StudyTrial("w", "finished", 1, 0, 2, 100.0, 150.0, 1, record=record("w", k=2))
    again = StudyTrial("d", "finished", 2, 0, 1, 150.0, 197.0, 1, record=record("d"))
    found = profile_of([(replace(study, trials=(*study.trials, wide, again)), {})]).samples
    assert [s.start for s in found] == ["command", "command", "kept", "lane", "lane"]
    assert found[-1].handover_s == pytest.approx(2.0)


def test_what_was_asked_for_is_known_as_well_as_what_was_run() -> None:
    asked = replace(LIKE, task={"filters": [8]})
    ran = replace(asked, task={"filters": [8], "norm": "batch"})
    study = replace(two_at_once(), trials=(replace(two_at_once().trials[0], record=record(experiment=ran.to_dict())),))
    (sample,) = profile_of([(study, {"a": asked})]).samples
    assert set(sample.groups) == {group_of(asked), group_of(ran)}
    model = CostModel(profile_of([(study, {"a": asked})]))
    assert model.cost(asked, 1, 2).run_s == model.cost(ran, 1, 2).run_s


def test_other_hardware_or_versions_do_not_mix() -> None:
    with pytest.raises(ValueError, match="a ran on gpu, 2 cores, torch 2 and b on gpu, 2 cores, torch 3: their times"):
        profile_of([], [record(), record("b", versions={"torch": "3"})])


def test_failed_and_restarted_trainings_are_no_samples() -> None:
    with pytest.raises(ValueError, match="got no training that finished in one go"):
        profile_of([], [record(status="failed"), record(num_restarts=1)])


def test_a_profile_survives_its_file_and_a_wrong_one_is_refused() -> None:
    profile = profile_of([], [record()])
    assert Profile.parse(profile.to_json().encode(), "p") == profile
    values = json.loads(profile.to_json())
    with pytest.raises(DataError, match="format: got 0, expected 2"):
        Profile.parse(json.dumps({**values, "format": 0}).encode(), "p")
    values["samples"][0]["step_s"] = -1
    with pytest.raises(DataError, match="step_s: got -1"):
        Profile.parse(json.dumps(values).encode(), "p")
    with pytest.raises(DataError, match="unknown key 'sample'"):
        Profile.parse(json.dumps({"sample": []}).encode(), "p")


def test_rates_seeds_and_epochs_cost_nothing_and_the_network_does() -> None:
    assert group_of(replace(LIKE, seed=3, epochs=9, evaluate_every_epochs=4)) == group_of(LIKE)
    assert group_of(replace(LIKE, task={"filters": [8]})) != group_of(LIKE)


def test_a_training_that_was_ended_to_measure_counts_the_epochs_that_it_had() -> None:
    """18 timed steps of 10 an epoch are two epochs of the thirty: each has half of the checkpoints' 1 s."""
    asked = replace(LIKE, epochs=30, evaluate_every_epochs=30).to_dict()
    (sample,) = profile_of([], [record(experiment=asked, num_steps=300)]).samples
    assert (sample.steps_per_epoch, sample.checkpoint_s, sample.evaluation_s) == (10, 0.5, 3)
