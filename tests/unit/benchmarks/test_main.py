import pytest

from app.errors import UsageError
from benchmarks.__main__ import BENCHMARKS, check_names, rows
from benchmarks.common import Report, compare


def test_no_name_means_all_benchmarks() -> None:
    assert check_names(()) == list(BENCHMARKS)
    assert check_names(("step", "prepare")) == ["step", "prepare"]


def test_an_unknown_name_is_a_usage_error_that_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"steps.*expected prepare, feeding"):
        check_names(("steps",))


def test_the_table_shows_spread_target_and_whether_it_was_met() -> None:
    report = Report("step", [compare("step", "s", [1.0, 2.0], [4.0, 4.0], 0.37, "at most")])
    assert rows([report.to_dict(quick=False)]) == [
        ("step", "1.5 (1 to 2)", "4", "s", "0.375 (0.25 to 0.5)", "at most 0.37", "NO")
    ]
