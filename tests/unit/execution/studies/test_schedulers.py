"""Tune's schedulers by name, driven by hand: which run, what their options are called, and what is mended in them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import SCHEDULER_IMPORT, AsyncHyperBandScheduler
from tune_stand_ins import PBT, RATE, Controller, Stub

from app.errors import UsageError
from app.execution.studies.schedulers import ALIASES, SCHEDULERS, check_scheduler, make_scheduler
from app.scheduling import Scheduler

DOCS = Path(__file__).parents[4] / "docs" / "schedulers-and-searches.md"


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
