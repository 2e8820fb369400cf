"""When a trial under way is given more workers, and where."""

import time
from pathlib import Path

import pytest

from app.errors import UsageError
from app.execution.studies.ledger import Ledger
from app.execution.studies.state import StudyState
from app.execution.studies.widening import Widening
from app.experiment import Experiment, Study
from app.planning.plan import plan_of_strategy
from app.records import Span, Stint
from app.run_folder import run
from app.scheduling import Scheduler

WIDE = Scheduler("asha", {"grace_period": 1}, widen=True)


def opened(folder: Path, num_workers: int, left_s: float, scheduler: Scheduler | None = WIDE) -> Widening:
    study = Study("s", tuple(Experiment(name=n, workload="w", batch_size=8) for n in "abcd"), scheduler=scheduler)
    state = StudyState(study, plan_of_strategy(study, "experiment-parallel", num_workers), {}, None, 0.0, "CPU")
    ledger = Ledger(str(folder))
    for lane, name in enumerate("abcd"):
        status = {
            "epoch": 1,
            "epochs": 9,
            "step": 1,
            "num_steps": 9,
            "loss": 1.0,
            "scores": {},
            "best_score": None,
            "samples_per_s": 1.0,
            "waiting_share": 0.0,
            "eta_s": left_s,
        }
        run.STATUS.write(ledger.trial_folder(name), status)
        state.begin(name, lane, 1.0)
    return Widening(state, ledger)


def ends(widening: Widening, *names: str) -> None:
    for name in names:
        widening._state.stop(name, "behind", (), 50.0)


def decide(widening: Widening, name: str, live: str, num_workers: int = 4) -> bool:
    return widening.decide(name, Experiment(name=name, workload="w", batch_size=8), live, num_workers)


def test_survivors_share_the_workers_of_those_that_ended(tmp_path: Path) -> None:
    widening = opened(tmp_path, 4, 1000.0)
    assert not decide(widening, "a", "abcd"), "no worker is free"
    ends(widening, "b", "c")
    assert decide(widening, "a", "ad") and not decide(widening, "a", "ad"), "it is about to resume on two"
    assert decide(widening, "d", "ad")
    first, second = (widening.carry_out(name) for name in "ad")
    assert [(one.num_workers, one.lane) for one in (first, second)] == [(2, 0), (2, 1)]
    assert first.saved_s == pytest.approx(1000 - 20 - 1000 / 1.6)
    ends(widening, "a")
    assert decide(widening, "d", "d") and widening.carry_out("d").num_workers == 4
    assert widening._state.trials["d"].workers_per_trial == 4


def test_the_last_gets_all_and_little_is_not_moved_for(tmp_path: Path) -> None:
    widening = opened(tmp_path / "long", 4, 1000.0)
    ends(widening, "a", "b", "c")
    assert decide(widening, "d", "d") and widening.carry_out("d").num_workers == 4
    for name, left_s, scheduler in (
        ("short", 20.0, WIDE),
        ("plain", 1000.0, Scheduler("asha")),
        ("none", 1000.0, None),
    ):
        widening = opened(tmp_path / name, 4, left_s, scheduler)
        ends(widening, "a", "b", "c")
        assert not decide(widening, "d", "d"), name


def test_nothing_is_moved_while_a_trial_waits_or_a_worker_is_gone(tmp_path: Path) -> None:
    widening = opened(tmp_path, 4, 1000.0)
    ends(widening, "b", "c")
    assert not decide(widening, "a", "a"), "d has given its workers back, and waits for others"
    assert not decide(widening, "a", "ad", num_workers=2), "half of the cluster is gone"


def test_a_trial_that_fails_before_it_is_moved_gives_up_its_place(tmp_path: Path) -> None:
    widening = opened(tmp_path, 4, 1000.0)
    ends(widening, "b", "c")
    assert decide(widening, "a", "ad")
    assert widening.lanes("ad") == {"a": (0, 2), "d": (3, 1)}
    widening.forget("a")
    assert widening.lanes("ad") == {"a": (0, 1), "d": (3, 1)} and decide(widening, "a", "ad"), "it may be moved later"


def test_start_up_as_long_as_this_study_s_own(tmp_path: Path) -> None:
    widening = opened(tmp_path, 4, 100.0)
    widening._state.stop("a", "behind", (Span("startup", 0.0, 90.0),), 95.0)
    ends(widening, "b", "c")
    assert not decide(widening, "d", "d"), "90 + 100 / 2.56 is more than 100"


def test_no_trial_is_moved_to_where_memory_has_no_room(tmp_path: Path) -> None:
    widening = opened(tmp_path, 4, 1000.0)
    ends(widening, "a", "b", "c")
    widening.lacking = {2, 4}
    assert not decide(widening, "d", "d")
    widening.lacking = {4}
    assert decide(widening, "d", "d") and widening.carry_out("d").num_workers == 2


def test_where_it_ran_is_recorded_by_width(tmp_path: Path) -> None:
    widening = opened(tmp_path, 4, 1000.0)
    state = widening._state
    ends(widening, "b", "c", "d")
    assert decide(widening, "a", "a")
    state.pause("a", (), 60.0)
    widening.carry_out("a")
    state.begin("a", 0, 61.0)
    killed = state.record(70.0)
    assert killed.trials[0].stints == (Stint(0, 1, 1.0, 60.0), Stint(0, 4, 61.0, 70.0)), "a kill loses no stretch"
    again = StudyState(state.study, state.plan, {}, killed, 100.0, "CPU")
    assert again.trials["a"].stints == killed.trials[0].stints
    state.stop("a", "behind", (), 80.0)
    trial = state.record(time.time()).trials[0]
    assert trial.stints == (Stint(0, 1, 1.0, 60.0), Stint(0, 4, 61.0, 80.0)) and trial.num_attempts == 1


def test_what_can_not_be_widened_is_refused() -> None:
    grown = Experiment(name="a", workload="w", batch_rule="fixed-per-worker")
    with pytest.raises(UsageError, match="widen: got true, and a has batch_rule fixed-per-worker"):
        Study("s", (grown,), scheduler=WIDE)
    with pytest.raises(UsageError, match="widen: got true with pbt, expected false"):
        Scheduler("pbt", {}, widen=True)
