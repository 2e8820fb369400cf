"""Between the rounds of a population: what a kill leaves at any point is made whole by the next start."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.data import files
from app.execution.studies.ledger import Ledger
from app.execution.studies.state import StudyState
from app.execution.studies.takeovers import Takeovers
from app.experiment import Experiment, OptimizerConfig, Study
from app.planning.plan import plan_of_strategy
from app.records import Takeover
from app.scheduling import Scheduler

RATE = "optimizer.learning_rate"
RATES = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
ROUND = [Takeover(2, "d", "a", {RATE: 0.08}, True), Takeover(2, "c", "b", {RATE: 0.24}, False)]


def opened(folder: Path) -> tuple[StudyState, Takeovers]:
    options = {"perturbation_interval": 2, "hyperparam_mutations": {RATE: {"low": 1e-3, "high": 1.0}}}
    trials = [
        Experiment(name=name, workload="w", epochs=6, optimizer=OptimizerConfig(learning_rate=rate))
        for name, rate in RATES.items()
    ]
    made = Study("s", tuple(trials), scheduler=Scheduler("pbt", options))
    state = StudyState(made, plan_of_strategy(made, "experiment-parallel", 2), {}, None, 0.0, "CPU")
    return state, Takeovers(state, Ledger(str(folder)))


def end_round(folder: Path) -> None:
    """As the members' workers leave it."""
    for name in RATES:
        (folder / "trials" / name / "checkpoint").mkdir(parents=True, exist_ok=True)
        for file in ("last.pt", "best.pt"):
            (folder / "trials" / name / "checkpoint" / file).write_text(f"{name} {file}")


def weights(folder: Path, name: str, file: str) -> str:
    return (folder / "trials" / name / "checkpoint" / file).read_text()


def test_the_worst_take_over_the_checkpoint_and_the_options(tmp_path: Path) -> None:
    state, made = opened(tmp_path)
    end_round(tmp_path)
    made.carry_out(2, ROUND)
    assert (made.values("d"), made.values("c"), made.values("a")) == ({RATE: 0.08}, {RATE: 0.24}, {})
    assert (weights(tmp_path, "d", "last.pt"), weights(tmp_path, "d", "best.pt")) == ("a last.pt", "a best.pt")
    assert (weights(tmp_path, "c", "last.pt"), weights(tmp_path, "c", "best.pt")) == ("b last.pt", "c best.pt"), (
        "a member keeps its best network where that is better"
    )
    assert state.lineage == tuple(ROUND) == state.record(1.0).lineage
    again_state, again = opened(tmp_path)
    assert [decision.applied for decision in again.decisions] == [True]
    assert again.values("d") == made.values("d") and again_state.lineage == state.lineage


@pytest.mark.parametrize("num_writes", range(6))
def test_a_kill_at_any_write_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_writes: int) -> None:
    """The writes: the decision, best.pt, last.pt, last.pt, the note that it is applied. The sixth never comes."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        end_round(folder)
    opened(whole)[1].carry_out(2, ROUND)
    _, killed = opened(cut)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes_atomic", dying(num_writes))
        if num_writes < 5:
            with pytest.raises(KeyboardInterrupt):
                killed.carry_out(2, ROUND)
        else:
            killed.carry_out(2, ROUND)
    _, again = opened(cut)
    unapplied = [decision for decision in again.decisions if not decision.applied]
    assert len(unapplied) == (1 if 0 < num_writes < 5 else 0)
    if num_writes < 5:  # the scheduler makes the same decision, or the one that is written
        again.carry_out(2, unapplied[0].takeovers if unapplied else ROUND)
    found = {str(path.relative_to(whole)): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert {str(path.relative_to(cut)): path.read_bytes() for path in cut.rglob("*") if path.is_file()} == found
    assert json.loads(found["population.json"])["decisions"][0]["applied"] is True


def dying(num_writes: int) -> Callable[[str, bytes], None]:
    write, done = files.write_bytes_atomic, []

    def limited(path: str, content: bytes) -> None:
        if len(done) == num_writes:
            raise KeyboardInterrupt
        done.append(path)
        write(path, content)

    return limited
