"""Where a study stands: the plan is followed, failures are told apart, a restart carries on."""

from typing import Any

import pytest

from app.execution.studies.state import Readiness, StudyState
from app.experiment import Experiment, Study
from app.planning.plan import Plan, Stage, plan_of_strategy
from app.records import Span, Stint, StudyRecord, Timings, TrialRecord
from app.run_folder.study import RECORD as STUDY_RECORD
from app.scheduling import Scheduler


def experiment(name: str, **changes: Any) -> Experiment:
    return Experiment(name=name, workload="toy", **changes)


STUDY = Study("s", (experiment("a"), experiment("b"), experiment("c", starts_from="a"), experiment("d")))


def finished(name: str, value: float, score: str = "accuracy") -> TrialRecord:
    return TrialRecord(
        name=name,
        status="finished",
        experiment={},
        store="",
        num_workers=1,
        launcher="ray",
        device="cpu",
        global_batch_size=2,
        num_steps=3,
        num_parameters=4,
        numerics={},
        timings=Timings(total_s=5.0),
        samples_per_s=1.0,
        samples_per_s_per_worker=1.0,
        waiting_share=0.0,
        binding_limit="compute",
        metrics={"epoch": 1, score: value},
        score=score,
    )


def state(
    study: Study = STUDY,
    strategy: str = "experiment-parallel",
    records: dict[str, TrialRecord] | None = None,
    before: StudyRecord | None = None,
    start_s: float = 100.0,
) -> StudyState:
    plan = plan_of_strategy(study, strategy, 2)
    return StudyState(study, plan, records or {}, before, start_s, "CPU")


def to_run(s: StudyState, stage: int) -> list[str]:
    """Trials of a stage that are still to run."""
    s.fail_without_origin()
    return [name for name in s.plan.stages[stage].trials if s.trials[name].status == "waiting"]


def test_what_starts_from_a_failed_trial_fails_with_its_reason_and_the_others_go_on() -> None:
    s = state()
    assert to_run(s, 0) == ["a", "b", "d"]
    s.begin("a", 0, 101.0)
    s.fail("a", "the loss is nan", (), 102.0)
    assert to_run(s, 0) == ["b", "d"]
    assert to_run(s, 1) == []
    assert s.trials["c"].status == "failed" and s.trials["c"].num_attempts == 0
    assert s.trials["c"].failure == "it starts from a, which failed: the loss is nan"


def test_a_trial_that_is_tried_again_keeps_its_begin_and_counts_its_attempts() -> None:
    s = state(Study("s", (experiment("a"),)))
    for attempt in (1, 2):
        s.begin("a", 0, 100.0 + attempt)
        s.retry("a", 200.0)
        assert s.trials["a"].status == "waiting" and to_run(s, 0) == ["a"]
    s.begin("a", 1, 150.0)
    s.fail("a", "given up after 3 attempts: a worker died", (), 300.0)
    trial = s.trials["a"]
    assert (trial.num_attempts, trial.start_s, trial.end_s, trial.lane) == (3, 101.0, 300.0, 1)
    assert trial.failure == "given up after 3 attempts: a worker died"
    assert s.record(301.0, ended=True).status == "failed"


def test_workers_that_never_came_up_were_no_attempt() -> None:
    s = state()
    s.begin("b", 0, 101.0)
    s.give_back("b")
    assert s.trials["b"].num_attempts == 0 and "b" in to_run(s, 0)


def test_a_restart_runs_what_is_not_finished_under_the_new_plan() -> None:
    first = state()
    first.begin("a", 1, 101.0)
    first.finish("a", finished("a", 0.5), (Span("step", 101.0, 103.0),), 103.0)
    first.begin("b", 0, 101.5)
    first.begin("d", 1, 103.0)
    first.fail("d", "nan", (), 104.0)
    before = STUDY_RECORD.parse(STUDY_RECORD.text(first.record(110.0)).encode())
    assert before.status == "running" and before.makespan_s() == 10.0

    # b was finished, but the driver was killed before it could note it.
    second = state(
        strategy="data-parallel",
        records={"a": finished("a", 0.5), "b": finished("b", 0.7)},
        before=before,
        start_s=200.0,
    )
    assert to_run(second, 0) == ["d"] and to_run(second, 1) == ["c"]
    a, b, c, d = (second.trials[name] for name in "abcd")
    assert (a.workers_per_trial, a.lane, a.start_s, a.end_s) == (1, 1, 101.0, 103.0)
    assert b.status == "finished" and b.start_s == 101.5 and b.num_attempts == 1
    assert (c.workers_per_trial, c.status) == (2, "waiting")
    assert (d.workers_per_trial, d.status, d.num_attempts, d.failure) == (2, "waiting", 1, None)
    record = second.record(205.0)
    assert record.makespan_s() == 15.0 and record.strategy == "data-parallel"
    assert record.best_trial == "b" and record.score == "accuracy"


