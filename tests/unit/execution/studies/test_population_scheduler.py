"""A population's rounds, driven by hand: the same lineage whatever the order, and what a restart makes again."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining
from tune_stand_ins import PBT, RATE, Controller, Stub

from app.configuration import to_dict
from app.execution.studies.schedulers import make_scheduler
from app.planning.population import Decision
from app.records import Takeover

SCORES = {"m0": 0.9, "m1": 0.8, "m2": 0.5, "m3": 0.4, "m4": 0.2, "m5": 0.1, "m6": 0.6, "m7": 0.3}


class Members:
    """A population driven as Tune's controller does: two at a time, in any order."""

    def __init__(self, order: list[str], seed: int = 3, decisions: tuple[Decision, ...] = (), places: int = 2) -> None:
        self.made: Any = make_scheduler(PBT, seed=seed, members=list(SCORES))
        self.made.forced(decisions)
        self.told: list[tuple[int, list[Takeover]]] = []
        self.made.on_takeovers = lambda epoch, takeovers: self.told.append((epoch, takeovers))
        self.controller, self.order = Controller(), order
        self.trials: dict[str, Any] = {}

    def add(self, name: str, rate: float = 0.01) -> Any:
        trial = self.trials[name] = Stub(name, values={RATE: rate, "seed": int(name[1])}, folder=f"runs/{name}")
        trial.status = "PENDING"
        self.controller.trials.append(trial)
        self.made.on_trial_add(self.controller, trial)
        return trial

    def report(self, name: str, epoch: int, **more: Any) -> str:
        trial = self.trials[name]
        result = {"epoch": epoch, "score": SCORES[name], **more}
        told = self.made.on_trial_result(self.controller, trial, result)
        trial.status = "PAUSED" if told == "PAUSE" else "RUNNING"
        return str(told)

    def rounds(self, ends: tuple[int, ...] = (2, 4, 6)) -> "Members":
        for end in ends:
            for name in self.order:
                random.random()  # as Tune's manager of actors does
                if name not in self.trials:
                    self.add(name)
                assert [self.report(name, epoch) for epoch in (end - 1, end)] == ["CONTINUE", "PAUSE"]
        return self


def test_the_same_lineage_whatever_the_order_and_the_process() -> None:
    random.seed(1)
    first = Members(list(SCORES)).rounds()
    random.seed(2)
    second = Members(list(SCORES)[::-1]).rounds()
    assert first.told == second.told and [epoch for epoch, _ in first.told] == [2, 4, 6]
    for _, takeovers in first.told:
        assert [t.member for t in takeovers] == ["m4", "m5"] and {t.origin for t in takeovers} <= {"m0", "m1"}
        assert all(1e-4 <= t.values[RATE] <= 1.0 for t in takeovers)
    assert [[t.takes_best for t in takeovers] for _, takeovers in first.told][:2] == [[True] * 2, [False] * 2], (
        "after the first round they have that best already"
    )
    assert {n: t.config for n, t in first.trials.items()} == {n: t.config for n, t in second.trials.items()}
    assert Members(list(SCORES), seed=4).rounds().told != first.told
    last = first.told[-1][1][1]
    assert first.trials["m5"].config == {
        "name": "m5",
        "values": {RATE: last.values[RATE], "seed": 5},
        "folder": "runs/m5",
    }, "a member stays who it is"


class Saves(Controller):
    """For Tune's own, which asks for checkpoints."""

    def _schedule_trial_save(self, trial: Any, result: Any) -> str:
        return "checkpoint"

    def pause_trial(self, trial: Any, should_checkpoint: bool) -> None:
        trial.status = "PAUSED"


