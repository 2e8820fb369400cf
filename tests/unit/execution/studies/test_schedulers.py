"""Tune's schedulers by name, driven by hand: which run, what their options are called, and what is mended in them."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune
from ray.tune.schedulers import SCHEDULER_IMPORT, AsyncHyperBandScheduler, PopulationBasedTraining

from app.configuration import to_dict
from app.errors import UsageError
from app.execution.studies.schedulers import ALIASES, SCHEDULERS, check_scheduler, make_scheduler
from app.planning.population import Decision
from app.records import Takeover
from app.scheduling import Scheduler
from app.search_space import Range

DOCS = Path(__file__).parents[4] / "docs" / "schedulers-and-searches.md"
RATE = "optimizer.learning_rate"
PBT = Scheduler(
    "pbt",
    {
        "perturbation_interval": 2,
        "hyperparam_mutations": {RATE: to_dict(Range(1e-4, 1.0, log=True))},
        "resample_probability": 0.5,
    },
)


class Stub:
    """What schedulers see of a trial."""

    def __init__(self, name: str, **config: Any) -> None:
        self.trial_id, self.experiment_tag, self.status = f"id-{name}", name, "RUNNING"
        self.config: dict[str, Any] = {"name": name, **config}
        self.run_metadata = self.checkpoint_manager = self.checkpoint_config = self.temporary_state = self
        self.num_to_keep = self.saving_to = None
        self.checkpoint, self.evaluated_params = "checkpoint", dict[str, Any]()
        self.last_result: dict[str, Any] = {}
        self.local_experiment_path = self.local_dir = "."

    def is_finished(self) -> bool:
        return self.status in ("ERROR", "TERMINATED")

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag


class Controller:
    """And of Tune's controller."""

    search_alg = None

    def __init__(self) -> None:
        self.trials: list[Any] = []

    def get_trials(self) -> list[Any]:
        return self.trials

    def get_live_trials(self) -> list[Any]:
        return [trial for trial in self.trials if not trial.is_finished()]


def documented(section: str) -> dict[str, str]:
    """Names of a table of the docs, and what it says of them."""
    text = DOCS.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| (runs|refused) \|", text, re.M)
    return {name: says for names, says in rows for name in re.findall(r"`([^`]+)`", names)}


def test_every_name_of_tune_is_in_the_table_and_in_the_docs() -> None:
    assert set(SCHEDULERS) == set(SCHEDULER_IMPORT)
    says = {name: "runs" if reason is None else "refused" for name, reason in SCHEDULERS.items()}
    assert documented("Schedulers") == {**says, **dict.fromkeys(ALIASES, "runs")}


RUNNING = [*ALIASES, *(name for name, reason in SCHEDULERS.items() if reason is None)]


@pytest.mark.parametrize("name", RUNNING)
def test_those_that_run_are_made_and_decide(name: str) -> None:
    scheduler = PBT if name == "pbt" else Scheduler(name)
    made = make_scheduler(scheduler, members=["a", "b"], epochs=9)
    assert isinstance(made, SCHEDULER_IMPORT[ALIASES.get(name, name)])  # type: ignore[arg-type]
    controller = Controller()
    for label in "ab":
        controller.trials.append(Stub(label, values={RATE: 0.1}))
        made.on_trial_add(controller, controller.trials[-1])  # type: ignore[arg-type]
    wanted = {"pbt": "PAUSE", **dict.fromkeys(("asha", "async_hyperband", "asynchyperband"), "STOP")}
    assert made.on_trial_result(controller, controller.trials[0], {"epoch": 4, "score": 0.9}) in ("CONTINUE", "PAUSE")  # type: ignore[arg-type]
    told = made.on_trial_result(controller, controller.trials[1], {"epoch": 4, "score": 0.1})  # type: ignore[arg-type]
    assert told == wanted.get(name, "CONTINUE"), "more is better"


