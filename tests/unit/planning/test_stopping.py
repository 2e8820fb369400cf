"""What schedulers that end trials early leave of a study."""

from dataclasses import replace
from statistics import fmean

from measured_records import LIKE, record

from app.experiment import Study
from app.planning.forecast import forecasts
from app.planning.measured import profile_of
from app.planning.stopping import drawn_epochs
from app.scheduling import Scheduler

TRIALS = tuple(replace(LIKE, name=f"t{number:02d}", epochs=9) for number in range(60))
ASHA = Study("s", TRIALS, scheduler=Scheduler("asha", {"grace_period": 1, "reduction_factor": 3}))


def test_of_trials_under_asha_about_a_third_passes_each_rung() -> None:
    reached = [sorted(drawn_epochs(ASHA, seed).values()) for seed in range(40)]
    assert {epochs for one in reached for epochs in one} == {1, 3, 9}
    beyond_first = fmean(sum(epochs > 1 for epochs in one) / 60 for one in reached)
    to_the_end = fmean(sum(epochs == 9 for epochs in one) / 60 for one in reached)
    assert 0.30 < beyond_first < 0.45  # a third of those before, and the first ones, which none was before
    assert 0.10 < to_the_end < 0.25


def test_a_trial_is_stopped_at_evaluations_only() -> None:
    rarely = replace(ASHA, experiments=tuple(replace(e, evaluate_every_epochs=2) for e in TRIALS))
    assert set(drawn_epochs(rarely, 0).values()) <= {2, 4, 9}


def test_the_same_play_again_is_the_same() -> None:
    assert drawn_epochs(ASHA, 3) == drawn_epochs(ASHA, 3) != drawn_epochs(ASHA, 4)


def test_median_stopping_waits_its_grace_and_then_ends_most() -> None:
    rule = Scheduler("median_stopping_rule", {"grace_period": 3, "min_samples_required": 3})
    found = [drawn_epochs(replace(ASHA, scheduler=rule), seed) for seed in range(20)]
    assert min(epochs for one in found for epochs in one.values()) >= 3
    # only the survivors have come as far, and their median is higher the later it is
    assert 0.5 < fmean(sum(epochs < 9 for epochs in one.values()) / 60 for one in found) < 0.75
    assert all(one[name] == 9 for one in found for name in ("t00", "t01", "t02"))  # too few before them


def test_median_stopping_ends_trials_from_the_first_epoch_on_unless_told_otherwise() -> None:
    rule = Scheduler("median_stopping_rule")
    assert 1 in drawn_epochs(replace(ASHA, scheduler=rule), 0).values()


def test_trials_that_are_validated_on_other_data_do_not_compare() -> None:
    """Of each two the first of its kind has none before it to fall behind; of all four that goes on for one alone."""
    mixed = tuple(replace(e, workload="wv"[number % 2]) for number, e in enumerate(TRIALS[:4]))
    apart = [drawn_epochs(replace(ASHA, experiments=mixed), seed) for seed in range(20)]
    assert all(one["t00"] == one["t01"] == 9 for one in apart)
    together = [drawn_epochs(replace(ASHA, experiments=TRIALS[:4]), seed) for seed in range(20)]
    assert any(one["t01"] < 9 for one in together)


def test_a_median_that_only_pauses_leaves_trials_whole() -> None:
    rule = Scheduler("median_stopping_rule", {"hard_stop": False})
    assert set(drawn_epochs(replace(ASHA, scheduler=rule), 0).values()) == {9}


def test_without_a_scheduler_every_trial_runs_to_its_end() -> None:
    assert set(drawn_epochs(replace(ASHA, scheduler=None), 0).values()) == {9}


def test_a_study_that_stops_trials_is_foreseen_as_shorter() -> None:
    profile = profile_of([], [record(), record(k=2, step_s=1.2)])
    few = replace(ASHA, experiments=TRIALS[:12])
    stopped, whole = (forecasts(replace(few, scheduler=s), profile, 2)[0] for s in (ASHA.scheduler, None))
    assert stopped.makespan_s < 0.7 * whole.makespan_s
    assert stopped.low_s < stopped.makespan_s < stopped.high_s
    assert stopped.bound_s < stopped.makespan_s
