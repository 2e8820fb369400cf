"""What a trial and a study are said to take, by a profile."""

import math
from dataclasses import replace

import numpy as np
import pytest
from measured_records import LIKE, record, two_at_once

from app.experiment import Study
from app.planning.cost import CostModel
from app.planning.forecast import choose, forecasts
from app.planning.measured import profile_of
from app.planning.plan import check
from app.planning.profile import Profile, Sample, Setting, Start, group_of
from app.planning.spread import Chance, between_runs
from app.planning.step_time import ring_s


def test_the_time_of_a_trial_as_measured() -> None:
    cost = CostModel(profile_of([], [record()])).cost(replace(LIKE, epochs=3), 1, 1)
    assert (cost.start_s, cost.measured) == (5, True)
    assert cost.run_s == pytest.approx(3 * (10 * 2 + 2))


def test_neighbours_cost_what_was_measured_beside_them() -> None:
    study = two_at_once()
    alone = replace(study.trials[2], record=record("c", step_s=1.0))
    model = CostModel(profile_of([(replace(study, trials=(*study.trials[:2], alone)), {})]))
    beside, by_itself = model.cost(LIKE, 1, 2), model.cost(LIKE, 1, 1)
    assert beside.steps_s - by_itself.steps_s == pytest.approx(20)
    assert beside.evaluation_s == pytest.approx(by_itself.evaluation_s), "it was measured beside others too"


def test_neighbours_of_another_width_cost_what_the_profile_has_seen() -> None:
    """Alone 1 s, beside one 1.5 s: each busy worker more adds a half. Two on 1 worker each at 3 s: alone 2 s."""
    study = two_at_once()
    steps = {"a": 1.5, "b": 1.5, "c": 1.0}
    trials = tuple(replace(t, record=record(t.name, step_s=steps[t.name])) for t in study.trials)
    other = tuple(
        replace(t, record=record(t.name, step_s=3.0, experiment=replace(LIKE, workload="other").to_dict()))
        for t in study.trials[:2]
    )
    model = CostModel(profile_of([(replace(study, trials=trials), {}), (replace(study, trials=other), {})]))
    assert model.cost(replace(LIKE, workload="other"), 1, 1).steps_s == pytest.approx(20 * 2.0)


def test_neighbours_never_make_a_step_faster_whatever_noise_says() -> None:
    """Beside another 2.0 s, twice; alone 3.5 s, once: (2 x 2.0 + 3.5) / 3 = 2.5 s for both."""
    study = two_at_once()
    trials = (*study.trials[:2], replace(study.trials[2], record=record("c", step_s=3.5)))
    model = CostModel(profile_of([(replace(study, trials=trials), {})]))
    assert [model.cost(LIKE, 1, c).steps_s for c in (1, 2)] == pytest.approx([20 * 2.5, 20 * 2.5])


def test_start_up_of_a_command_of_a_lane_and_of_what_is_kept() -> None:
    study = two_at_once()
    late = replace(study.trials[1], name="d", start_s=200.0, end_s=250.0, lane=3)
    found = {"a": 9.0, "b": 9.0, "c": 0.5, "d": 6.0}
    trials = tuple(
        replace(t, record=replace(r := record(t.name), timings=replace(r.timings, startup_s=found[t.name] - 1)))
        for t in (*study.trials, late)
    )
    model = CostModel(profile_of([(replace(study, trials=trials), {})]))
    cost = model.cost(LIKE, 1, 1)
    assert (model.launch_s(1), cost.start_s, cost.again_s) == pytest.approx((3.0, 5.5, 0.5))


def test_over_more_nodes_than_measured_the_network_is_as_slow_as_it_was_over_two() -> None:
    """A sample takes 0.5 s and a step 0.1 beside; two workers are a node. On four, over two nodes, 0.9 s of the 2.0 are
    no computing; on eight the ring takes 14 latencies and 7 us for 6 and 6 us."""
    large = replace(LIKE, batch_size=8)
    steps = {1: 4.1, 2: 2.1 + ring_s(1000, 2), 4: 2.0}
    ran = [
        record(f"on{k}", k, step_s=s, experiment=large.to_dict(), global_batch_size=8, num_parameters=1000)
        for k, s in steps.items()
    ]
    far = CostModel(replace(profile_of([], ran), workers_on_node=2)).cost(large, 8, 1)
    assert far.steps_s == pytest.approx(20 * (0.6 + 0.9 * 1407 / 606), rel=1e-4) and not far.measured
    near = CostModel(replace(profile_of([], ran), workers_on_node=8)).cost(large, 8, 1)
    assert near.steps_s < 20 * 2.0, "within a node what four took beyond two is taken for computing"


