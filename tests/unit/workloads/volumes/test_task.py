from typing import Any

import pytest

from app.configuration import from_dict, to_dict
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.task import AugmentConfig


def test_defaults_are_the_three_regions_of_one_patch() -> None:
    task = BratsTask()
    assert task.regions == ("WT", "TC", "ET")
    assert task.divisor == 8
    assert BratsTask(outputs="whole").regions == ("WT",)
    assert BratsTask(filters=(8, 16)).divisor == 2


def test_round_trip_through_plain_values() -> None:
    task = BratsTask(network="dynunet", filters=(8, 16, 32), patch_size=(32, 48, 64), augment=None)
    assert from_dict(BratsTask, to_dict(task)) == task
    assert from_dict(BratsTask, to_dict(BratsTask())) == BratsTask()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": (96, 96, 100)}, "multiples of 8"),
        ({"patch_size": (0, 96, 96)}, "multiples of 8"),
        ({"filters": (8,)}, "at least two"),
        ({"filters": (6, 12, 24), "norm": "group"}, "multiples of 4"),
        ({"network": "dynunet", "norm": "group"}, "batch or instance"),
        ({"network": "dynunet", "filters": (8, 16)}, "three resolutions"),
        ({"network": "segresnet", "filters": (12, 24, 48, 96)}, "multiple of 8"),
        ({"samples_per_case": 0}, "samples_per_case"),
        ({"foreground_share": 1.5}, "foreground_share"),
        ({"evaluation_overlap": 1.0}, "evaluation_overlap"),
    ],
)
def test_what_can_not_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BratsTask(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip_probability": 2.0}, "flip_probability"),
        ({"noise_std": -0.1}, "noise_std"),
        ({"intensity_scale": 1.0}, "intensity_scale"),
        ({"gamma_range": (1.5, 0.7)}, "smaller first"),
    ],
)
def test_what_can_not_be_an_augmentation_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentConfig(**options)


def test_unknown_option_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="patch_size"):
        from_dict(BratsTask, {"patch_sise": [96, 96, 96]})
