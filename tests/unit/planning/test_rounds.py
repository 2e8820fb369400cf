"""Members of a population wait for each other after each round."""

from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from measured_records import LIKE, record

from app.experiment import Study
from app.planning.cost import CostModel
from app.planning.forecast import forecasts, start_of_command_s
from app.planning.lanes import makespan_s
from app.planning.measured import profile_of
from app.planning.plan import Plan, Stage
from app.planning.play import Going, Plays
from app.planning.profile import Profile
from app.planning.rounds import round_epochs
from app.planning.schedule import expected_record
from app.planning.spread import between_trainings
from app.reporting.study.timeline import worker_rows
from app.scheduling import Scheduler

RATES = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-1}}


def population(num: int, epochs: int, interval: int, **options: int) -> Study:
    rule = Scheduler("pbt", {"perturbation_interval": interval, "hyperparam_mutations": RATES, **options})
    return Study("s", tuple(replace(LIKE, name=f"m{n}", epochs=epochs) for n in range(num)), scheduler=rule)


@pytest.fixture
def profile() -> Profile:
    """New processes take 5 s, those that are there 1; an epoch 10 x 2 + 2 s."""
    first = record()
    again = replace(first, timings=replace(first.timings, startup_s=0.0))
    samples = profile_of([], [first, again]).samples
    return replace(profile_of([], [first]), samples=(samples[0], replace(samples[1], start="kept")))


def going(study: Study, profile: Profile, **options: Any) -> Going:
    model = CostModel(profile)
    plays = Plays(study, model)
    return Going(plays, model, plays.typical(), **options)


def test_rounds_end_as_those_of_the_scheduler_do() -> None:
    assert round_epochs(population(2, 9, 3)) == [3, 3, 3]
    assert round_epochs(population(2, 10, 2, burn_in_period=6)) == [6, 2, 2]
    assert round_epochs(population(2, 3, 3)) == [3]
    assert round_epochs(replace(population(2, 9, 3), scheduler=None)) == []


def test_each_round_begins_again_and_waits_for_all(profile: Profile) -> None:
    """Three members on two workers, three rounds of two epochs: in each two turns of 1 + 44 s; 4 s once for new
    processes. Without rounds two turns of 1 + 132 s."""
    study, stages = population(3, 6, 2), [Stage(1, 2, ("m0", "m1", "m2"))]
    assert going(study, profile).makespan_s(stages) == pytest.approx(4 + 3 * 2 * 45)
    assert going(replace(study, scheduler=None), profile).makespan_s(stages) == pytest.approx(4 + 2 * 133)
    found = {one.plan.strategy: one for one in forecasts(study, profile, 2)}["experiment-parallel"]
    plain = {one.plan.strategy: one for one in forecasts(replace(study, scheduler=None), profile, 2)}
    # the third begins after the faster of two, which is so by 3 % x 0.56 of 45 s
    assert plain["experiment-parallel"].makespan_s == pytest.approx(270)
    assert found.makespan_s == pytest.approx(274 - 3 * 45 * 0.03 * 0.5642, abs=0.5)
    expected = found.plan.expected
    assert expected is not None
    assert expected.worker_s["again"] == pytest.approx(3 * 3 * 1.0)
    assert expected.trial_s["m0"] == pytest.approx(3 * 45)
    assert sum(expected.worker_s.values()) == pytest.approx(2 * found.makespan_s)


def test_stages_of_several_widths_start_their_processes_in_every_round(profile: Profile) -> None:
    study, stages = population(3, 6, 2), [Stage(1, 2, ("m0", "m1")), Stage(2, 1, ("m2",))]
    of = going(study, profile)
    once = makespan_s(stages, going(population(3, 2, 2), profile).seconds)
    assert once is not None and of.makespan_s(stages) == pytest.approx(3 * once)


def test_a_round_waits_for_the_slowest_of_its_members(profile: Profile) -> None:
    """Four at a time, of which each differs by a tenth in each round, drawn here a second time."""
    study, stages = population(4, 6, 2), [Stage(1, 4, ("m0", "m1", "m2", "m3"))]
    found = [going(study, profile, unevenness=0.1, seed=seed).makespan_s(stages) for seed in range(400)]
    slowest = np.exp(np.random.default_rng(0).normal(0, 0.1, (100_000, 4))).max(axis=1).mean()
    assert going(study, profile).makespan_s(stages) == pytest.approx(4 + 3 * 45)
    assert fmean(one for one in found if one is not None) == pytest.approx(4 + 3 * 45 * slowest, rel=0.01)


def test_trainings_alike_in_one_run_say_how_much_members_differ() -> None:
    """None: the 3 % that are assumed count as eight. Two that are 0.2 apart: sqrt((8 x 0.03^2 + 2 x 0.1^2) / 9)."""
    (sample,) = profile_of([], [record()]).samples
    assert between_trainings([sample]) == pytest.approx(0.03)
    other = replace(sample, step_s=sample.step_s * 2.718281828459045**0.2)
    assert between_trainings([sample, other]) == pytest.approx((0.0272 / 9) ** 0.5)
    assert between_trainings([sample, replace(other, run="another")]) == pytest.approx(0.03)


def test_a_timeline_draws_the_rounds(profile: Profile) -> None:
    study, stages = population(3, 6, 2), (Stage(1, 2, ("m0", "m1", "m2")),)
    of = going(study, profile)
    found = expected_record(Plan("s", 2, "x", stages), of.costs, rounds=of.costs_of_rounds())
    assert found.makespan_s() == pytest.approx(4 + 3 * 2 * 45)
    assert [(len(t.stints), t.end_s) for t in found.trials][2] == (3, pytest.approx(found.makespan_s()))
    first, second = worker_rows(found)
    assert [s.kind for s in first].count("startup") == 6 + 1
    assert sum(s.length_s for s in second if s.trial) == pytest.approx(4 + 3 * 45)
    assert start_of_command_s(CostModel(profile), 1, 2, ()) == 0