def test_a_kind_that_never_was_first_on_its_lane_starts_as_much_later_there_as_others() -> None:
    """Another kind took 9 s from the command on, of which Ray took 4, and 0.5 on a lane that was there; this one 1."""
    sample = profile_of([], [record()]).samples[0]
    first, kept = replace(sample, groups=("other",), startup_s=9.0), replace(sample, groups=("other",), startup_s=0.5)
    mine = replace(sample, start="kept", startup_s=1.0)
    profile = replace(profile_of([], [record()]), samples=(first, replace(kept, start="kept"), mine), readies_s=(4.0,))
    cost = CostModel(profile).cost(LIKE, 1, 1)
    assert (cost.again_s, cost.start_s) == pytest.approx((1.0, 9.0 - 4.0 - 0.5))
    alone = CostModel(replace(profile, samples=(mine,))).cost(LIKE, 1, 1)
    assert (alone.again_s, alone.start_s) == (1.0, 0.0), "nothing is known of a start"


def test_how_often_is_evaluated_changes_the_time_and_needs_no_other_profile() -> None:
    """Six epochs: 6 evaluations of 1.5 s, or 2, one after every three."""
    model = CostModel(profile_of([], [record()]))
    often, rarely = (
        model.cost(replace(LIKE, epochs=6, evaluate_every_epochs=every), 1, 1).evaluation_s for every in (1, 3)
    )
    assert (often, rarely) == pytest.approx((9.0, 3.0))


def test_an_evaluation_on_more_workers_than_measured_is_spread_over_them() -> None:
    cost = CostModel(profile_of([], [record()])).cost(LIKE, 2, 1)
    assert cost.evaluation_s == pytest.approx(1.5)  # two of 1.5 s, halved


def test_runs_that_differ_more_than_is_assumed_make_the_interval_wider() -> None:
    """No run twice: the 8 % that are assumed. Two runs, log means 0.2 apart: sqrt((4 x 0.08^2 + 2 x 0.1^2) / 5)."""
    (sample,) = profile_of([], [record()]).samples
    assert between_runs([sample]) == pytest.approx(0.08)
    other = replace(sample, run="another", step_s=sample.step_s * 2.718281828459045**0.2)
    assert between_runs([sample, other]) == pytest.approx((0.0456 / 5) ** 0.5)


def test_a_width_between_measured_ones_lies_on_their_line() -> None:
    """Step of 4 samples 4 s, of 1 sample a worker 1.9 s: a = 1.2, b = 0.7; 2 samples a worker: 2.6 s and the ring."""
    model = CostModel(profile_of([], [record(step_s=4.0), record(k=4, step_s=1.9 + ring_s(1000, 4))]))
    cost = model.cost(LIKE, 2, 1)
    assert not cost.measured
    assert cost.steps_s == pytest.approx(2 * 10 * (2.6 + ring_s(1000, 2)))


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
        check(one.plan, STUDY)
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
    wide, narrow_s = (((one.high_s - one.low_s) / one.makespan_s) for one in (inferred, known))
    assert wide > 1.4 * narrow_s > 0.1
    assert "inferred" in inferred.plan.reasons[0]


def test_the_cheapest_and_the_fastest_and_a_deadline() -> None:
    found = [one for n in (1, 2) for one in forecasts(STUDY, MEASURED, n)]
    assert choose(found).plan.num_workers == 2
    assert choose(found, "cost").plan.num_workers == 1
    assert choose(found, "cost", deadline_s=240).plan.num_workers == 2
    with pytest.raises(ValueError, match="--deadline-h"):
        choose(found, deadline_s=1)


def test_what_a_plan_is_expected_to_take_by_term_adds_up_to_all_workers_time() -> None:
    for one in forecasts(STUDY, MEASURED, 2):
        expected = one.plan.expected
        assert expected is not None
        assert sum(expected.worker_s.values()) == pytest.approx(2 * one.makespan_s)
    by_name = {one.plan.strategy: one.plan.expected for one in forecasts(STUDY, MEASURED, 2)}
    each = by_name["experiment-parallel"]
    # three trials of 2 x 10 steps at 4.2 s; the second worker is idle while the third trial runs
    assert each is not None
    assert each.worker_s["steps"] == pytest.approx(3 * 84)
    assert each.worker_s["idle"] == pytest.approx(88)


