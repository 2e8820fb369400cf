"""The imagined clusters that plans are judged on, by hand, and the fit to DistMIS's."""

import random
from dataclasses import replace

import pytest

from app.planning.cost import CostModel
from benchmarks.plan_distmis.run import Cluster, fitted, losses
from benchmarks.plan_simulated import run as plan_simulated
from benchmarks.plan_simulated.simulator import Kind, Trial, World, run, world

KIND = Kind(work_s=1.0, fixed_s=0.5, inside_s=0.1, across_s=0.4, per_worker_s=0.01, evaluation_s=8.0, steps=10)
QUIET = World(
    seed=0, num_workers=4, on_node=4, kinds=(KIND,), trials={n: Trial(n, 0, 2) for n in "abc"}, noise=0, straggler=0,
    step_noise=0.0, supply=0.0, start_s=5.0, handover_s=1.0, failure_rate=0, lost_s=0,
)  # fmt: skip
ONE_S = 2 * (10 * 1.5 + 8)
"""Of a trial on one worker: 46 s."""


def test_a_step_on_one_two_and_across_nodes() -> None:
    found = [QUIET.step_s(0, k) for k in (1, 2, 4, 8)]
    assert found == pytest.approx([1.5, 0.5 + 0.5 + 0.1, 0.5 + 0.25 + 0.1 + 0.02, 0.5 + 0.125 + 0.4 + 0.06])


def test_lanes_begin_once_and_hand_over() -> None:
    assert run([(1, 2, "abc")], QUIET, 0) == pytest.approx(5 + ONE_S + 1 + ONE_S)
    assert run([(1, 3, "abc")], QUIET, 0) == pytest.approx(5 + ONE_S)
    two_s = 2 * (10 * 1.1 + 4)
    assert run([(1, 2, "ab"), (2, 1, "c")], QUIET, 0) == pytest.approx(5 + ONE_S + 5 + two_s)


def test_neighbours_slow_down_while_they_are_there() -> None:
    """Two lanes side by side, each a half slower: (5 + 46) x 1.5 s; then the third, alone, has 1 + 46 s to go."""
    shared = replace(QUIET, supply=0.5)
    assert run([(1, 2, "abc")], shared, 0) == pytest.approx(51 * 1.5 + 47)


def test_noise_is_luck_that_plans_share() -> None:
    noisy = replace(QUIET, noise=0.1, straggler=0.1, failure_rate=3600.0, lost_s=0.01)
    plan = [(1, 3, "abc")]
    assert run(plan, noisy, 1) == run(plan, noisy, 1) != run(plan, noisy, 2)
    assert run(plan, noisy, None) == run(plan, QUIET, None)


def test_each_step_waits_for_the_slowest_of_its_workers() -> None:
    """Of four that differ by 10 % about 1.0294 x 10 % more than one (Harter 1961); the network does not wait."""
    noisy = replace(QUIET, step_noise=0.1)
    assert noisy.step_s(0, 4) == pytest.approx(0.75 * (1 + 0.10294 + 0.005) + 0.12, rel=0.01)
    (sample,) = (s for s in plan_simulated.measured(noisy, {0}).samples if (s.workers, s.start) == (1, "kept"))
    assert sample.step_spread == pytest.approx(0.1, rel=0.5)


def test_what_is_measured_of_a_quiet_world_foretells_it() -> None:
    model = CostModel(plan_simulated.measured(QUIET, {0}))
    cost = model.cost(plan_simulated._experiment(QUIET.trials["a"]), 1, 1)
    assert (cost.start_s, cost.run_s) == pytest.approx((5.0, ONE_S + 1.0))


def test_of_small_studies_the_choice_is_near_the_best_of_all_plans() -> None:
    regrets = [plan_simulated._small(seed) for seed in range(12)]
    assert sum(one <= 0.05 for one in regrets) >= 11


def test_a_plan_that_is_worse_has_a_regret() -> None:
    of = world(3, 4, 4)
    good = plan_simulated._candidates(of, [1, 2, 4])
    assert plan_simulated._regret(of, [good[-1]], plan_simulated._all(of, [1, 2, 4])) > 0


def test_failures_come_at_their_rate() -> None:
    from benchmarks.plan_simulated.simulator import _poisson

    chance = random.Random(0)
    assert sum(_poisson(2.0, chance) for _ in range(4000)) / 4000 == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("over_all", [False, True])
def test_the_seed_study_s_cluster_has_its_published_speed_ups(over_all: bool) -> None:
    found = fitted(Cluster(over_all=over_all))
    curves = found.speed_ups()
    assert curves["data-parallel"][32] == pytest.approx(12)
    assert curves["experiment-parallel"][32] == pytest.approx(14)
    for num in (4, 12, 32):
        for shares in losses(found, num).values():
            assert sum(shares.values()) == pytest.approx(1)


def test_without_losses_experiment_parallelism_is_ideal() -> None:
    found = Cluster(start=0, straggler=0).speed_ups()["experiment-parallel"]
    assert [round(one, 2) for one in found.values()] == [1, 2, 4, 8, 10.67, 16, 32]


def test_an_assumption_that_leaves_no_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got start 0\.08"):
        fitted(Cluster(start=0.08))
