"""The two ends of a side, with a side that is made for the test."""

from pathlib import Path

import pytest

from benchmarks.side import Side, SideError

MODULE = "tests.unit.benchmarks.echo_side"


def test_a_side_answers_in_order_whatever_it_prints(tmp_path: Path) -> None:
    with Side(MODULE, log=tmp_path / "log") as side:
        assert side.call("double", value=4) == {"value": 8}
        assert side.call("double", value=5) == {"value": 10}
    assert (tmp_path / "log").read_text().count("noise") == 2


def test_a_failure_there_is_an_error_here_with_its_trace() -> None:
    with Side(MODULE) as side, pytest.raises(SideError, match="ZeroDivisionError"):
        side.call("fail")


def test_a_side_that_dies_is_an_error_with_its_exit_code() -> None:
    with Side(MODULE) as side, pytest.raises(SideError, match=r"exit code 7.*'die'"):
        side.call("die")


def test_a_side_can_be_pinned_to_one_core() -> None:
    with Side(MODULE, core=0) as side:
        assert side.call("cores") == {"cores": [0]}
