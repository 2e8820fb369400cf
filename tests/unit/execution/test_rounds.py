"""The rounds of a population in its folder: what a kill leaves at any point is made whole by the next start."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.data import files
from app.execution.ledger import Ledger
from app.execution.rounds import Rounds, note_pause
from app.execution.study_state import StudyState
from app.experiment import Experiment, OptimizerConfig, Study
from app.planning.plan import plan_of_strategy
from app.search_space import Population, Range

RATE = "optimizer.learning_rate"
SCORES = {"a": 0.9, "b": 0.5, "c": 0.4, "d": 0.1}


def study(population: Population | None) -> Study:
    rates = dict(zip(SCORES, (0.1, 0.2, 0.3, 0.4), strict=True))
    trials = [
        Experiment(name=name, workload="w", epochs=6, optimizer=OptimizerConfig(learning_rate=rate))
        for name, rate in rates.items()
    ]
    return Study("s", tuple(trials), population=population)


def rounds(folder: Path, population: Population | None = None) -> tuple[StudyState, Rounds]:
    made = study(population or Population(2, {RATE: Range(1e-3, 1.0)}))
    state = StudyState(made, plan_of_strategy(made, "experiment-parallel", 2), {}, None, 0.0, "CPU")
    return state, Rounds(state, Ledger(str(folder)))


def end_round(folder: Path, end: int, best_of_d: float = 0.1) -> None:
    """As the members' workers leave it."""
    for name, score in SCORES.items():
        trial = folder / "trials" / name
        (trial / "checkpoint").mkdir(parents=True, exist_ok=True)
        lines = [{"epoch": e, "step": e, **({"acc": score} if e == end else {})} for e in range(1, end + 1)]
        (trial / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for file in ("last.pt", "best.pt"):
            (trial / "checkpoint" / file).write_text(f"{name} {file} {end}")
        note_pause(str(trial), end, "acc", {"acc": best_of_d if name == "d" else score})


def weights(folder: Path, name: str, file: str) -> str:
    return (folder / "trials" / name / "checkpoint" / file).read_text()


def test_rounds_end_at_each_interval_and_other_studies_have_one(tmp_path: Path) -> None:
    assert rounds(tmp_path)[1].ends == (2, 4, 6)
    plain = study(None)
    state = StudyState(plain, plan_of_strategy(plain, "data-parallel", 1), {}, None, 0.0, "CPU")
    other = Rounds(state, Ledger(str(tmp_path)))
    assert other.ends == (None,) and not other.is_through("a", None) and other.close(None) == ()
    assert other.values("a") == {}


def test_the_worst_takes_over_the_checkpoint_and_the_options(tmp_path: Path) -> None:
    state, made = rounds(tmp_path)
    end_round(tmp_path, 2)
    assert made.is_through("d", 2) and not made.is_through("d", 4)
    (takeover,) = made.close(2)
    assert (takeover.member, takeover.origin, takeover.epoch) == ("d", "a", 2)
    assert takeover.values[RATE] in (0.1 * 0.8, 0.1 * 1.2)
    assert (made.values("d"), made.values("a")) == (dict(takeover.values), {})
    assert (weights(tmp_path, "d", "last.pt"), weights(tmp_path, "d", "best.pt")) == ("a last.pt 2", "a best.pt 2")
    assert weights(tmp_path, "c", "last.pt") == "c last.pt 2"
    assert state.lineage == (takeover,) == state.record(1.0).lineage
    assert json.loads((tmp_path / "population.json").read_text())["decisions"][0]["applied"] is True

    # The next round has begun: a restart must not bring back the checkpoints of this one.
    (tmp_path / "trials" / "d" / "checkpoint" / "last.pt").write_text("d in its third epoch")
    again_state, again = rounds(tmp_path)
    assert again.close(2) == () and weights(tmp_path, "d", "last.pt") == "d in its third epoch"
    assert again.values("d") == made.values("d") and again_state.lineage == state.lineage


def test_a_member_keeps_its_best_network_where_that_is_better(tmp_path: Path) -> None:
    _, made = rounds(tmp_path)
    end_round(tmp_path, 2, best_of_d=0.95)
    made.close(2)
    assert (weights(tmp_path, "d", "last.pt"), weights(tmp_path, "d", "best.pt")) == ("a last.pt 2", "d best.pt 2")


def test_the_last_round_is_followed_by_nothing(tmp_path: Path) -> None:
    _, made = rounds(tmp_path)
    end_round(tmp_path, 6)
    assert made.close(6) == () and not (tmp_path / "population.json").exists()


@pytest.mark.parametrize("num_writes", range(5))
def test_a_kill_at_any_write_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_writes: int) -> None:
    """The writes: the decision, best.pt, last.pt, the note that it is applied. The fifth never comes."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        end_round(folder, 2)
    rounds(whole)[1].close(2)
    _, killed = rounds(cut)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes_atomic", dying(num_writes))
        if num_writes < 4:
            with pytest.raises(KeyboardInterrupt):
                killed.close(2)
        else:
            killed.close(2)
    rounds(cut)[1].close(2)
    found = {str(path.relative_to(whole)): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert {str(path.relative_to(cut)): path.read_bytes() for path in cut.rglob("*") if path.is_file()} == found


def dying(num_writes: int) -> Callable[[str, bytes], None]:
    write, done = files.write_bytes_atomic, []

    def limited(path: str, content: bytes) -> None:
        if len(done) == num_writes:
            raise KeyboardInterrupt
        done.append(path)
        write(path, content)

    return limited


def test_members_that_failed_or_lag_behind_neither_give_nor_take(tmp_path: Path) -> None:
    state, made = rounds(tmp_path)
    end_round(tmp_path, 4)
    note_pause(str(tmp_path / "trials" / "a"), 2, "acc", {"acc": 1.0})
    state._change("d", status="failed")
    (takeover,) = made.close(4)
    assert (takeover.member, takeover.origin) == ("c", "b")
