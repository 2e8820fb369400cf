"""Successive halving from the files that trials write."""

import json
from pathlib import Path

import pytest

from app.execution.early_stopping import Comparison, best_score, goes_on, is_rung, stop_reason, stopped_at
from app.experiment import EarlyStopping


def write(folder: Path, scores: list[float | None]) -> str:
    folder.mkdir(exist_ok=True)
    lines = [{"epoch": i, "step": i, **({} if s is None else {"acc": s})} for i, s in enumerate(scores, start=1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(folder)


def test_rungs_are_powers_of_the_reduction() -> None:
    assert [e for e in range(1, 100) if is_rung(e, EarlyStopping(2, 3))] == [2, 6, 18, 54]


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (0.1, [], True),
        (0.5, [0.6], False),
        (0.5, [0.5], True),
        (0.5, [0.6, 0.1, 0.1], True),  # second of four: the best 4/3, rounded up, are two
        (0.5, [0.6, 0.7, 0.1], False),
        (0.5, [0.6, 0.1], False),  # second of three: the best three thirds is one
    ],
)
def test_the_best_third_goes_on(mine: float, theirs: list[float], expected: bool) -> None:
    assert goes_on(mine, theirs, 3) is expected


def test_a_trial_counts_from_the_epoch_on_that_it_has_reached(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", [0.3, None, 0.2, 0.9])
    assert best_score(folder, "acc", 3) == 0.3
    assert best_score(folder, "acc", 4) == 0.9
    assert best_score(folder, "acc", 5) is None
    assert best_score(write(tmp_path / "b", [None, None]), "acc", 2) is None
    assert best_score(str(tmp_path / "none"), "acc", 1) is None


def test_what_is_not_a_number_is_behind_every_score(tmp_path: Path) -> None:
    lost, good = write(tmp_path / "lost", [float("nan")]), write(tmp_path / "good", [0.1])
    rule = EarlyStopping(first_epochs=1)
    assert not Comparison(rule, "acc", good, (lost,)).falls_behind(1)
    assert Comparison(rule, "acc", lost, (good,)).falls_behind(1)
    assert not Comparison(rule, "acc", lost, ()).falls_behind(1), "the first to come goes on"


def test_who_falls_behind_says_why(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good", [0.1, 0.8]), write(tmp_path / "bad", [0.2, 0.3])
    rule = EarlyStopping(first_epochs=2)
    assert not Comparison(rule, "acc", good, (bad,)).falls_behind(2)
    assert not Comparison(rule, "acc", bad, (good,)).falls_behind(1), "no comparison yet"
    assert stop_reason(bad) is None
    assert Comparison(rule, "acc", bad, (good,)).falls_behind(2)
    assert stop_reason(bad) == "after 2 epochs acc 0.3000 was number 2 of 2"
    assert stopped_at(bad) == (2, 0.3)