def test_tunes_own_decides_by_the_process_and_over_those_that_came(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)

    def run(seed: int, names: list[str]) -> tuple[list[dict[str, Any]], int]:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        stock: Any = PopulationBasedTraining(
            "epoch", "score", "max", 2, hyperparam_mutations={"rate": tune.loguniform(1e-4, 1.0)}, synch=True,
            resample_probability=0.5, log_config=False,
        )  # fmt: skip
        controller: Any = Saves()
        for name in names:
            controller.trials.append(Stub(name, rate=0.01))
            stock.on_trial_add(controller, controller.trials[-1])
        for trial in controller.trials:
            told = stock.on_trial_result(controller, trial, {"epoch": 2, "score": SCORES[trial.config["name"]]})
            trial.status = "PAUSED" if told in ("PAUSE", "NOOP") else "RUNNING"
        return [trial.config for trial in controller.trials], stock._num_perturbations

    (one, _), (other, _) = run(1, list(SCORES)), run(2, list(SCORES))
    assert one != other, "the same scores and the same seed of the study, which Tune's has none of"
    assert {config["name"] for config in one} < set(SCORES), "two members have another's name"
    assert run(1, ["m0", "m1"])[1] == 1, "two of eight have begun, and a round is held over them"
    members = Members(["m0", "m1"])
    members.add("m0"), members.add("m1")
    assert [members.report(name, 2) for name in ("m0", "m1")] == ["PAUSE", "PAUSE"] and members.told == []


def test_the_next_to_run_are_paused_members_that_a_round_waits_for_in_their_order() -> None:
    members = Members(list(SCORES))
    for name in SCORES:
        members.add(name)
    for name in list(SCORES)[:-1]:
        members.report(name, 2)
    assert members.made.choose_trial_to_run(members.controller) is None, "Tune begins m7 by itself"
    members.report("m7", 2)
    assert members.made.choose_trial_to_run(members.controller).config["name"] == "m0"
    members.trials["m0"].status = "RUNNING"
    offered: list[list[str]] = []
    members.made.choose = offered.append  # no place is free
    assert members.made.choose_trial_to_run(members.controller) is None
    assert offered == [[f"m{number}" for number in range(1, 8)]]


def test_a_member_that_fails_last_is_waited_for_no_longer_and_one_that_is_tried_again_is() -> None:
    members = Members(list(SCORES))
    for name in SCORES:
        members.add(name)
    for name in list(SCORES)[1:]:
        members.report(name, 2)
    members.made.on_trial_error(members.controller, members.trials["m0"])
    members.trials["m0"].status = "PENDING"
    assert members.made.choose_trial_to_run(members.controller) is None and members.told == []
    members.trials["m0"].status = "ERROR"
    members.made.choose_trial_to_run(members.controller)
    ((epoch, takeovers),) = members.told
    assert epoch == 2 and "m0" not in {t.origin for t in takeovers} | {t.member for t in takeovers}
    assert takeovers


def test_a_decision_that_was_written_down_is_made_again_and_one_that_was_applied_is_not() -> None:
    whole = Members(list(SCORES)).rounds((2, 4))
    taken = Takeover(2, "m3", "m6", {RATE: 0.5}, False)
    again = Members(list(SCORES), decisions=(Decision(2, (taken,)),)).rounds((2,))
    assert again.told == [(2, [taken])] and again.trials["m3"].config["values"][RATE] == 0.5
    first = whole.told[0][1]
    after = Members(list(SCORES), decisions=(Decision(2, tuple(first), applied=True),))
    lineage = {t.member: t.values[RATE] for t in first}
    for name in SCORES:
        after.add(name, lineage.get(name, 0.01))
    assert after.report("m0", 2, best_score=0.9) == "CONTINUE", "said once more after a restart"
    best = {t.member: SCORES[t.origin] for t in first}
    for name in SCORES:
        after.report(name, 4, best_score=best.get(name, SCORES[name]))
    assert after.told == whole.told[1:], "as if nothing had happened"


def test_a_member_keeps_a_better_best() -> None:
    members = Members(list(SCORES))
    for name in SCORES:
        members.add(name)
    for name in SCORES:
        members.report(name, 2, **({"best_score": 0.95} if name == "m5" else {}))
    assert {t.member: t.takes_best for t in members.told[0][1]} == {"m4": True, "m5": False}


def test_takeovers_are_plain_data() -> None:
    for _, takeovers in Members(list(SCORES)).rounds((2,)).told:
        assert json.loads(json.dumps(to_dict(takeovers)))[0]["epoch"] == 2
