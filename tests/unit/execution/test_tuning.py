"""What a study hears from Tune's loop, and what it raises there, without a cluster."""

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from app.errors import DataError, ResourceError
from app.execution import tuning
from app.execution.results import FAILURE
from app.execution.tuning import StudyCallback


class Trials:
    """In place of StudyTrials."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.state = SimpleNamespace(study=SimpleNamespace(scheduler=None))
        self.per_worker = {"CPU": 1.0, "GPU": 1.0}
        self.live: dict[str, float] = {}
        self.told: list[Any] = []
        self._failing = failing

    def begin(self, name: str) -> None:
        self.told.append(("begin", name))

    def tell(self, name: str, metrics: dict[str, Any]) -> None:
        self.told.append((name, metrics))

    def end(self, name: str, result: dict[str, Any]) -> None:
        if self._failing is not None:
            raise self._failing

    def tick(self) -> None:
        pass


def callback(trials: Trials) -> StudyCallback:
    made: Any = StudyCallback(trials)  # type: ignore[arg-type]
    return made


def trial(name: str) -> Any:
    return SimpleNamespace(config={"name": name}, last_result={"epoch": 1}, status="RUNNING")


def test_an_error_of_the_study_keeps_its_class_through_tunes_loop() -> None:
    made = callback(Trials(DataError("the disk is full")))
    made.on_trial_complete(1, [], trial("a"))  # Tune would take what is raised here for the trial's
    with pytest.raises(DataError, match="the disk is full"):
        made.on_step_end(1, [])


def test_loggers_get_the_evaluation_without_what_tune_adds() -> None:
    trials = Trials()
    made = callback(trials)
    of_tune = {"pid": 1, "time_total_s": 2.0, "trial_id": "x", "done": False, "should_checkpoint": False}
    made.on_trial_result(1, [], trial("a"), {"epoch": 1, "loss": 0.5, **of_tune})
    made.on_trial_result(1, [], trial("a"), {"epoch": 0, FAILURE: "nan", **of_tune})
    assert trials.told == [("a", {"epoch": 1, "loss": 0.5})]


def test_trials_that_wait_for_places_that_are_gone_end_the_study_with_the_arithmetic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials = Trials()
    made = callback(trials)
    monkeypatch.setattr(tuning, "START_TIMEOUT_S", -1.0)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    made.on_step_end(1, [])  # nothing waits
    trials.live["a"] = 0.0
    made.on_trial_start(1, [], trial("a"))
    made.on_step_end(1, [])  # it runs
    made._running.clear()
    with pytest.raises(ResourceError, match=r"a wait for a worker of .* the cluster has 4 CPU, 0 GPU in all"):
        made.on_step_end(1, [])
