"""What a study hears from Tune's loop, and what it raises there, without a cluster."""

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from app.errors import DataError, ResourceError
from app.execution.studies import tuning
from app.execution.studies.results import FAILURE, ORDER, SHAPE
from app.execution.studies.tuning import StudyCallback
from app.execution.trials.group import GroupShape
from app.experiment import Experiment
from app.training.order import Order


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
        self.told.append("tick")

    def look_around(self) -> None:
        self.told.append("look around")


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
    made.on_step_end(1, [])
    assert trials.told[1:] == ["tick", "look around"]


def test_places_bear_their_first_trials_name_and_stay_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Tune would start a process for each trial."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(tuning, "placement_group", lambda *args, **options: asked.append({"args": args, **options}))
    shape = GroupShape(1, {"CPU": 1.0}, True)
    experiments = [Experiment(name=name, workload="toy") for name in "ab"]
    orders = [Order(e, "", "", 0.0, study="rates", stage=1) for e in experiments]
    a, b = (tuning._resources({ORDER: order, SHAPE: shape}) for order in orders)
    assert a == b and hash(a) == hash(b)
    a.to_placement_group()
    a.to_placement_group()
    names = [options["name"] for options in asked]
    assert [name.rsplit(":", 1)[0] for name in names] == ["rates:stage2:a"] * 2 and names[0] != names[1]
    assert asked[0]["args"][0] == [{"CPU": 1.0}]


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
