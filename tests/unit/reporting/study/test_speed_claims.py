"""What a report says of a claim on speed: a planted gain is found, a planted null is not."""

import dataclasses

import pytest
from made_study import START_S, study

from app.records import StudyRecord
from app.reporting.study.numbers import cost_of, one_worker_s
from app.reporting.study.parity import compare, corrected


def slowed(made: StudyRecord, factor: float) -> StudyRecord:
    """The same study, everything taking `factor` times as long."""

    def later(moment: float) -> float:
        return float(START_S + factor * (moment - START_S))

    sessions = tuple(dataclasses.replace(s, end_s=later(made_end(s.end_s))) for s in made.sessions)
    trials = tuple(
        dataclasses.replace(t, start_s=later(made_end(t.start_s)), end_s=later(made_end(t.end_s)), spans=())
        for t in made.trials
    )
    return dataclasses.replace(made, sessions=sessions, trials=trials)


def made_end(moment: float | None) -> float:
    assert moment is not None
    return moment


def speed_ups(experiment_parallel: StudyRecord, data_parallel: StudyRecord) -> list[float]:
    runs = [experiment_parallel, data_parallel, study("experiment-parallel", 1, num_workers=1)]
    alone_s = one_worker_s(runs, "CPU")
    return [float(cost_of(run, alone_s).speed_up or 0.0) for run in runs[:2]]


def test_experiment_parallelism_is_the_faster_where_it_was_made_so_and_else_is_not() -> None:
    """444 s on one worker. Planted: 124 s one each, and the same made four times as long as a stand-in for trials one
    after the other on all workers; null: both the same."""
    one_each = study("experiment-parallel", 1)
    faster, slower = speed_ups(one_each, slowed(one_each, 4))
    assert (faster, slower) == pytest.approx((444 / 124, 444 / 496))
    first, second = speed_ups(one_each, slowed(one_each, 1))
    assert first == second == pytest.approx(444 / 124)


def test_strategies_differ_in_score_where_they_were_made_to_and_else_do_not() -> None:
    """Twenty cases each of two trials: in the first the second strategy is worse by 0.1, in the other by nothing but
    scatter that the tolerance allows."""
    first = {str(case): 0.6 + 0.01 * case for case in range(20)}
    worse: dict[str, float | None] = {case: value - 0.1 - 0.001 * (int(case) % 3) for case, value in first.items()}
    alike: dict[str, float | None] = {case: value + 0.001 * (int(case) % 3 - 1) for case, value in first.items()}
    found = corrected(
        [
            compare(name, "test", "dice", [0.695, 0.695 + shift], 0.01, [first, second])
            for name, shift, second in (("planted", -0.1, worse), ("null", 0.0, alike))
        ]
    )
    assert [one.verdict for one in found] == ["differ", "equivalent"]
