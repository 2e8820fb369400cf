"""A step on several workers takes as long as the slowest of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from measured_records import LIKE, record

from app.planning.cost import CostModel
from app.planning.measured import profile_of
from app.planning.profile import Profile
from app.planning.slowest import largest_of, slower, spread_of
from app.planning.spread import Chance
from app.planning.step_time import ring_s

LARGE = replace(LIKE, batch_size=8)


def profile(*steps: tuple[int, float, float]) -> Profile:
    """Trainings on k workers: k, seconds of a step, and how much steps differ as a share of them."""
    ran = []
    for k, step_s, spread in steps:
        one = record(f"on{k}", k, step_s, experiment=LARGE.to_dict(), global_batch_size=8)
        ran.append(replace(one, timings=replace(one.timings, step_spread=spread)))
    return profile_of([], ran)


def step_s(of: Profile, k: int) -> float:
    return CostModel(of).cost(LARGE, k, 1).steps_s / 20


def test_the_largest_of_several_as_tables_have_it() -> None:
    """Harter 1961 for 5, 8 and 32; of two and three in closed form."""
    means = [largest_of(k)[0] for k in (1, 2, 3, 5, 8, 32)]
    roots = [0.0, 1 / math.sqrt(math.pi), 1.5 / math.sqrt(math.pi)]
    assert means == pytest.approx([*roots, 1.16296, 1.42360, 2.06967], abs=1e-5)
    assert largest_of(2)[1] == pytest.approx(math.sqrt(1 - 1 / math.pi))


def test_on_workers_that_were_not_measured_a_step_waits_for_the_slowest() -> None:
    """Measured alone, 8 samples in 4 s that differ by 20 %: on eight a sample's half second, by 1 + 0.2 x 1.4236."""
    assert step_s(profile((1, 4.0, 0.2)), 8) == pytest.approx(0.5 * 1.28472 + ring_s(1000, 8), rel=1e-5)
    assert step_s(profile((1, 4.0, 0.0)), 8) == pytest.approx(0.5 + ring_s(1000, 8))


def test_what_was_measured_on_several_has_its_wait_in_it_already() -> None:
    """A sample takes 0.5 s, 0.1 s are fixed, steps differ by a fifth. Of two workers the slower takes 1 + 0.2 x 0.5642
    as long; what was measured is left as it is, and four are reckoned from what each worker computes."""
    wait2, wait4 = 1 + 0.2 * 0.56419, 1 + 0.2 * 1.02938
    found = profile((1, 4.1, 0.2), (2, 2.1 * wait2 + ring_s(1000, 2), 0.15))
    assert step_s(found, 2) == pytest.approx(2.1 * wait2 + ring_s(1000, 2))
    assert step_s(found, 4) == pytest.approx(1.1 * wait4 + ring_s(1000, 4), rel=1e-5)
    assert step_s(found, 4) < 1.1 * wait2 * wait4 + ring_s(1000, 4), "not twice"


def test_fewer_workers_than_measured_wait_less() -> None:
    """Four were measured, whose steps are drawn here: each worker's differ by 15 % of a second."""
    steps = np.random.default_rng(0).normal(1.0, 0.15, (200_000, 4)).max(axis=1)
    found = profile((4, float(steps.mean()) + ring_s(1000, 4), float(steps.std() / steps.mean())))
    assert spread_of("key", found.samples, Chance(None)) == pytest.approx(0.15, rel=0.01)
    assert step_s(found, 1) == pytest.approx(4.0, rel=0.01)
    pairs = np.random.default_rng(1).normal(1.0, 0.15, (200_000, 2)).max(axis=1)
    assert step_s(found, 2) == pytest.approx(2.0 * pairs.mean() + ring_s(1000, 2), rel=0.01)


def test_over_several_nodes_the_network_s_part_has_no_wait_in_it() -> None:
    """A worker computes 0.5 s a sample, steps differ by a fifth; two workers are a node. Four take a second more for
    the network than that and their wait."""
    wait4, wait8 = 1 + 0.2 * 1.02938, 1 + 0.2 * 1.42360
    one = profile((1, 4.0, 0.2), (2, 2.0 * (1 + 0.2 * 0.56419) + ring_s(1000, 2), 0.0), (4, 1.0 * wait4 + 1.0, 0.0))
    far = step_s(replace(one, workers_on_node=2), 8)
    assert far == pytest.approx(0.5 * wait8 + 1.0 * ring_s(1000, 8) / ring_s(1000, 4), rel=1e-4)


def test_steps_that_differ_beyond_belief_are_cut_off() -> None:
    (sample,) = profile((4, 1.0, 3.0)).samples
    assert spread_of("key", [sample], Chance(None)) == 1.0
    assert slower(4, 1.0) == pytest.approx(2.02938, abs=1e-5)
