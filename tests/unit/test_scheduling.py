"""The rules of a study file's `scheduler`: numbers that Tune would take, and stumble over later."""

import math
from typing import Any

import pytest

from app.errors import UsageError
from app.scheduling import Scheduler


def test_what_tune_takes_is_taken() -> None:
    options = {"grace_period": 2, "max_t": 81, "brackets": 3, "reduction_factor": 2.5}
    assert Scheduler("asha", options).options == options
    assert Scheduler("medianstopping", {"grace_period": 1, "min_samples_required": 2}).name == "medianstopping"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("asha", {"reduction_factor": 1}, "reduction_factor: got 1, expected a number from 1.1 on"),
        ("asha", {"reduction_factor": 1.0000001}, "reduction_factor: got 1.0000001"),
        ("asha", {"reduction_factor": "x"}, "reduction_factor: got 'x'"),
        ("asha", {"reduction_factor": math.inf}, "reduction_factor: got inf"),
        ("asha", {"grace_period": "3"}, "grace_period: got '3', expected a whole number from 1 to 1,000,000"),
        ("asha", {"grace_period": 2.5}, "grace_period: got 2.5"),
        ("asha", {"max_t": True}, "max_t: got True"),
        ("asha", {"brackets": 10**9}, "brackets: got 1000000000, expected a whole number from 1 to 100"),
        ("medianstopping", {"grace_period": 0}, "grace_period: got 0"),
        ("medianstopping", {"min_samples_required": [3]}, r"min_samples_required: got [3]"),
    ],
)
def test_numbers_that_would_fail_in_the_midst_of_a_study_are_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Scheduler(name, options)
    assert message in str(caught.value)
