"""What jobs/study.py refuses before it starts anything; and the plans it makes."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from app.errors import UsageError
from app.experiment import Experiment, Study
from app.training import choices
from jobs.study import Arguments, lost_line, main, make_plan, read_study

STUDY = Study("s", tuple(Experiment(name=name, workload="w", batch_size=4) for name in "abc"))


def test_a_study_comes_from_a_file_or_from_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(STUDY.to_dict()))
    assert read_study(str(path), None) == STUDY
    for both_or_neither in ((None, None), (str(path), "x")):
        with pytest.raises(ValueError, match="one of them"):
            read_study(*both_or_neither)


@pytest.mark.parametrize(
    ("epochs", "told"), [("1e400", "got inf"), ("1" * 40, "got a number of 130 bits"), ("[", "not")]
)
def test_numbers_that_nobody_can_use_are_refused_as_any_wrong_value(tmp_path: Path, epochs: str, told: str) -> None:
    """With exit code 2, before anything starts."""
    path = tmp_path / "study.json"
    path.write_text(json.dumps(STUDY.to_dict()).replace('"epochs": 10', f'"epochs": {epochs}'))
    with pytest.raises(UsageError, match=rf"study\.json is damaged: {told}"):
        read_study(str(path), None)


def test_a_scheduler_or_search_that_does_not_run_is_refused_when_the_study_is_read(tmp_path: Path) -> None:
    """So jobs/plan.py and jobs/calibrate.py refuse it as well, not only the study that they are for."""
    path = tmp_path / "study.json"
    for more, message in (
        ({"scheduler": {"name": "asha", "grace_period": 0}}, "scheduler: grace_period: got 0, exp"),
        ({"search": {"algorithm": "optunaa", "parameters": {"ema_decay": [0.9]}, "trials": ["a"]}}, "'optunaa'"),
    ):
        path.write_text(json.dumps({**STUDY.to_dict(), **more}))
        with pytest.raises(UsageError, match=message):
            read_study(str(path), None)


def test_a_recipe_takes_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bert").mkdir()
    monkeypatch.chdir(tmp_path)
    options = ("text_model=bert", "num_partitions=1", "epochs=2")
    study = read_study(None, "documents-partitions-small", options)
    assert [(e.name, e.epochs) for e in study.experiments] == [("image-0", 2), ("text-0", 2)]
    assert study.experiments[1].task["model"] == str(tmp_path / "bert")
    for wrong, message in (("epoch=2", "did you mean 'epochs'"), ("epochs", "NAME=VALUE"), ("small=true", "valid:")):
        with pytest.raises(ValueError, match=message):
            read_study(None, "documents-partitions-small", (wrong,))


def test_the_strategy_makes_the_plan() -> None:
    hybrid = make_plan(STUDY, "hybrid:2", 4)
    assert [(s.workers_per_trial, s.concurrent_trials, s.trials) for s in hybrid.stages] == [(2, 2, ("a", "b", "c"))]
    with pytest.raises(ValueError, match="batch size 4 is not divisible by 3 workers"):
        make_plan(STUDY, "data-parallel", 3)
    with pytest.raises(ValueError, match="strategy: got 'data-paralel'"):
        make_plan(STUDY, "data-paralel", None)
    with pytest.raises(ValueError, match="--workers: got 0"):
        make_plan(STUDY, "data-parallel", 0)


def test_a_plan_file_is_run_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    plan = make_plan(STUDY, "experiment-parallel", 2)
    path.write_text(plan.to_json())
    assert make_plan(STUDY, f"plan:{path}", None) == plan
    with pytest.raises(ValueError, match="--workers 3: the plan is for 2"):
        make_plan(STUDY, f"plan:{path}", 3)
    path.write_text(plan.to_json().replace('"c"', '"x"'))
    with pytest.raises(ValueError, match="has no trial 'x'"):
        make_plan(STUDY, f"plan:{path}", None)


def test_numerics_of_another_run_are_taken_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, source = tmp_path / "study.json", tmp_path / "a"
    path.write_text(json.dumps(STUDY.to_dict()))
    chosen = choices.Choice("w", "cpu", "Net", "fp32", True, {})
    arguments = Arguments(
        study=str(path), store=(str(tmp_path),), strategy="data-parallel", workers=2, runs=str(tmp_path), name="b",
        numerics=str(source),
    )  # fmt: skip

    class Started(Exception):
        pass

    def start(num_workers: int) -> None:
        assert choices.read(str(tmp_path / "b"), "k") == chosen
        raise Started

    monkeypatch.setattr("app.execution.cluster.connection.connect", start)
    monkeypatch.setattr("app.execution.studies.study._check_trials", lambda *_: None)
    monkeypatch.setattr("app.execution.studies.study.claim_stores", lambda *_: None)
    with pytest.raises(UsageError, match=r"/a has chosen no numerics"):
        main(arguments)
    choices.keep(str(source), "k", chosen)
    with pytest.raises(Started):
        main(arguments)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "study.json").write_text(json.dumps({**STUDY.to_dict(), "seed": 9}))
    with pytest.raises(UsageError, match="holds another study"):
        main(dataclasses.replace(arguments, name="c"))
    assert choices.read(str(tmp_path / "c"), "k") is None, "another study's folder is left alone"


def test_the_demo_s_second_strategy_takes_the_numerics_of_the_first(
    tmp_path: Path, open_job: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "jobs" / "demo"))
    demo, shown = open_job("demo_study"), []

    class Shown:
        def run(self, step: Any) -> None:
            shown.append(step.job)

    demo.walk(7, tmp_path / "store", tmp_path, 2, Shown())
    first, second, report, plan, planned, _ = shown
    assert all("epochs=7" in job for job in (first, second)) and all("epochs=14" in job for job in (plan, planned))
    saved = plan[plan.index("--save-profile") + 1]
    assert "--strategy" not in planned and planned[planned.index("--profile") + 1] == saved
    assert "--numerics" not in first and second[second.index("--numerics") + 1] == str(tmp_path / "experiment-parallel")
    assert first[first.index("--name") + 1] == "experiment-parallel" and report[0] == "report"


def test_what_interruptions_cost_is_told_at_the_end(tmp_path: Path) -> None:
    def trial(name: str, num_restarts: int, lost_s: float) -> Any:
        record = SimpleNamespace(num_restarts=num_restarts, timings=SimpleNamespace(lost_s=lost_s))
        return SimpleNamespace(name=name, record=record)

    whole, unfinished = trial("a", 0, 0.0), SimpleNamespace(name="d", record=None)
    assert lost_line(SimpleNamespace(trials=[whole, unfinished]), str(tmp_path)) is None
    trials = SimpleNamespace(trials=[whole, trial("b", 1, 2.25), trial("c", 2, 1.0), unfinished])
    one = SimpleNamespace(trials=[whole, trial("b", 1, 2.25)])
    assert lost_line(one, str(tmp_path)) == "1 trial was interrupted: 2.2 s of training were lost and done again"
    told = "2 trials were interrupted: 3.2 s of training were lost and done again"
    assert lost_line(trials, str(tmp_path)) == told
    (tmp_path / "trials" / "b").mkdir(parents=True)
    attempts = [
        {"command_start_s": 0.0, "attempt_start_s": start_s, "last_sign_s": 130.0} for start_s in (100.0, 205.0)
    ]
    (tmp_path / "trials" / "b" / "attempts.jsonl").write_text("".join(f"{json.dumps(a)}\n" for a in attempts))
    assert lost_line(trials, str(tmp_path)) == f"{told}, and 75 s passed until they resumed"
