import pytest

from benchmarks.quality.run import difference, interval, mean_dice, num_epochs, read_cases

OURS = {"a": {"WT": 0.9, "TC": 0.6}, "b": {"WT": 0.7, "TC": 0.2}}


def test_mean_dice_is_over_regions_then_cases() -> None:
    assert mean_dice(OURS) == pytest.approx(((0.9 + 0.6) / 2 + (0.7 + 0.2) / 2) / 2)


def test_difference_is_case_by_case() -> None:
    peer = {"b": {"WT": 0.5, "TC": 0.3}, "a": {"WT": 0.9, "TC": 0.1}}
    found = difference(OURS, peer)
    assert found["a"] == pytest.approx({"WT": 0.0, "TC": 0.5})
    assert found["b"] == pytest.approx({"WT": 0.2, "TC": -0.1})


def test_sides_must_have_scored_the_same_cases() -> None:
    with pytest.raises(ValueError, match="'b'"):
        difference(OURS, {"a": OURS["a"]})


def test_interval_holds_the_mean() -> None:
    found = interval(OURS)
    assert found["low"] <= found["mean"] <= found["high"]
    assert found["mean"] == pytest.approx(0.6)
    assert (found["low"], found["high"]) == pytest.approx((0.45, 0.75))  # of two cases: the one or the other alone


@pytest.mark.parametrize(
    ("samples_per_s", "minutes", "rows", "epochs"), [(2.0, 20.0, 64, 37), (0.1, 1.0, 64, 1), (1.0, 1.0, 60, 1)]
)
def test_as_many_epochs_as_fit_into_the_minutes(samples_per_s: float, minutes: float, rows: int, epochs: int) -> None:
    assert num_epochs(samples_per_s, minutes, rows) == epochs


def test_cases_csv_gives_the_regions_of_each_case() -> None:
    text = "case,dice_WT,dice_TC,dice_ET,dice,hd95_mm_WT\nBRATS_003,0.9,0.8,0.7,0.8,3.5\nBRATS_001,1,0,0.5,0.5,\n"
    assert read_cases(text) == {
        "BRATS_003": {"WT": 0.9, "TC": 0.8, "ET": 0.7},
        "BRATS_001": {"WT": 1.0, "TC": 0.0, "ET": 0.5},
    }
