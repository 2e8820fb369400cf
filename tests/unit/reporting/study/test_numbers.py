"""What strategies cost, against numbers added up by hand."""

import dataclasses

import pytest
from drawn_study import any_study
from hypothesis import given
from made_study import START_S, experiment, study, trial_name

from app.records import Session, StudyRecord, StudyTrial
from app.reporting.study.numbers import cost_of, flattened, one_worker_s, varied_options, worker_seconds
from app.reporting.study.timeline import Clock, worker_rows

ONE_WORKER_S = [48, 56, 64, 48, 56, 64, 48, 56]
"""Of the made study's trials: 5 start-up + 13 + 30, 38 or 46 of steps."""


def test_worker_seconds_are_those_of_the_phases_and_the_rest_is_idle() -> None:
    made = study("experiment-parallel", 1)
    found = worker_seconds(made, worker_rows(made))
    assert found == pytest.approx(
        {
            "startup": 8 * 5,
            "waiting": 8 * 2.5,
            "compute": 8 * 3 + 3 * 30 + 3 * 38 + 2 * 46,
            "evaluation": 8 * 6,
            "checkpoint": 8,
            "other": 4,
            "idle": 4 * 124 - sum(ONE_WORKER_S),
        }
    )


def test_data_parallel_pays_start_up_on_every_worker() -> None:
    made = study("data-parallel", 4)
    found = worker_seconds(made, worker_rows(made))
    assert found["startup"] == pytest.approx(4 * 8 * 5)
    assert found["idle"] == pytest.approx(4 * (3 + 1))  # before the first trial and after the last


def test_what_of_the_steps_went_to_other_workers() -> None:
    """A quarter of the steps of every trial on four workers: of each kind of time above, of the steps' alone."""
    made = study("data-parallel", 4)
    trials = []
    for trial in made.trials:
        assert trial.record is not None
        timings = dataclasses.replace(trial.record.timings, synchronising_share=0.25)
        trials.append(dataclasses.replace(trial, record=dataclasses.replace(trial.record, timings=timings)))
    cost = cost_of(dataclasses.replace(made, trials=tuple(trials)), None)
    assert cost.synchronising_s == pytest.approx(cost.worker_s["compute"] / 4)
    assert cost_of(made, None).synchronising_s == 0.0


def test_cost_of_a_strategy() -> None:
    runs = [study("experiment-parallel", 1), study("data-parallel", 4), study("experiment-parallel", 1, num_workers=1)]
    alone_s = one_worker_s(runs, "CPU")
    assert alone_s == pytest.approx(3 + 440 + 1)  # before the first trial, the trials, after the last
    cost = cost_of(runs[0], alone_s, price_per_hour=3.0)
    assert cost.makespan_s == pytest.approx(124)
    assert cost.speed_up == pytest.approx(444 / 124)
    assert cost.efficiency == pytest.approx(444 / 124 / 4)
    assert cost.worker_hours == pytest.approx(4 * 124 / 3600)
    assert cost.price == pytest.approx(3 * 4 * 124 / 3600)
    assert cost.busy_share == pytest.approx(440 / 496)
    assert cost_of(runs[1], alone_s).price is None
    assert cost_of(runs[2], alone_s).speed_up == 1.0


def test_lanes_that_slow_each_other_down_are_busy_and_no_faster() -> None:
    """Four lanes side by side, each four times as slow as alone."""
    alone, slowed = study("experiment-parallel", 1, num_workers=1), study("experiment-parallel", 1)
    sessions = (dataclasses.replace(slowed.sessions[0], end_s=START_S + 444.0),)
    trials = tuple(
        dataclasses.replace(
            t, start_s=START_S + 4 * (t.start_s - START_S), end_s=START_S + 4 * (t.end_s - START_S), spans=()
        )
        for t in slowed.trials
        if t.start_s is not None and t.end_s is not None
    )
    slowed = dataclasses.replace(slowed, sessions=sessions, trials=trials)
    assert one_worker_s([slowed], "CPU") is None, "beside others nothing is said of one alone"
    cost = cost_of(slowed, one_worker_s([slowed, alone], "CPU"))
    assert cost.speed_up == pytest.approx(1.0) and cost.efficiency == pytest.approx(0.25)
    assert cost.busy_share is not None and cost.busy_share > 0.8


def test_speed_up_is_unknown_without_a_run_on_one_worker() -> None:
    data_parallel = study("data-parallel", 4)
    assert one_worker_s([data_parallel, study("experiment-parallel", 1)], "CPU") is None
    cost = cost_of(data_parallel, None)
    assert (cost.one_worker_s, cost.speed_up, cost.efficiency) == (None, None, None)
    alone = study("experiment-parallel", 1, num_workers=1)
    assert one_worker_s([alone], "GPU") is None, "another kind of worker says nothing"


def test_workers_of_a_study_that_took_no_time_were_neither_busy_nor_idle() -> None:
    cost = dataclasses.replace(cost_of(study(2, 1), None), worker_s={"idle": 0.0, "steps": 0.0})
    assert cost.busy_share is None


def test_of_several_runs_on_one_worker_the_shortest_counts() -> None:
    alone = study("experiment-parallel", 1, num_workers=1)
    slow = study("experiment-parallel", 1, num_workers=1, startup_s=9.0)
    assert one_worker_s([slow, alone], "CPU") == pytest.approx(444)


@pytest.mark.parametrize(
    ("status", "trial_status"), [("failed", "failed"), ("running", "waiting"), ("finished", "stopped")]
)
def test_a_study_that_did_not_train_all_its_trials_has_no_speed_up(status: str, trial_status: str) -> None:
    made = study("experiment-parallel", 1, num_workers=1)
    trials = (dataclasses.replace(made.trials[0], status=trial_status), *made.trials[1:])
    cut = dataclasses.replace(made, status=status, trials=trials)
    assert cost_of(cut, one_worker_s([made], "CPU")).speed_up is None
    assert one_worker_s([cut], "CPU") is None


def test_pauses_between_sessions_do_not_count() -> None:
    made = StudyTrial("a", "finished", 0, 0, 1, START_S, START_S + 50, 1)
    sessions = (Session(START_S, START_S + 60), Session(START_S + 5000, START_S + 5040))
    cost = cost_of(StudyRecord("s", "finished", "experiment-parallel", {}, 2, "CPU", sessions, (made,)), 50.0)
    assert cost.makespan_s == 100 and cost.speed_up == 0.5
    assert cost.worker_s["idle"] == pytest.approx(150)


@given(any_study())
def test_worker_seconds_add_up_to_workers_times_makespan(made: StudyRecord) -> None:
    found = worker_seconds(made, worker_rows(made))
    total_s = Clock(made.sessions).total_s
    assert sum(found.values()) == pytest.approx(made.num_workers * total_s, abs=1e-6)
    assert all(seconds >= 0 for seconds in found.values())


def test_options_that_vary_are_found_at_any_depth() -> None:
    assert flattened({"a": {"b": {"c": 1}}, "d": [1, 2], "e": {}}) == {"a.b.c": 1, "d": [1, 2], "e": {}}
    found = varied_options({trial_name(number): experiment(number) for number in range(8)})
    assert found == ["task.norm", "optimizer.learning_rate"]
    assert varied_options({"a": experiment(0)}) == []
    assert varied_options({"a": {"x": 1}, "b": {"y": 1}}) == ["x", "y"]
    named = {name: {"batch_size": size, "name": name, "seed": 7} for name, size in (("a", 2), ("b", 4), ("c", 2))}
    assert varied_options(named) == ["batch_size"]
