"""Names of scores in words, as a record says them."""

import math

import pytest

from app.records import ScoreFamily
from app.reporting.page.scores import ScoreTexts, merge_names
from app.workloads.brats.declaration import BRATS

ACCURACY = ScoreFamily("accuracy", "Accuracy")
SCORES = ScoreTexts((*BRATS.scores, ACCURACY))


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [(0.81234, "dice_WT", "0.812"), (2.349, "hd95_mm_WT", "2.3"), (None, "dice", "–"), (math.nan, "dice", "–")],
)
def test_scores(value: float | None, key: str, expected: str) -> None:
    assert SCORES.number(value, key) == expected


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
    assert (SCORES.name(key), SCORES.short(key)) == (name, short)


def test_scores_over_all_regions_come_before_those_of_single_regions() -> None:
    keys = ["hd95_mm_WT", "other", "dice_WT", "dice_ET", "dice"]
    assert SCORES.main_first(keys) == ["dice", "dice_WT", "dice_ET", "hd95_mm_WT", "other"]


def test_heads_of_columns_are_short_and_their_abbreviations_explained() -> None:
    keys = ["dice", "dice_WT", "dice_ET", "hd95_mm_WT", "accuracy", "other"]
    assert [SCORES.column(key) for key in keys] == [
        "Dice",
        "Dice WT",
        "Dice ET",
        "HD95 (mm) WT",
        "Accuracy",
        "other",
    ]
    assert SCORES.explain_parts(keys) == "WT whole tumour, ET enhancing tumour"
    assert SCORES.explain_parts(["accuracy"]) == ""


def test_families_are_explained_once_and_say_when_less_is_better() -> None:
    told = SCORES.explain(["dice", "dice_WT", "hd95_mm_WT", "accuracy", "other"])
    assert told == (
        "Dice is the overlap of prediction and truth, from 0 (none) to 1 (identical). HD95 is the distance in mm that "
        "95 % of the boundary stays within (smaller is better)."
    )


def test_cases_are_drawn_for_scores_that_have_parts_and_a_mean() -> None:
    assert SCORES.by_part(["hd95_mm_WT", "dice_WT", "dice", "accuracy"]) == ["dice", "dice_WT"]
    assert ScoreTexts((ACCURACY,)).by_part(["accuracy"]) == []


def test_a_longer_name_is_its_own_family() -> None:
    scores = ScoreTexts((ScoreFamily("error", "Error"), ScoreFamily("error_mm", "Error in mm", decimals=1)))
    assert [scores.name(key) for key in ("error", "error_x", "error_mm", "error_mm_x")] == [
        "Error",
        "Error, x",
        "Error in mm",
        "Error in mm, x",
    ]


def test_without_names_scores_go_by_their_own() -> None:
    assert (ScoreTexts().name("dice_WT"), ScoreTexts().number(2.3494, "hd95_mm_WT")) == ("dice_WT", "2.349")
    assert merge_names([(), (ACCURACY,), (ScoreFamily("accuracy", "Other"),)]) == (ACCURACY,)
