"""What fits into a time."""

from dataclasses import replace

import pytest
from measured_records import LIKE, record

from app.experiment import Study
from app.planning.budget import check_budget, num_that_fit
from app.planning.forecast import choose, forecasts
from app.planning.measured import profile_of
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


def test_a_study_that_may_take_too_long_is_refused_with_what_fits() -> None:
    chosen = choose(forecasts(STUDY, PROFILE, 1))
    check_budget(STUDY, PROFILE, chosen, chosen.high_s)
    with pytest.raises(ValueError, match=r"--time-budget-h: got 0\.05 h.*the first 3 of 8 trials fit"):
        check_budget(STUDY, PROFILE, chosen, 180.0)


def test_members_of_a_population_are_counted_like_other_trials() -> None:
    mutations = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-1}}
    rule = Scheduler("pbt", {"perturbation_interval": LIKE.epochs, "hyperparam_mutations": mutations})
    population = replace(STUDY, scheduler=rule)
    with pytest.raises(ValueError, match=r"the first 3 of 8 trials fit"):
        check_budget(population, PROFILE, choose(forecasts(population, PROFILE, 1)), 180.0)


def test_what_fits_leaves_the_batches_to_the_search() -> None:
    """Of batches that may be odd none divides by two workers: one after the other takes twice as long as by halves."""
    search = Search("optuna", {"batch_size": Range(2, 3, integer=True)}, tuple(e.name for e in STUDY.experiments))
    searched = replace(STUDY, search=search)
    one_s = choose(forecasts(replace(STUDY, experiments=STUDY.experiments[:1]), PROFILE, 1)).high_s
    assert num_that_fit(searched, PROFILE, 2, 0.9 * one_s) == 0
    assert num_that_fit(STUDY, PROFILE, 2, 0.9 * one_s) > 0