@pytest.mark.parametrize("name", [name for name, reason in SCHEDULERS.items() if reason is not None])
def test_those_that_do_not_run_say_why(name: str) -> None:
    with pytest.raises(UsageError, match=f"scheduler {name} does not run here: it "):
        check_scheduler(Scheduler(name))


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (Scheduler("asah"), "scheduler: got 'asah'; did you mean 'asha'?"),
        (Scheduler("asha", {"grace_epochs": 1}), "unknown option 'grace_epochs': did you mean 'grace_period'?"),
        (Scheduler("asha", {"seed": 1}), "unknown option 'seed'"),
        (Scheduler("medianstopping", {"hardstop": True}), "did you mean 'hard_stop'?"),
        (Scheduler("fifo", {"grace_period": 1}), "unknown option 'grace_period': valid: widen"),
        (Scheduler("asha", {"widne": True}), "did you mean 'widen'?"),
        (
            Scheduler("asha", {"zzz": True}),
            "valid: brackets, grace_period, max_t, reduction_factor, stop_last_trials, widen",
        ),
        (Scheduler("asha", {"grace_period": 3, "max_t": 2}), "async_hyperband: grace_period must be <= max_t"),
        (Scheduler("pbt", {"perturbation_intervals": 1}), "did you mean 'perturbation_interval'?"),
    ],
)
def test_wrong_names_and_options_are_refused(scheduler: Scheduler, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_scheduler(scheduler)
    assert message in str(caught.value)


def test_a_study_without_a_scheduler_or_search_imports_no_ray() -> None:
    code = """
import sys
from app.execution.studies.schedulers import check_scheduler
from app.execution.studies.searchers import check_search
check_scheduler(None); check_search(None)
assert "ray" not in sys.modules and "optuna" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def rungs(made: Any, names: str) -> list[int]:
    """Of each trial, the first epoch at which it is compared."""
    found = []
    for name in names:
        trial = Stub(name)
        made.on_trial_add(None, trial)
        found.append(min(rung for rung, _ in made._trial_info[trial.trial_id]._rungs))
    return found


def test_brackets_follow_from_the_trials_name_and_with_tunes_own_from_the_process() -> None:
    stock = []
    for seed in range(2):
        np.random.seed(seed)  # noqa: NPY002
        stock.append(rungs(AsyncHyperBandScheduler("epoch", "score", "max", 27, 1, 3, brackets=3), "abcdefgh"))
    assert stock[0] != stock[1]
    ours = []
    for seed in range(2):
        np.random.seed(seed)  # noqa: NPY002
        made = make_scheduler(Scheduler("asha", {"brackets": 3, "reduction_factor": 3}), seed=5, epochs=27)
        ours.append(rungs(made, "abcdefgh" if seed else "abcdefgh"[::-1]))
    assert ours[0][::-1] == ours[1] and set(ours[1]) <= {1, 3, 9} and len(set(ours[1])) > 1


def test_asha_lets_a_trial_end_at_its_own_last_epoch() -> None:
    made: Any = make_scheduler(Scheduler("asha", {"reduction_factor": 3}), epochs=500)
    trial = Stub("a")
    made.on_trial_add(None, trial)
    assert made.on_trial_result(None, trial, {"epoch": 100, "score": 0.5}) == "CONTINUE", (
        "Tune's own would end it at 100"
    )


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


def test_the_median_rule_counts_epochs_and_a_trial_keeps_its_place() -> None:
    def told(made: Any) -> list[str]:
        controller, found = Controller(), []
        for name in "abcd":
            controller.trials.append(Stub(name))
            made.on_trial_add(controller, controller.trials[-1])
        controller.trials[3].status = "PENDING"  # waits for a place
        for trial, score in zip(controller.trials, (0.5, 0.6, 0.7, 0.2), strict=True):
            found.append(made.on_trial_result(controller, trial, {"epoch": 1, "score": score}))
        return found

    assert told(make_scheduler(Scheduler("medianstopping"))) == ["CONTINUE"] * 3 + ["STOP"]
    stock = SCHEDULER_IMPORT["medianstopping"]
    assert "STOP" not in told(stock("epoch", "score", "max")), "60 epochs of grace: Tune means seconds"  # type: ignore[operator]
    assert told(stock("epoch", "score", "max", grace_period=1))[:2] == ["PAUSE"] * 2, "for the one that waits"  # type: ignore[operator]


def test_nan_lets_a_trial_go_on_so_that_a_number_has_to_be_reported() -> None:
    made: Any = make_scheduler(Scheduler("asha", {"reduction_factor": 2}), epochs=9)
    said = []
    for name, score in (("a", 0.5), ("b", 0.6), ("c", float("nan")), ("d", -1e9)):
        made.on_trial_add(None, Stub(name))
        said.append(made.on_trial_result(None, Stub(name), {"epoch": 1, "score": score}))
    assert said[2:] == ["CONTINUE", "STOP"]
