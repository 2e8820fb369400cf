"""Values chosen by TPE: it learns, a restart changes nothing, failures count as bad."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from app.execution.attempts import Failure
from app.execution.early_stopping import STOPPED_FILE
from app.execution.ledger import Ledger
from app.execution.study_state import StudyState
from app.execution.tuning import Tried, Tuner, suggest
from app.experiment import Experiment, Study
from app.planning.plan import plan_of_strategy
from app.records import Timings, TrialRecord
from app.search_space import Range, Tuning

RATE, NORM = "optimizer.learning_rate", "task.norm"
RATES = Range(1e-5, 1.0, log=True)
NUM_TRIALS = 40


def tuning(**changes: Any) -> Tuning:
    values: dict[str, Any] = {"parameters": {RATE: RATES}, "trials": tuple(f"{n:03d}" for n in range(NUM_TRIALS))}
    return Tuning(**{**values, **changes})


def score(values: dict[str, Any]) -> float:
    """Best, 0, at a rate of 1e-3."""
    return -abs(math.log10(values[RATE]) + 3)


def search(seed: int, rule: Tuning, failing_from: float = math.inf) -> list[dict[str, Any]]:
    """What one trial after another is given, where rates from `failing_from` on fail."""
    tried: list[Tried] = []
    for number in range(len(rule.trials)):
        values = suggest(rule, seed, number, tried)
        failed = values[RATE] >= failing_from
        tried.append(Tried(values, "failed") if failed else Tried(values, "finished", score(values)))
    return [dict(trial.values) for trial in tried]


def mean_score(found: list[dict[str, Any]]) -> float:
    return sum(score(values) for values in found) / len(found)


def test_it_learns_from_what_has_finished() -> None:
    learned = search(3, tuning())
    drawn = search(3, tuning(num_random=NUM_TRIALS))
    assert learned[:10] == drawn[:10], "the first ten are drawn at random"
    assert len({values[RATE] for values in drawn}) == NUM_TRIALS
    assert all(RATES.low <= values[RATE] <= RATES.high for values in learned)
    assert mean_score(drawn) == pytest.approx(-1.3, abs=0.4), "-5 to 0 in the exponent, -3 is best: 1.3 away on average"
    assert mean_score(learned[20:]) > -0.85, "two thirds of that: measured -0.63 to -0.71 with five seeds"
    assert search(3, tuning()) == learned and search(4, tuning()) != learned


def test_values_that_make_trials_fail_are_chosen_less() -> None:
    found = search(5, tuning(), failing_from=1e-2)
    early, late = ([values[RATE] >= 1e-2 for values in part] for part in (found[:10], found[20:]))
    assert sum(early) >= 2 and sum(late) <= 2


def test_trials_under_way_and_stopped_ones_have_a_say() -> None:
    done = [Tried({RATE: 10.0 ** -(1 + n / 5)}, "finished", -abs(n - 10)) for n in range(20)]
    alone = suggest(tuning(), 0, 20, done)
    beside = suggest(tuning(), 0, 20, [*done, *[Tried(alone, "waiting")] * 5])
    assert beside != alone, "five trials are at it already"
    stopped = [Tried({RATE: 10.0 ** -(1 + n / 5)}, "stopped", -abs(n - 10), epoch=1) for n in range(20)]
    assert suggest(tuning(), 0, 20, stopped) == alone, "of trials that were all stopped at one epoch the best leads"
    assert suggest(tuning(), 0, 20, [Tried(t.values, "finished", math.nan) for t in done]) != alone


def test_listed_values_come_back_as_they_were_listed(capfd: pytest.CaptureFixture[str]) -> None:
    listed = ([8, 16], [8, 16, 32], None)
    rule = tuning(parameters={NORM: listed, RATE: RATES}, num_random=3)
    tried: list[Tried] = []
    for number in range(24):
        values = json.loads(json.dumps(suggest(rule, 1, number, tried)))
        assert values[NORM] in listed
        tried.append(Tried(values, "finished", 1.0 if values[NORM] == [8, 16, 32] else 0.0))
    late = [trial.values[NORM] for trial in tried[12:]]
    assert late.count([8, 16, 32]) >= 6, "four by chance"
    assert capfd.readouterr() == ("", "")


def study() -> Study:
    names = ("000", "001", "002", "003")
    trials = tuple(Experiment(name=name, workload="w") for name in (*names, "other"))
    return Study("s", trials, seed=9, tuning=tuning(trials=names, num_random=1))


def started(folder: Path) -> tuple[StudyState, Tuner]:
    made = study()
    state = StudyState(made, plan_of_strategy(made, "experiment-parallel", 2), {}, None, 0.0, "CPU")
    return state, Tuner(state, Ledger(str(folder)))


def record(name: str, value: float) -> TrialRecord:
    numbers: dict[str, Any] = dict.fromkeys(("num_workers", "global_batch_size", "num_steps", "num_parameters"), 1)
    plain: dict[str, Any] = {"store": "", "launcher": "ray", "device": "cpu", "experiment": {}, "numerics": {}}
    unknown = dict.fromkeys(("samples_per_s", "samples_per_s_per_worker", "waiting_share"))
    limits: dict[str, Any] = {"timings": Timings(), "binding_limit": "device", **unknown}
    return TrialRecord(name=name, status="finished", metrics={"acc": value}, score="acc", **numbers, **plain, **limits)


def end_three(state: StudyState, folder: Path) -> None:
    """One finished, one was stopped early, one failed."""
    state.finish("000", record("000", 0.7), (), 1.0)
    (folder / "trials" / "001" / STOPPED_FILE).write_text(json.dumps({"epoch": 2, "score": 0.3, "reason": "behind"}))
    state.stop("001", "behind", (), 1.0)
    state.fail("002", Failure("final", "nan"), (), 1.0)


def test_a_trial_keeps_its_values_and_a_restart_chooses_as_if_there_had_been_none(tmp_path: Path) -> None:
    state, tuner = started(tmp_path)
    assert tuner.values("other") == {}
    first = [tuner.values(name) for name in ("000", "001", "002")]
    assert len({values[RATE] for values in first}) == 3
    assert json.loads((tmp_path / "trials" / "000" / "suggested.json").read_text()) == first[0]
    end_three(state, tmp_path)

    again, restarted = started(tmp_path)
    assert [restarted.values(name) for name in ("000", "001", "002")] == first
    end_three(again, tmp_path)
    expected = [Tried(first[0], "finished", 0.7), Tried(first[1], "stopped", 0.3, 2), Tried(first[2], "failed")]
    rule = study().tuning
    assert rule is not None
    assert restarted.values("003") == tuner.values("003") == suggest(rule, 9, 3, expected)
