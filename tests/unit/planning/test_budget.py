"""What fits into a time."""

from dataclasses import replace

import pytest
from measured_records import LIKE, record

from app.experiment import Study
from app.planning.budget import bounded, num_that_fit, only, with_done
from app.planning.forecast import choose, forecasts
from app.planning.measured import profile_of
from app.planning.plan import check
from app.records import StudyTrial
from app.scheduling import Scheduler
from app.search_space import Range, Search

STUDY = Study("s", tuple(replace(LIKE, name=f"t{n}") for n in range(8)))
PROFILE = profile_of([], [record()])


def test_the_first_trials_that_fit_are_counted_by_the_end_of_their_interval() -> None:
    ends = [choose(forecasts(replace(STUDY, experiments=STUDY.experiments[:n]), PROFILE, 1)).high_s for n in (3, 4)]
    assert ends[0] > 5 + 3 * 44  # three of 44 s and start-up, and later in one of ten cases
    assert num_that_fit(STUDY, PROFILE, 1, ends[0]) == 3
    assert num_that_fit(STUDY, PROFILE, 1, ends[1] - 0.01) == 3
    assert num_that_fit(STUDY, PROFILE, 1, 1.0) == 0
    assert num_that_fit(STUDY, PROFILE, 1, 1e6) == 8


def test_a_study_that_fits_keeps_its_plan_and_begins_a_trial_only_where_it_can_end() -> None:
    """A trial of 44 s may take as far more as the whole; of the first eight all fit."""
    chosen = choose(forecasts(STUDY, PROFILE, 1))
    bound = bounded(STUDY, PROFILE, chosen, chosen.high_s)
    assert (bound.plan, bound.num_fitting) == (chosen.plan, 8)
    longest_s = 44 * chosen.high_s / chosen.makespan_s
    assert bound.trial_s["t0"] == pytest.approx(longest_s)
    trials = {"t0": StudyTrial("t0", "waiting", 0, 0, 1, start_s=5.0), "t1": StudyTrial("t1", "waiting", 0, 0, 1)}
    assert bound.left_out(trials, 1000.0, 1000.0 + longest_s + 1) == []
    assert bound.left_out(trials, 1000.0, 1000.0 + longest_s - 1) == ["t1"], "t0 has begun"


def test_of_a_study_that_is_too_long_the_first_trials_come_first_and_the_rest_after_them() -> None:
    chosen = choose(forecasts(STUDY, PROFILE, 1))
    bound = bounded(STUDY, PROFILE, chosen, 180.0)
    assert bound.num_fitting == 3
    assert [sorted(stage.trials) for stage in bound.plan.stages] == [["t0", "t1", "t2"], [f"t{n}" for n in range(3, 8)]]
    check(bound.plan, STUDY)
    with pytest.raises(ValueError, match=r"the budget is 0\.00278 h on 1 workers; expected 0\.01.* h or more"):
        bounded(STUDY, PROFILE, chosen, 10.0)


def test_what_is_finished_stands_first_in_the_plan_of_the_rest() -> None:
    rest = only(STUDY, ["t2", "t3"])
    plan = with_done(choose(forecasts(rest, PROFILE, 1)).plan, only(STUDY, ["t0", "t1", "t2", "t3"]), ["t0", "t1"])
    assert [sorted(stage.trials) for stage in plan.stages] == [["t0", "t1"], ["t2", "t3"]]


def test_members_of_a_population_are_counted_like_other_trials() -> None:
    mutations = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-1}}
    rule = Scheduler("pbt", {"perturbation_interval": LIKE.epochs, "hyperparam_mutations": mutations})
    population = replace(STUDY, scheduler=rule)
    with pytest.raises(ValueError, match=r"the first 3 of 8 trials fit"):
        bounded(population, PROFILE, choose(forecasts(population, PROFILE, 1)), 180.0)


def test_what_fits_leaves_the_batches_to_the_search() -> None:
    """Of batches that may be odd none divides by two workers: one after the other takes twice as long as by halves."""
    search = Search("optuna", {"batch_size": Range(3, 4, integer=True)}, tuple(e.name for e in STUDY.experiments))
    searched = replace(STUDY, search=search)
    one_s = choose(forecasts(replace(STUDY, experiments=STUDY.experiments[:1]), PROFILE, 1)).high_s
    odd = record(experiment=replace(LIKE, batch_size=3).to_dict(), global_batch_size=3)
    assert num_that_fit(searched, profile_of([], [record(), odd]), 2, 0.9 * one_s) == 0
    assert num_that_fit(STUDY, PROFILE, 2, 0.9 * one_s) > 0
