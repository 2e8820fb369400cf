"""What is measured before a study is planned."""

from dataclasses import replace

from measured_records import LIKE, record, two_at_once

from app.experiment import Study
from app.planning.measured import profile_of
from app.planning.measuring import Limit, failures, measurement, merged, missing, widths_to_measure
from app.planning.plan import check
from app.planning.profile import group_of, num_evaluations
from app.records import StudyTrial

OTHER = replace(LIKE, name="b", task={"filters": [8]})
STUDY = Study("s", (LIKE, replace(LIKE, name="again", seed=7), OTHER))


def test_each_kind_is_measured_once_on_the_widths_that_divide_its_batch() -> None:
    assert widths_to_measure(LIKE, 8, 8) == [1, 2]  # of 1, 2, 8 the batch of 4 has no eighth
    assert widths_to_measure(replace(LIKE, batch_size=16), 16, 4) == [1, 2, 4, 8, 16]
    assert missing(STUDY, 4, 4, None) == [(LIKE, [1, 2, 4]), (OTHER, [1, 2, 4])]


def test_what_a_profile_has_is_not_measured_again() -> None:
    profile = profile_of([], [record(), record(k=2)])
    assert missing(STUDY, 2, 2, profile) == [(OTHER, [1, 2])]
    assert missing(STUDY, 4, 4, profile) == [(LIKE, [4]), (OTHER, [1, 2, 4])]


def test_the_measurement_is_a_study_that_runs_alone_and_beside() -> None:
    made = measurement("m", missing(STUDY, 4, 4, None), 4)
    check(made.plan, made.study)
    shapes = [(s.workers_per_trial, s.concurrent_trials, len(s.trials)) for s in made.plan.stages]
    # each kind on one worker each, two on each lane and one more that is alone in the end; on one with the node's cores
    # to itself; twice on all four workers; and two and two on two each
    assert shapes == [(1, 4, 17), (1, 1, 2), (4, 1, 4), (2, 2, 5)]
    without = measurement("m", missing(STUDY, 4, 4, None), 4, shares_cores=False)
    assert [(s.workers_per_trial, s.concurrent_trials) for s in without.plan.stages] == [(1, 4), (4, 1), (2, 2)]
    assert {num_evaluations(e) for e in made.study.experiments} == {1}
    assert {made.asked[e.name].task.get("filters") is None for e in made.study.experiments} == {True, False}


def test_a_single_kind_is_measured_twice_on_a_lane_so_that_the_second_finds_it_there() -> None:
    made = measurement("m", [(LIKE, [1])], 1)
    assert [len(stage.trials) for stage in made.plan.stages] == [2]


def test_measuring_ends_in_time_but_leaves_no_kind_out() -> None:
    """Steps of 2 s, 20 of them: a trial of 40 s; a tenth of that is less than three minutes."""
    made = measurement("m", missing(STUDY, 2, 2, None), 2)
    trials = {e.name: StudyTrial(e.name, "waiting", 0, 0, 1) for e in made.study.experiments}
    first, limit = made.study.experiments[0].name, Limit(made.asked, 100.0)
    trials[first] = StudyTrial(first, "finished", 0, 0, 1, 100.0, 150.0, 1, record=record(num_steps=300))
    assert limit.left_out(trials, 279.0) == []
    left = limit.left_out(trials, 281.0)
    kept = [name for name, trial in trials.items() if trial.status == "waiting" and name not in left]
    assert [made.asked[name].task for name in kept] == [OTHER.task], "of which nothing is known yet"
    longer = Limit({name: replace(e, epochs=200) for name, e in made.asked.items()}, 100.0)
    assert longer.left_out(trials, 281.0) == [], "200 epochs of 10 steps of 2 s: a tenth is 400 s"
    assert longer.left_out(trials, 501.0)


def test_trainings_that_start_from_others_are_measured_without() -> None:
    later = replace(LIKE, name="later", task={"filters": [9]}, starts_from="a")
    made = measurement("m", [(later, [1])], 1)
    assert {e.starts_from for e in made.study.experiments} == {None}
    assert missing(Study("s", (LIKE, later)), 1, 1, profile_of([], [record(experiment=later.to_dict())])) == [
        (LIKE, [1])
    ]


def test_profiles_of_one_setting_add_up_and_of_two_the_new_one_counts() -> None:
    old, new = profile_of([(two_at_once(), {})]), profile_of([], [record()])
    assert len(merged(old, new).samples) == 4
    assert merged(old, new).closings_s == (3.0,)
    elsewhere = profile_of([], [record(device="another")])
    assert merged(old, elsewhere) == elsewhere


def test_a_kind_that_failed_on_so_many_workers_is_noted_and_not_measured_again() -> None:
    made = measurement("m", missing(STUDY, 2, 2, None), 2)
    failed = [
        StudyTrial(e.name, "failed" if "0-k2" in e.name else "stopped", 0, 0, 2, failure="out of memory")
        for e in made.study.experiments
    ]
    (one,) = failures(made, failed)
    assert (one.group, one.workers, one.reason) == (group_of(LIKE), 2, "out of memory")
    known = replace(profile_of([], [record()]), failed=(one,))
    assert missing(STUDY, 2, 2, known) == [(OTHER, [1, 2])]
