"""What memory a step takes: the rule by hand, and one process measured against what is known of it."""

from typing import Any

import pytest

from benchmarks.common import Setting
from benchmarks.memory.run import OPTIONS, Rule, Step, available_bytes, fit, table
from benchmarks.side import Side


def test_the_rule_is_the_line_through_what_was_measured() -> None:
    """100 bytes and 3 a voxel: 8 voxels 124, 27 voxels 181."""
    steps = [Step((2, 2, 2), 1.0, 100, 124), Step((3, 3, 3), 1.0, 100, 181)]
    rule = fit(steps)
    assert (rule.fixed_bytes, rule.bytes_per_voxel) == pytest.approx((100, 3))
    assert rule.bytes_at(64) == pytest.approx(292)
    assert fit(steps[:1]) == Rule(100, 3)
    with pytest.raises(ValueError, match="no steps: expected at least one"):
        fit([])


def test_the_largest_cube_that_fits() -> None:
    rule = Rule(100, 3)
    assert [rule.largest_edge(memory) for memory in (0, 99, 103, 124, 180, 181, 292)] == [0, 0, 1, 2, 2, 3, 4]


def test_what_the_kernel_says_is_read_in_bytes() -> None:
    assert available_bytes("MemTotal:  9 kB\nMemFree:  1 kB\nMemAvailable:   4096 kB\n") == 4 * 2**20


def test_the_table_has_a_line_a_step_and_says_what_was_not_run() -> None:
    told: dict[str, Any] = {"steps": [{"size": (2, 2, 2), "seconds": 1.5, "peak_bytes": 3e9}], "refused": None}
    facts: dict[str, dict[str, Any]] = {name: {**told, "whole_volume_bytes": 5e9} for name in OPTIONS}
    facts["fp32"]["refused"] = {"size": (4, 4, 4), "expected_bytes": 24e9}
    lines = [" ".join(line.split()) for line in table(facts)]
    assert lines[1] == "fp32 2x2x2 3.00 GB 1.50 s"
    assert lines[2] == "fp32 4x4x4 24.00 GB was not run"
    assert lines[-1].endswith(": 152x240x240 takes 5.00 GB by the line through what was measured")


def test_a_step_is_measured_in_a_process_of_its_own(setting: Setting) -> None:
    """Two volumes of 48^3 use more than the first convolution's 8 channels of 4 bytes and the samples, int16 x 4."""
    network = {"outputs": "whole", "filters": [8, 16], "norm": "instance", "loss": "dice", "augment": None}
    with Side("benchmarks.memory.ours", log=setting.work / "log") as side:
        found = side.call(
            "measure", network=network, size=[48] * 3, batch_size=2, micro_batch_size=None, precision="fp32"
        )
    assert found["before_bytes"] > 2 * 48**3 * 8 and found["seconds"] > 0
    assert found["peak_bytes"] - found["before_bytes"] > 2 * 48**3 * 8 * 4


@pytest.fixture
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(quick=True, work=tmp_path_factory.mktemp("memory"))