def test_rounds_of_a_population_are_one_attempt_in_several_stints() -> None:
    mutations = {"optimizer.learning_rate": {"low": 1e-4, "high": 1.0}}
    rule = Scheduler("pbt", {"perturbation_interval": 1, "hyperparam_mutations": mutations})
    members = Study("s", (experiment("a", epochs=2), experiment("b", epochs=2)), scheduler=rule)
    s = state(members)
    s.begin("a", 0, 101.0)
    s.pause("a", (), 103.0)
    assert s.trials["a"].status == "waiting" and to_run(s, 0) == ["a", "b"]
    again = state(members, before=s.record(104.0), start_s=200.0)
    again.begin("a", 1, 201.0)
    again.finish("a", finished("a", 0.5), (), 203.0)
    trial = again.trials["a"]
    assert (trial.num_attempts, trial.start_s, trial.end_s) == (1, 101.0, 203.0)
    assert trial.stints == (Stint(0, 1, 101.0, 103.0), Stint(1, 1, 201.0, 203.0))
    assert STUDY_RECORD.parse(STUDY_RECORD.text(again.record(204.0)).encode()).trials[0].stints == trial.stints


def test_the_best_trial_is_chosen_among_finished_ones_of_one_kind_of_score() -> None:
    s = state()
    assert s.best() is None
    for name, accuracy in (("a", 0.6), ("b", 0.9), ("d", 0.9)):
        s.finish(name, finished(name, accuracy), (), 1.0)
    assert s.best() == "b"
    mixed = state(Study("s", (experiment("a"), Experiment(name="v", workload="volumes"))))
    mixed.finish("a", finished("a", 0.6), (), 1.0)
    assert mixed.best() == "a"
    mixed.finish("v", finished("v", 0.9, "dice"), (), 1.0)
    assert mixed.best() is None


def test_scores_on_other_pages_do_not_compare_and_what_is_not_a_number_is_worst() -> None:
    partitions = [Experiment(name=f"p{n}", workload="w", task={"partition": n}) for n in (0, 1)]
    s = state(Study("s", tuple(partitions)))
    for name in ("p0", "p1"):
        s.finish(name, finished(name, 0.5), (), 1.0)
    assert s.best() is None
    assert s.record(2.0).score == "accuracy"
    one = state()
    for name, accuracy in (("a", float("nan")), ("b", 0.1)):
        one.finish(name, finished(name, accuracy), (), 1.0)
    assert one.best() == "b"


def test_a_narrower_plan_later_does_not_lose_the_workers_of_a_wider_one() -> None:
    study = Study("s", tuple(experiment(name) for name in "ab"))
    wide, narrow = (plan_of_strategy(study, "experiment-parallel", workers) for workers in (2, 1))
    first = StudyState(study, wide, {}, None, 0.0, "CPU")
    first.begin("b", 1, 1.0)
    first.finish("b", finished("b", 0.5), (), 2.0)
    again = StudyState(study, narrow, {"b": finished("b", 0.5)}, first.record(3.0), 10.0, "CPU")
    assert again.record(11.0).num_workers == 2


def test_a_plan_of_a_file_is_followed_stage_by_stage() -> None:
    study = Study("s", tuple(experiment(name) for name in "abc"))
    plan = Plan("s", 2, "mine", (Stage(2, 1, ("c",)), Stage(1, 2, ("b", "a"))))
    s = StudyState(study, plan, {}, None, 0.0, "CPU")
    assert to_run(s, 0) == ["c"] and to_run(s, 1) == ["b", "a"]
    assert [(t.name, t.stage, t.workers_per_trial) for t in s.trials.values()] == [
        ("c", 0, 2),
        ("b", 1, 1),
        ("a", 1, 1),
    ]


def test_a_trial_that_was_stopped_early_is_neither_run_again_nor_the_best() -> None:
    first = state()
    first.begin("a", 0, 101.0)
    first.stop("a", "number 3 of 3", (), 104.0)
    assert to_run(first, 0) == ["b", "d"] and to_run(first, 1) == ["c"], "c may start from what a had learned"
    again = state(before=first.record(110.0), strategy="data-parallel")
    assert again.trials["a"].status == "stopped" and to_run(again, 0) == ["b", "d"]
    assert again.best() is None


def test_what_there_is_no_time_for_is_left_out() -> None:
    s = state()
    s.leave_out(["b"])
    assert (s.trials["b"].status, s.trials["b"].failure) == ("stopped", "left out for want of time")
    assert not s.is_ready("c")
    s.finish("a", finished("a", 0.5), (), 110.0)
    assert s.is_ready("c")
    s.begin("d", 0, 111.0)
    s.stop("d", "after 1 epochs", (), 112.0)
    again = state(records={"a": finished("a", 0.5)}, before=s.record(120.0), start_s=200.0)
    assert to_run(again, 0) == ["b"], "with more time; what a rule stopped stays stopped"


def test_a_command_is_ready_when_tune_could_give_out_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """While workers come up only what it computed counts: 4 s of the 9."""
    clock = {"time": 100.0, "thread_time": 50.0}
    for name in clock:
        monkeypatch.setattr(f"app.execution.studies.state.time.{name}", lambda name=name: clock[name])
    plain, beside = Readiness(90.0), Readiness(90.0)
    beside.workers_come()
    clock.update(time=109.0, thread_time=54.0)
    for one in (plain, beside):
        one.trials_come()
    clock["time"] = 200.0
    plain.trials_come()
    assert (plain.ready_s, beside.ready_s) == (19.0, 14.0)