def test_the_end_of_the_command_belongs_to_the_study() -> None:
    study = replace(STUDY, experiments=STUDY.experiments[:1])
    with_end, without = (
        forecasts(study, profile_of([(replace(two_at_once(), status=status), {})]), 1)[0].makespan_s
        for status in ("finished", "running")
    )
    assert with_end == pytest.approx(without + 3.0)


def test_a_trial_that_starts_from_another_is_foreseen_to_wait_for_it() -> None:
    """a and c take 100 epochs one after the other, b and d one: on two workers no less than 200 epochs."""
    epochs = {"a": 100, "b": 1, "c": 100, "d": 1}
    origins = {"c": "a", "d": "b"}
    trials = tuple(replace(LIKE, name=n, epochs=e, starts_from=origins.get(n)) for n, e in epochs.items())
    profile = profile_of([], [record()])
    (found,) = (f for f in forecasts(Study("s", trials), profile, 2) if f.plan.strategy == "experiment-parallel")
    model = CostModel(profile)
    assert found.makespan_s == pytest.approx(5 + 2 * model.cost(trials[0], 1, 1).run_s)
    assert found.low_s > 0.8 * found.makespan_s


def sample(k: int, start: Start, step_s: float = 1.0, **changes: object) -> Sample:
    """Of LIKE: 10 steps an epoch, start-up 8 s on a lane, 2 s where it is there."""
    startup_s = {"command": 20.0, "lane": 8.0, "changed": 3.0, "kept": 2.0}[start]
    made = Sample((group_of(LIKE),), "r", k, 1, start, 4, 10.0, startup_s, step_s, evaluation_s=1.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def profile(*samples: Sample, device: str = "gpu", readies_s: tuple[float, ...] = ()) -> Profile:
    return Profile(Setting(device, 4), samples, readies_s=readies_s)


def test_more_neighbours_than_were_measured_cost_as_much_more_each() -> None:
    """Alone 1 s and a tenth more for each neighbour: 1.1 s beside one, 1.2 s beside two, so 1.3 s beside three."""
    model = CostModel(profile(*(sample(1, "lane", 0.9 + 0.1 * num, side_by_side=num) for num in (2, 3))))
    assert model.cost(LIKE, 1, 4).steps_s == pytest.approx(20 * 1.3)


def test_more_workers_than_were_measured_go_on_along_the_line_of_the_two_nearest() -> None:
    """Twelve samples a step: 6 each take 6 s, 4 each 5 s, so 2 each 4 s; one worker alone, at 30 s, has no say."""
    like = replace(LIKE, batch_size=12)
    times = {1: 30.0, 2: 6.0, 3: 5.0}
    samples = (sample(k, "lane", s, groups=(group_of(like),), global_batch_size=12) for k, s in times.items())
    assert CostModel(profile(*samples)).cost(like, 6, 1).steps_s == pytest.approx(20 * 4.0, rel=1e-3)


def test_what_was_measured_is_drawn_with_replacement_and_a_single_value_with_the_spread_assumed() -> None:
    """Of 1, 2 and 6 the variance is 14 / 3, that of a mean of three draws a third of it."""
    means = np.array([Chance(seed).mean("key", [1.0, 2.0, 6.0]) for seed in range(2000)])
    assert means.mean() == pytest.approx(3, abs=0.1) and means.std() == pytest.approx(math.sqrt(14) / 3, rel=0.06)
    singles = np.log([Chance(seed).mean("key", [2.0]) for seed in range(2000)])
    assert np.median(singles) == pytest.approx(math.log(2), abs=0.003) and singles.std() == pytest.approx(0.03, rel=0.1)
    assert Chance(None).mean("key", [1.0, 2.0, 6.0]) == 3 and Chance(None).mean("key", [2.0]) == 2


def test_a_command_starts_each_width_in_its_own_time() -> None:
    """On one worker once Tune is ready; of a group 20 s in all where its lane takes 8, for it comes up beside Tune."""
    measured = (sample(4, "command"), sample(4, "lane"), sample(1, "lane"))
    model = CostModel(profile(*measured, readies_s=(15.0,)))
    assert [model.launch_s(k) for k in (1, 2, 4)] == pytest.approx([15.0, 12.0, 12.0])
    apart = CostModel(profile(sample(4, "lane"), sample(1, "command"), readies_s=(16.0,)))
    assert apart.launch_s(4) == pytest.approx(8.0), "no command began with a group: half of Tune's start"
    ones = CostModel(profile(sample(4, "lane"), sample(1, "command"), sample(1, "lane"), readies_s=(16.0,)))
    assert ones.launch_s(4) == pytest.approx(8.0), "nor is it that of commands that began with one worker each"
    without = CostModel(profile(sample(4, "command"), sample(4, "kept"), readies_s=(15.0,)))
    assert without.cost(LIKE, 4, 1).start_s == pytest.approx(20.0 - 15.0 - 2.0), "a lane is the command less its begin"


def test_the_first_training_of_a_lane_takes_longer_once() -> None:
    """Its evaluation 4 s more, of which it saw a half, its first steps 3 s more, its hand-over half a second."""
    first = sample(1, "lane", evaluation_s=5.0, evaluated_share=0.5, first_steps_s=3.5, handover_s=0.6)
    cost = CostModel(profile(first, sample(1, "kept", first_steps_s=0.5, handover_s=0.1))).cost(LIKE, 1, 1)
    assert (cost.handover_s, cost.new_handover_s) == pytest.approx((0.1, 0.5))
    assert (cost.new_steps_s, cost.new_evaluation_s) == pytest.approx((3.0, 2.0))
    assert (cost.steps_s, cost.evaluation_s) == pytest.approx((2 * 10 * 1.0 + 0.5, 2 * 1.0))
    assert cost.lane_s == pytest.approx(8.0 - 2.0 + 3.0 + 2.0 + 0.5)


def test_workers_of_cpus_share_the_cores_of_those_that_have_room_whether_they_run_or_not() -> None:
    """Four cores. With room for four, 4 s beside all and 3 s alone, on one thread; with room for one, 1 s on four."""
    busy = sample(1, "lane", 4.0, side_by_side=4, places=4)
    last = sample(1, "kept", 3.0, side_by_side=1, places=4)
    alone = sample(1, "kept", 1.0, side_by_side=1, places=1)
    steps = lambda places, busy: model.cost(LIKE, 1, places, busy).steps_s / 20  # noqa: E731
    model = CostModel(profile(busy, last, alone, device="cpu"))
    assert [steps(4, 4), steps(4, 1), steps(1, 1)] == pytest.approx([4.0, 3.0, 1.0])
    assert steps(2, 2) == pytest.approx((3.0 + 1.0 / 3) / 2**0.8), "two threads: a fifth of the four is assumed"
    model = CostModel(profile(busy, last, device="gpu"))
    assert steps(1, 1) == pytest.approx(3.0), "a GPU's worker has its GPU"


def test_numerics_are_chosen_once_for_each_kind() -> None:
    other = replace(LIKE, workload="other")
    model = CostModel(
        profile(
            sample(1, "command", choosing_s=6.0),
            sample(1, "kept"),
            sample(1, "kept", groups=(group_of(other),), choosing_s=4.0),
        )
    )
    assert [model.choosing_s([LIKE, other], lanes) for lanes in (1, 2)] == [10.0, 6.0]
    study = Study("s", (LIKE,))
    cold, up = (forecasts(study, profile(sample(1, "command", choosing_s=6.0)), 1, is_up=up)[0] for up in (False, True))
    assert cold.makespan_s - up.makespan_s == pytest.approx(6.0)


def test_what_was_measured_beside_other_work_is_less_certain() -> None:
    """Two of four cores busy: sqrt(0.08^2 + 0.15^2) = 0.17 in place of 0.08."""
    study, quiet = Study("s", (replace(LIKE, epochs=1000),)), profile(sample(1, "kept"), sample(1, "kept"))
    widths = [
        (found.high_s - found.low_s) / found.makespan_s
        for busy in (0.0, 2.0)
        for found in forecasts(study, replace(quiet, busy_cores=busy), 1)
    ]
    assert widths[1] / widths[0] == pytest.approx(0.17 / 0.08, rel=0.1)
