import json
from pathlib import Path

import pytest

from benchmarks.common import Report, Setting, Spread, alternate, compare, cpu_facts, write_json


def test_spread_has_median_and_extremes() -> None:
    spread = Spread.of([3.0, 1.0, 10.0, 2.0])
    assert (spread.median, spread.min, spread.max) == (2.5, 1.0, 10.0)
    assert spread.values == (3.0, 1.0, 10.0, 2.0)


def test_spread_without_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


@pytest.mark.parametrize(
    ("direction", "target", "met"),
    [("at most", 0.5, True), ("at most", 0.49, False), ("at least", 0.5, True), ("at least", 0.51, False)],
)
def test_ratio_is_held_to_its_target(direction: str, target: float, met: bool) -> None:
    ratio = compare("x", "s", [1.0, 3.0, 2.0], [2.0, 3.0, 8.0], target, direction)  # type: ignore[arg-type]
    assert ratio.ratio.values == (0.5, 1.0, 0.25)
    assert ratio.ratio.median == 0.5
    assert ratio.met is met
    assert ratio.to_dict()["met"] is met


def test_what_binds_is_asked_only_where_the_target_is_missed() -> None:
    asked: list[str] = []

    def binds() -> str:
        asked.append("asked")
        return "memory"

    assert compare("x", "s", [1.0], [2.0], 0.6, "at most", binds).what_binds is None
    assert not asked
    assert compare("x", "s", [1.0], [2.0], 0.4, "at most", binds).what_binds == "memory"


@pytest.mark.parametrize(("ours", "peer"), [([1.0], [1.0, 2.0]), ([1.0], [0.0])])
def test_rounds_come_in_pairs_and_a_peer_of_zero_has_no_ratio(ours: list[float], peer: list[float]) -> None:
    with pytest.raises(ValueError, match="expected pairs"):
        compare("x", "s", ours, peer, 1.0, "at most")


def test_sides_take_turns_in_alternating_order_and_warmup_is_left_out() -> None:
    calls: list[str] = []
    values = iter(range(100))

    def side(name: str) -> float:
        calls.append(name)
        return float(next(values))

    measured = alternate({"a": lambda: side("a"), "b": lambda: side("b")}, num_rounds=2, num_warmup_rounds=1)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert measured == {"a": [3.0, 4.0], "b": [2.0, 5.0]}


def test_cpu_facts_say_which_features_are_missing() -> None:
    text = "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz: fast\nflags\t\t: fpu avx2 avx512f\n"
    facts = cpu_facts(text)
    assert facts["cpu"] == "Some CPU @ 3 GHz: fast"
    assert facts["cpu_features"] == {
        "avx2": True,
        "avx512f": True,
        "avx512_bf16": False,
        "amx_bf16": False,
        "amx_tile": False,
    }
    assert cpu_facts("")["cpu"] is None


def test_quick_chooses_the_small_value() -> None:
    assert Setting(quick=True, work=Path()).choose(240, 96) == 96
    assert Setting(quick=False, work=Path()).choose(240, 96) == 240


def test_report_as_json_has_ratios_versions_host_and_command(tmp_path: Path) -> None:
    report = Report("x", [compare("x / y", "s", [1.0], [4.0], 0.37, "at most")], {"num_cases": 2}, {"peer": "2.0"})
    write_json(tmp_path / "sub" / "x.json", report.to_dict(quick=True))
    content = json.loads((tmp_path / "sub" / "x.json").read_text())
    assert content["ratios"][0]["ratio"]["median"] == 0.25
    assert content["ratios"][0]["ours"]["values"] == [1.0]
    assert content["versions"]["peer"] == "2.0"
    assert "torch" in content["versions"]
    assert content["host"]["num_cores"] >= 1
    assert content["command"].startswith("python -m benchmarks")
    assert content["quick"] is True
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["x.json"]
