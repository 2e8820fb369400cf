"""What a running study notes of its trials, without Tune or a cluster."""

from pathlib import Path

import pytest

from app.errors import ResourceError
from app.execution.cluster.connection import Sight
from app.execution.cluster.nodes import Nodes
from app.execution.cluster.signs import Signs
from app.execution.studies.ledger import Ledger
from app.execution.studies.orders import Orders
from app.execution.studies.results import FAILURE, PLACE
from app.execution.studies.state import StudyState
from app.execution.studies.trials import StudyTrials
from app.execution.trials import gauges
from app.execution.trials.attempts import note_attempt
from app.execution.trials.loggers import Loggers
from app.execution.trials.record import note_origin
from app.experiment import Experiment, Study
from app.planning.plan import plan_of_strategy
from app.run_folder.contents import Failure
from app.training.order import Order

GONE = {FAILURE: Failure("death", "2 workers did not start", "ResourceError"), PLACE: "2 workers did not start"}
ROOM = "workers in all: {}; trials at a time: {}, until now {}"


def opened(folder: Path) -> StudyTrials:
    study = Study("s", tuple(Experiment(name=name, workload="w") for name in "abc"))
    state = StudyState(study, plan_of_strategy(study, "experiment-parallel", 2), {}, None, 0.0, "CPU")
    ledger = Ledger(str(folder))
    orders = Orders(state, ledger, {}, {"CPU": 1.0}, lambda num_workers: "worker")
    return StudyTrials(state, ledger, orders, {"CPU": 1.0}, Loggers({}), 0.0)


def test_a_trial_whose_workers_never_came_waits_for_those_of_another_and_the_last_place_ends_the_study(
    tmp_path: Path,
) -> None:
    trials = opened(tmp_path)
    for name in "ab":
        trials.begin(name)
    assert [trials.state.trials[name].lane for name in "ab"] == [0, 1]
    trials.end("a", GONE)
    a = trials.state.trials["a"]
    assert (a.status, a.num_attempts, [*trials.live]) == ("waiting", 0, ["b"])
    assert trials.next_configuration() is None, "it waits for the workers of another"
    assert not trials.is_over()
    with pytest.raises(ResourceError, match=r"2 workers did not start\. Finished trials are kept"):
        trials.end("b", GONE)


def test_a_failure_and_an_early_end_are_noted_with_their_reason(tmp_path: Path) -> None:
    trials = opened(tmp_path)
    for name in "ab":
        trials.begin(name)
    trials.end("a", {FAILURE: Failure("final", "the loss is nan")})
    trials.note_stop("b", {"epoch": 2, "score": 0.25})
    trials.end("b", {"epoch": 2, "score": 0.25})
    a, b = (trials.state.trials[name] for name in "ab")
    assert (a.status, a.failure) == ("failed", "the loss is nan")
    assert (b.status, b.failure) == ("stopped", "after 2 epochs with 0.2500")
    assert "the loss is nan" in (tmp_path / "trials" / "a" / "failure.json").read_text()
    # Killed before the driver could note it: the next start knows from the trial's folder.
    again = opened(tmp_path)
    again.complete_notes()
    assert again.state.trials["b"].status == "stopped"


def test_what_first_weights_leave_random_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials = opened(tmp_path)
    note_origin(trials.ledger.trial_folder("a"), {"source": "w.pt", "num_loaded": 3, "new": ["head.weight"]})
    for name in "aab":
        trials.tell(name, {"step": 1})
    assert capsys.readouterr().out.splitlines() == ["a: 3 of 4 tensors are from w.pt; random: head.weight"]


def test_a_host_that_is_gone_is_told_once_with_its_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: dict[str, float] = {}
    monkeypatch.setattr(gauges, "show", lambda name, value, tags: shown.update({f"{name} {tags['state']}": value}))
    sight = Sight({"n1": "alpha", "n2": "beta"}, 2)
    monkeypatch.setattr(Nodes.__init__, "__defaults__", (lambda: sight,))
    trials = opened(tmp_path)
    trials.look_around(now=True)
    for name, node in (("a", "n1"), ("b", "n2")):
        trials.begin(name)
        folder = trials.ledger.trial_folder(name)
        note_attempt(Order(trials.experiments[name], "", folder, 0.0), [node])
    trials.look_around()  # not due yet
    trials.look_around(now=True)
    sight = Sight({"n1": "alpha"}, 1)
    trials.retry("b", "a worker died")
    told = capsys.readouterr().out.splitlines()
    assert told[2:] == [
        "a: on host alpha",
        "b: on host beta",
        "host beta is gone, and with it b: each resumes from its last checkpoint on another host; "
        + ROOM.format(1, 1, 2),
    ]
    assert shown == {
        "trials waiting": 1, "trials running": 2, "trials finished": 0, "trials stopped": 0, "trials failed": 0
    }  # fmt: skip
    sight = Sight({"n1": "alpha", "n3": "gamma", "n4": "delta"}, 3)
    trials.look_around(now=True)
    assert capsys.readouterr().out.splitlines() == [
        "host gamma has joined",
        "host delta has joined; " + ROOM.format(3, 3, 1),
    ]
    assert trials.note().num_workers == 3, "the report has a row for each worker"


def test_a_host_that_gives_no_sign_is_told_before_ray_gives_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gauges, "show", lambda *_: None)
    hosts = {"n1": "alpha", "n2": "beta"}
    sight = Sight(hosts, 2, {"n1": ("10.0.0.1", 7), "n2": ("10.0.0.2", 7)})
    monkeypatch.setattr(Nodes.__init__, "__defaults__", (lambda: sight,))
    silent_s: dict[str, float] = {}
    asked: list[set[str]] = []
    monkeypatch.setattr(Signs, "look", lambda _, addresses: asked.append(set(addresses)))
    monkeypatch.setattr(Signs, "silent_s", lambda _, node: silent_s.get(node, 0.0))
    trials = opened(tmp_path)
    trials.look_around(now=True)
    for name, node in (("a", "n1"), ("b", "n2")):
        trials.begin(name)
        note_attempt(Order(trials.experiments[name], "", trials.ledger.trial_folder(name), 0.0), [node])
    trials.look_around(now=True)
    capsys.readouterr()
    silent_s["n2"] = 16.0
    for _ in range(2):
        trials.look_around(now=True)
    assert capsys.readouterr().out.splitlines() == [
        "no sign of host beta for 16 s, which has b: it may come back, or Ray takes it for lost in a minute or so"
    ]
    assert trials.display.silent == {"b": "beta"}
    silent_s.clear()
    trials.look_around(now=True)
    assert capsys.readouterr().out.splitlines() == ["host beta answers again"]
    assert trials.display.silent == {} and asked == [{"n1", "n2"}] * 5
    sight = Sight({"n1": "alpha"}, 1, {"n1": ("10.0.0.1", 7)})
    trials.look_around(now=True)
    assert asked[-1] == set(), "of one host there is nothing to ask"
