"""A study's folder: claimed once, by one process at a time, and read back as it was written."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import DataError, UsageError
from app.execution.studies.ledger import Ledger
from app.experiment import Experiment, OptimizerConfig, Study
from app.planning.plan import Plan, plan_of_strategy
from app.records import Span
from app.run_folder.study import PLAN
from app.search_space import Search


def study(**changes: Any) -> Study:
    return Study("s", (Experiment(name="a", workload="toy", **changes), Experiment(name="b", workload="toy")))


def plan(strategy: str = "data-parallel") -> Plan:
    return plan_of_strategy(study(), strategy, 2)


def test_the_same_study_may_come_back_with_another_plan(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "s"))
    ledger.claim(study(), plan())
    ledger.claim(study(), plan("experiment-parallel"))
    assert Study.from_dict(json.loads((tmp_path / "s" / "study.json").read_text())) == study()
    assert PLAN.read(str(tmp_path / "s")).strategy == "experiment-parallel"


def test_another_study_in_the_folder_is_refused_and_what_differs_is_named(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.claim(study(), plan())
    with pytest.raises(UsageError, match=r"holds another study \(different: experiment a\); give this one another"):
        ledger.claim(study(epochs=7), plan())
    turned = Study("s", tuple(reversed(study().experiments)))
    with pytest.raises(UsageError, match="the order of its experiments"):
        ledger.claim(turned, plan())


def test_a_folder_may_be_older_than_an_option(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    older = study().to_dict()
    del older["search"]
    for experiment in older["experiments"]:  # as optimizers were before these could be chosen
        del experiment["optimizer"]["nesterov"], experiment["optimizer"]["decay_vectors"]
    (tmp_path / "study.json").write_text(json.dumps(older))
    ledger.claim(study(), plan())
    with pytest.raises(UsageError, match=r"different: search"):
        ledger.claim(dataclasses.replace(study(), search=Search("optuna", {"seed": (1,)}, ("a",))), plan())


def test_what_an_older_folder_could_not_say_is_what_it_was_then(tmp_path: Path) -> None:
    older = study().to_dict()
    del older["experiments"][0]["optimizer"]["nesterov"]
    (tmp_path / "study.json").write_text(json.dumps(older))
    with pytest.raises(UsageError, match=r"\(different: experiment a\)"):
        Ledger(str(tmp_path)).claim(study(optimizer=OptimizerConfig(nesterov=False)), plan())


def test_spans_that_a_crash_cut_are_left_out(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    assert ledger.spans("a") == ()
    folder = tmp_path / "trials" / "a"
    folder.mkdir(parents=True)
    (folder / "spans.jsonl").write_text('{"phase": "step", "start_s": 1.0, "end_s": 2.0}\n{"phase": "st')
    assert ledger.spans("a") == (Span("step", 1.0, 2.0),)


@pytest.mark.parametrize("name", ["record.json", "trials/a/record.json", "trials/a/spans.jsonl"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"name": \n')
    ledger = Ledger(str(tmp_path))
    with pytest.raises(DataError, match=f"{name}(, line 1)? is damaged"):
        (ledger.read_record(), ledger.finished("a"), ledger.spans("a"))


def test_a_study_may_get_more_experiments(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.claim(study(), plan())
    longer = Study("s", (Experiment(name="new", workload="toy"), *study().experiments))
    ledger.claim(longer, plan_of_strategy(longer, "data-parallel", 2))
    assert Study.from_dict(json.loads((tmp_path / "study.json").read_text())) == longer
    with pytest.raises(UsageError, match=r"different: experiment new\)"):
        ledger.claim(study(), plan())
    with pytest.raises(UsageError, match="experiment a"):
        ledger.claim(Study("s", (*study(epochs=7).experiments, Experiment(name="c", workload="toy"))), plan())
