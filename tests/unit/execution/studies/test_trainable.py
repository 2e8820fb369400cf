"""A Tune trial by hand, without Ray: what it returns at each step, and what becomes of its workers when it fails."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from app.execution.studies.results import FAILURE, ORDER, PLACE, SCORE, SHAPE, VALUES, WORST
from app.execution.studies.trainable import TrialTrainable
from app.execution.trials.attempts import AttemptFailed, note_attempt
from app.execution.trials.desk import Desk
from app.execution.trials.group import Group, GroupShape
from app.experiment import Experiment
from app.run_folder.contents import Failure
from app.training.order import Order

NAN = Failure("final", "the loss is nan", "TrainingError")
RESET = Failure("error", "reset")
GONE = Failure("death", "2 workers did not start within 150 s", "ResourceError")


class Workers:
    """In place of a TrialWorker: evaluates every epoch, and fails where it is told to."""

    def __init__(self, order: Order, begun: int = 0, failure: Failure | None = None, stay: bool = False) -> None:
        self._order, self._epoch, self._failure, self._stay = order, begun, failure, stay
        self.told: list[str] = []

    def begin(self, order: Order) -> int:
        note_attempt(order)
        self.told.append("begin")
        return self._epoch

    def advance(self) -> dict[str, Any]:
        if self._failure is not None:
            raise AttemptFailed(self._failure, self._stay)
        self._epoch += 1
        return {"epoch": self._epoch, "accuracy": 0.5, SCORE: 0.5, "waiting_share": None}

    def finish(self) -> None:
        self.told.append("finish")

    def end(self) -> None:
        self.told.append("end")

    def close(self) -> None:
        self.told.append("close")


class GroupOf(Workers, Group):
    """The same as a group, which may have to be replaced."""


def order(folder: Path, **changes: Any) -> Order:
    return Order(Experiment(name="a", workload="toy", epochs=3, max_retries=2), "", str(folder), time.time(), **changes)


def trial(given: Order, workers: Any, values: dict[str, Any] | None = None) -> Any:
    made: Any = TrialTrainable.__new__(TrialTrainable)
    made._workers, made._last_result = workers, None
    made._shape = GroupShape(2, {"CPU": 1.0}, True)
    made.reset_config({ORDER: given, SHAPE: made._shape, VALUES: values or {}})
    return made


def test_rays_dashboard_shows_a_process_by_study_stage_and_trial(tmp_path: Path) -> None:
    o = order(tmp_path, study="rates", stage=0)
    assert repr(trial(o, Workers(o))) == "TrialTrainable(rates:stage1:a)"
    assert repr(Desk(2, "rates")) == "Desk(rates, 2 workers)"


def test_each_step_is_an_evaluation_and_the_last_is_done(tmp_path: Path) -> None:
    o = order(tmp_path)
    workers = Workers(o)
    made = trial(o, workers)
    results = [made.step() for _ in range(3)]
    assert [(r["epoch"], r[SCORE], r["done"]) for r in results] == [(1, 0.5, False), (2, 0.5, False), (3, 0.5, True)]
    assert "waiting_share" not in results[0] and workers.told == ["begin", "finish"]


def write(folder: Path, scores: list[float]) -> None:
    lines = [{"epoch": epoch, SCORE: score} for epoch, score in enumerate(scores, start=1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_after_a_restart_what_was_not_decided_on_is_told_again(tmp_path: Path) -> None:
    write(tmp_path, [0.1, float("nan")])
    o = order(tmp_path, known_epochs=1)
    made = trial(o, Workers(o, begun=2))
    assert [(r["epoch"], r[SCORE], r["done"]) for r in (made.step(), made.step())] == [
        (2, WORST, False),
        (3, 0.5, True),
    ]
    unasked = trial(order(tmp_path), Workers(o, begun=2))
    assert unasked.step()["epoch"] == 3, "without a scheduler nobody waits for it"


def test_killed_between_the_last_epoch_and_the_record_it_ends_now(tmp_path: Path) -> None:
    write(tmp_path, [0.1, 0.2, 0.3])
    o = order(tmp_path)
    workers = Workers(o, begun=3)
    result = trial(o, workers).step()
    assert (result["epoch"], result["done"], workers.told) == (3, True, ["begin", "finish"])


def test_what_would_repeat_is_returned_and_what_may_pass_is_raised(tmp_path: Path) -> None:
    o = order(tmp_path)
    assert trial(o, Workers(o, failure=NAN)).step() == {"epoch": 0, SCORE: WORST, FAILURE: NAN, "done": True}
    again = order(tmp_path)
    with pytest.raises(AttemptFailed, match="reset"):
        trial(again, Workers(again, failure=RESET)).step()
    second = trial(again, Workers(again, failure=RESET)).step()
    assert second[FAILURE].reason == "given up after 2 attempts: reset", "the same error twice in a row"


def test_deaths_are_counted_by_the_process_that_comes_after(tmp_path: Path) -> None:
    o = order(tmp_path)
    for _ in range(3):
        note_attempt(o)
    workers = Workers(o)
    result = trial(o, workers).step()
    assert result[FAILURE].reason == "given up after 3 attempts: a worker died" and workers.told == []


@pytest.mark.parametrize(("failure", "stay", "kept"), [(NAN, True, True), (NAN, False, False)])
def test_a_group_stays_only_if_all_of_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Failure, stay: bool, kept: bool
) -> None:
    o = order(tmp_path)
    workers = GroupOf(o, failure=failure, stay=stay)
    made = trial(o, workers)
    assert made.step()["done"]
    assert (made._workers is workers) is kept and ("close" in workers.told) is not kept


def test_workers_that_never_came_are_no_failure_of_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    o = order(tmp_path)
    made = trial(o, GroupOf(o, failure=GONE))
    result = made.step()
    assert result["done"] and result[PLACE] == GONE.reason
    others = Workers(o)
    monkeypatch.setattr(TrialTrainable, "_group", lambda self: others)
    made.reset_config({ORDER: o, SHAPE: made._shape, VALUES: {}})
    assert made.step()["epoch"] == 1 and others.told == ["begin"], "the next trial asks for other workers"


def test_a_pause_closes_the_training_and_the_next_step_opens_it_with_the_changed_options(tmp_path: Path) -> None:
    o = order(tmp_path)
    workers = Workers(o)
    made = trial(o, workers)
    made.step()
    saved = made.save()
    assert saved.checkpoint.path == str(tmp_path / "checkpoint") and workers.told == ["begin", "end"]
    made.reset_config({ORDER: o, SHAPE: made._shape, VALUES: {"optimizer.learning_rate": 0.5}})
    made.step()
    assert made._order.experiment.optimizer.learning_rate == 0.5 and workers.told == ["begin", "end", "begin"]
