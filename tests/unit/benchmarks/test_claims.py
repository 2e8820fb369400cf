"""The benchmarks of the two studies' claims: what they train, and what they say of it."""

from pathlib import Path

import numpy as np

from benchmarks.batch_sizes.run import REFERENCE, against_reference, experiments
from benchmarks.common import Setting
from benchmarks.networks.run import table


def test_each_way_is_tried_at_each_large_batch_and_one_plain_training_at_a_small_one(tmp_path: Path) -> None:
    found = experiments(Setting(quick=False, work=tmp_path))
    assert len(found) == len({one.name for one in found.values()}) == 3 + 4 * 2
    assert {one.optimizer.name for way, one in found.items() if way.startswith("LA")} == {"lars", "lamb"}
    assert found["twice the epochs, 2048"].epochs == 2 * found["sgd, 2048"].epochs
    assert found["warm-up over a quarter, 512"].schedule.warmup_share == 0.25
    assert {one.batch_size for one in found.values()} == {64, 512, 2048}


def test_a_way_that_is_worse_is_told_and_one_that_differs_by_chance_is_not() -> None:
    chance = np.random.default_rng(0)
    base = chance.random(600) < 0.9
    worse, other = base & (chance.random(600) < 0.8), base.copy()
    other[[0, 1]] ^= True
    found = against_reference({REFERENCE: base, "a": worse, "b": other}, [str(n) for n in range(600)])
    assert found[REFERENCE]["against"] is None and found[REFERENCE]["accuracy"] == base.mean()
    assert found["a"]["against"]["verdict"] == "worse"
    assert found["b"]["against"]["verdict"] == "no significant difference"
    assert found["a"]["against"]["holm_p"] == 2 * found["a"]["against"]["p_value"], "the smaller of two"


def test_a_network_s_row_says_what_it_costs_and_what_it_scores() -> None:
    point = {
        "network": "resnet50", "num_parameters": 23_500_000, "samples_per_s": 12.34, "memory_bytes": 1.5e9,
        "score": 0.25, "low": None, "high": None,
    }  # fmt: skip
    told = {**point, "low": 0.2, "high": 0.3}
    assert table([point])[-1] == "| resnet50 | 23.5 M | 12.3 | 1.5 GB | 0.25 |"
    assert table([told])[-1].endswith("| 0.25 (0.20 to 0.30) |")
