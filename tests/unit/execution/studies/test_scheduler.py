"""Tune's schedulers in a study: told anew what was reported before, each group by itself, nothing twice."""

from functools import partial
from typing import Any
from unittest.mock import MagicMock

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from app.execution.studies.scheduler import StudyScheduler
from app.execution.studies.schedulers import make_scheduler
from app.scheduling import Scheduler


class FakeTrial:
    def __init__(self, name: str, number: int = 0) -> None:
        self.trial_id, self.config, self.status = f"{name}-{number}", {"name": name}, "RUNNING"


def result(epoch: int, score: float) -> dict[str, Any]:
    return {"epoch": epoch, "score": score}


def asha() -> TrialScheduler:
    return AsyncHyperBandScheduler(
        time_attr="epoch", metric="score", mode="max", grace_period=1, reduction_factor=2, max_t=100
    )


def scheduler(
    past: dict[str, list[dict[str, Any]]] | None = None, ended: tuple[str, ...] = ()
) -> tuple[StudyScheduler, list[tuple[str, int]]]:
    stopped: list[tuple[str, int]] = []
    made = StudyScheduler(
        asha, lambda name: name[0], past or {}, ended, lambda name, r: stopped.append((name, r["epoch"]))
    )
    return made, stopped


def report(made: StudyScheduler, trial: FakeTrial, *results: dict[str, Any]) -> list[str]:
    return [made.on_trial_result(None, trial, r) for r in results]  # type: ignore[arg-type]


def test_trials_of_another_group_do_not_count() -> None:
    made, stopped = scheduler()
    trials = {name: FakeTrial(name) for name in ("a1", "a2", "b1", "a3")}
    for trial in trials.values():
        made.on_trial_add(None, trial)  # type: ignore[arg-type]
    assert report(made, trials["a1"], result(1, 0.9)) == ["CONTINUE"]
    assert report(made, trials["b1"], result(1, 0.1)) == ["CONTINUE"], "first of its own group"
    assert report(made, trials["a2"], result(1, 0.2)) == ["STOP"]
    assert stopped == [("a2", 1)]


def test_after_a_restart_rungs_are_known_and_old_answers_are_not_heard() -> None:
    past = {"a1": [result(1, 0.9), result(2, 0.9)], "a2": [result(1, 0.2)], "a3": [result(1, 0.1)]}
    made, stopped = scheduler(past, ended=("a1", "a2"))
    going_on, new = FakeTrial("a3", 1), FakeTrial("a4")
    made.on_trial_add(None, going_on)  # type: ignore[arg-type]
    assert stopped == [], "it was let go on once"
    assert report(made, going_on, result(1, 0.1)) == ["CONTINUE"], "what it says again is not judged again"
    made.on_trial_add(None, new)  # type: ignore[arg-type]
    assert report(made, new, result(1, 0.5)) == ["CONTINUE"], "second of four: in the better half"
    assert report(made, new, result(2, 0.5)) == ["STOP"], "a1 had 0.9"


def test_a_result_that_comes_twice_after_a_death_is_told_once() -> None:
    made, _ = scheduler()
    first, second = FakeTrial("a1"), FakeTrial("a2")
    made.on_trial_add(None, first)  # type: ignore[arg-type]
    made.on_trial_add(None, second)  # type: ignore[arg-type]
    assert report(made, first, result(1, 0.5), result(1, 0.0), result(1, 0.0)) == ["CONTINUE"] * 3
    made.on_trial_error(None, first)  # type: ignore[arg-type]
    made.on_trial_add(None, first)  # type: ignore[arg-type]
    assert report(made, first, result(1, 0.5)) == ["CONTINUE"]
    assert report(made, second, result(1, 0.4)) == ["STOP"]


def stopped_at_a_rung(scheduler: Scheduler, **more: Any) -> list[str]:
    """Through Tune's own handling of a result: a good trial reports epoch 3, where a rung lies, then a bad one does."""
    stopped: list[str] = []
    made = StudyScheduler(
        lambda: make_scheduler(scheduler, epochs=9), lambda _: "all", {}, (), lambda name, _: stopped.append(name)
    )
    controller = MagicMock(_total_time=0.0, _scheduler_alg=made, _stopper=lambda *_: False)
    for name, score in (("good", 0.9), ("bad", 0.1)):
        trial = MagicMock(trial_id=name, config={"name": name}, is_saving=False, stopping_criterion={})
        trial.should_stop = partial(Trial.should_stop, trial)
        made.on_trial_add(controller, trial)
        TuneController._process_trial_result(controller, trial, {**result(3, score), **more})
    return stopped


@pytest.mark.parametrize(
    "scheduler",
    [
        Scheduler("asha", {"grace_period": 3, "reduction_factor": 3}),
        Scheduler("median_stopping_rule", {"min_samples_required": 1}),
    ],
)
def test_a_trial_at_its_end_is_finished_and_not_stopped_there(scheduler: Scheduler) -> None:
    assert stopped_at_a_rung(scheduler) == ["bad"], "it would be, were it not at its end"
    assert stopped_at_a_rung(scheduler, done=True) == []


def test_a_trial_that_is_to_have_more_workers_is_paused_and_resumes_once_it_has_left_its_own() -> None:
    asked: list[str] = []
    has_left: list[bool] = []

    def widen(name: str) -> bool:
        asked.append(name)
        return name == "a1"

    def resume(trial: Trial, epoch: int) -> bool:
        assert (trial.config["name"], epoch) == ("a1", 1)
        return bool(has_left)

    made = StudyScheduler(asha, lambda name: name[0], {}, (), lambda *_: None, widen, resume)
    trials = {name: FakeTrial(name) for name in ("a1", "a2", "a3")}
    for trial in trials.values():
        made.on_trial_add(None, trial)  # type: ignore[arg-type]
    assert report(made, trials["a1"], result(1, 0.9)) == ["PAUSE"]
    assert report(made, trials["a2"], result(1, 0.2)) == ["STOP"] and asked == ["a1"], "what ends is not moved"
    assert report(made, trials["a3"], {**result(1, 0.95), "done": True}) == ["CONTINUE"] and asked == ["a1"]
    assert made.choose_trial_to_run(None) is None, "it still runs"
    trials["a1"].status = Trial.PAUSED
    assert made.choose_trial_to_run(None) is None, "the study has not noted that it has left"
    has_left.append(True)
    assert made.choose_trial_to_run(None) is trials["a1"]
    assert made.choose_trial_to_run(None) is None, "once"
