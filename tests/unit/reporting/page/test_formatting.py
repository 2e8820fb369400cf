"""Numbers, times and names in words."""

import math

import pytest

from app.records import Timings
from app.reporting.page import formatting


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0 s"),
        (4.24, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (200.0, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500.0, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert formatting.duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1234.5, "1,234"),
        (12.345, "12.3"),
        (0.6604, "0.660"),
        (0.0012345, "0.00123"),
        (0, "0"),
        (None, "–"),
        (math.inf, "–"),
    ],
)
def test_quantities_have_three_significant_digits(value: float | None, expected: str) -> None:
    assert formatting.significant(value) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.0, "0.0 %"), (0.0004, "< 0.1 %"), (0.7725, "77.2 %"), (None, "–")])
def test_shares(share: float | None, expected: str) -> None:
    assert formatting.percent(share) == expected


def test_the_binding_limit_names_its_share() -> None:
    times = Timings(startup_s=20, step_s=60, warmup_steps_s=15, data_wait_s=5, total_s=100)
    assert formatting.binding_limit("compute", times).startswith("Bottleneck: compute. 75.0 %")
    assert formatting.binding_limit("data", times).startswith("Bottleneck: data. 5.0 %")
    assert formatting.binding_limit("start-up", times).startswith("Bottleneck: start-up. 20.0 %")


@pytest.mark.parametrize(("num_bytes", "expected"), [(512, "512 B"), (3 * 2**20, "3.0 MiB"), (24 * 2**30, "24.0 GiB")])
def test_sizes(num_bytes: int, expected: str) -> None:
    assert formatting.size(num_bytes) == expected
