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


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [(0.81234, "dice_WT", "0.812"), (2.349, "hd95_mm_WT", "2.3"), (None, "dice", "–"), (math.nan, "dice", "–")],
)
def test_scores(value: float | None, key: str, expected: str) -> None:
    assert formatting.number(value, key) == expected


@pytest.mark.parametrize(
    ("key", "name", "short"),
    [
        ("dice", "Dice over the regions", "mean"),
        ("dice_ET", "Dice, enhancing tumour", "ET"),
        ("hd95_mm_TC", "HD95 (mm), tumour core", "hd95_mm_TC"),
        ("top5", "top5", "top5"),
        ("dicey", "dicey", "dicey"),
    ],
)
def test_names_of_scores(key: str, name: str, short: str) -> None:
    assert (formatting.score_name(key), formatting.short_name(key)) == (name, short)


def test_scores_over_all_regions_come_before_those_of_single_regions() -> None:
    keys = ["hd95_mm_WT", "other", "dice_WT", "dice_ET", "dice"]
    assert formatting.main_first(keys) == ["dice", "dice_WT", "dice_ET", "hd95_mm_WT", "other"]


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


def test_heads_of_columns_are_short_and_their_abbreviations_explained() -> None:
    keys = ["dice", "dice_WT", "dice_ET", "hd95_mm_WT", "accuracy", "other"]
    assert [formatting.column_name(key) for key in keys] == [
        "Dice",
        "Dice WT",
        "Dice ET",
        "HD95 (mm) WT",
        "Accuracy",
        "other",
    ]
    assert formatting.explain_regions(keys) == "WT whole tumour, ET enhancing tumour"
    assert formatting.explain_regions(["accuracy"]) == ""
