"""The table and the intervals of a final evaluation."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from app.data import files
from app.errors import UsageError
from app.execution.models.evaluate import bootstrap_interval, evaluate_run, is_evaluated, summarize
from app.experiment import Experiment
from app.run_folder.run import CASES
from app.training import checkpoint
from app.training.numerics import Numerics
from app.workloads.base import Workload


def test_the_interval_is_that_of_means_of_values_drawn_again() -> None:
    # Of five values, one of them 1: the mean of a resample is k / 5 with k binomial (5, 0.2), which is 0 in 33 %, at
    # most 2 in 94.2 % and at most 3 in 99.3 % of them.
    assert bootstrap_interval([0, 0, 1, 0, 0]) == (0.0, pytest.approx(3 / 5))
    values = np.random.default_rng(3).normal(5, 2, 2000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert bootstrap_interval(values.tolist()) == pytest.approx((values.mean() - half, values.mean() + half), abs=3e-3)
    assert bootstrap_interval([0.25] * 4) == (0.25, 0.25)


def test_the_interval_is_the_same_each_time_and_needs_two_values() -> None:
    values = [0.2, 0.9, 0.5]
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval([0.4]) == (None, None)


def test_a_score_that_is_not_defined_is_an_empty_cell() -> None:
    cases = {"a": {"dice": 0.5, "hd95_mm_ET": None}, "b": {"dice": 1.0, "hd95_mm_ET": 2.25}}
    assert CASES.text(cases) == "case,dice,hd95_mm_ET\na,0.5,\nb,1,2.25\n"


def test_means_count_the_cases_they_are_over() -> None:
    cases = [{"dice": 0.5, "hd95_mm_ET": None}, {"dice": 1.0, "hd95_mm_ET": None}]
    found = summarize(cases, {"dice": 0.75, "hd95_mm_ET": float("nan")})
    assert (found["dice"].mean, found["dice"].num_cases) == (0.75, 2)
    assert (found["dice"].low, found["dice"].high) == (0.5, 1.0)
    assert (found["hd95_mm_ET"].mean, found["hd95_mm_ET"].low, found["hd95_mm_ET"].num_cases) == (None, None, 0)


class Pages(Workload):
    """As much of a workload as an evaluation asks; what its store holds is set from outside."""

    name, cases_at_once = "pages", 2

    def __init__(self) -> None:
        self.ids, self.held = ["a", "b"], "pictures"

    def validation_ids(self, task: Any, store: str, split: str) -> list[str]:
        return self.ids

    def contents(self, task: Any, store: str, case_ids: list[str]) -> str:
        return self.held

    def resolve_task(self, task: Any, store: str) -> Any:
        return task

    def evaluate_cases(self, task: Any, network: Any, store: str, case_ids: list[str], *_: Any, **__: Any) -> Any:
        return [{"accuracy": 1.0} for _ in case_ids]

    def summarize(self, task: Any, cases: Any) -> dict[str, float]:
        return {"accuracy": 1.0}


@dataclass(frozen=True)
class Options:
    overlap: float = 0.5


def test_an_evaluation_is_of_one_store_and_of_all_else_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of today until the weights, the cases, what the store has of them or the options are others."""
    run, model, pages = str(tmp_path), torch.nn.Linear(1, 1), Pages()

    def load(path: str, *_: Any, task_options: Any = None, workloads: Any = ()) -> Any:
        return SimpleNamespace(
            path=path, workload=pages, task=Options(**(task_options or {})), network=model, metrics={"accuracy": 0.3},
            device=torch.device("cpu"), numerics=Numerics("fp32", True),
        )  # fmt: skip

    def apply(
        path: str, function: Any, items: Any, workers: int, launcher: str, options: Any, reads: Any
    ) -> Iterator[Any]:
        assert reads[0].startswith("/") and len(reads) == 1, "the store, which every host must see"
        yield from (function(load(path, task_options=options), item) for item in items)

    monkeypatch.setattr("app.execution.models.evaluate.load_model", load)
    monkeypatch.setattr("app.execution.models.evaluate.map_with_model", apply)
    checkpoint.save_best(f"{run}/checkpoint", model, {}, {"epoch": 1, "accuracy": 1 / 3})
    assert not is_evaluated(run, "/store", "test")
    evaluate_run(run, "/store", "test", launcher="local", task_options={"overlap": 0.7})
    assert not is_evaluated(run, "/store", "test"), "other options"
    evaluate_run(run, "/store", "test", launcher="local")
    assert is_evaluated(run, "/store", "test")
    assert not is_evaluated(run, "/other", "test")
    assert not is_evaluated(run, "/store", "test", {"overlap": 0.7})
    for change in ({"ids": ["a"]}, {"held": "another picture"}):
        with monkeypatch.context() as patch:
            for name, value in change.items():
                patch.setattr(pages, name, value)
            assert not is_evaluated(run, "/store", "test"), change
    assert is_evaluated(run, "/store", "test")
    torch.nn.init.ones_(model.weight)
    checkpoint.save_best(f"{run}/checkpoint", model, {}, {"epoch": 1, "accuracy": 1 / 3})
    assert not is_evaluated(run, "/store", "test"), "other weights, though their score is the same"
    files.write_json(f"{run}/evaluation/test/summary.json", {"store": "/store", "best_validation": {"accuracy": 1 / 3}})
    assert not is_evaluated(run, "/store", "test"), "of before it said what it is of"


def test_cases_stand_in_their_own_order_whichever_was_scored_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the summary says which scores chose the weights, by which options, and what is to be known of the scores."""

    class Numbers(Pages):
        def evaluate_cases(self, task: Any, network: Any, store: str, case_ids: list[str], *_: Any, **__: Any) -> Any:
            return [{"accuracy": ord(case_id) - ord("a")} for case_id in case_ids]

        def remarks(self, task: Any, store: str, case_ids: list[str]) -> tuple[str, ...]:
            return (f"of {len(case_ids)}",)

    pages, best = Numbers(), {"epoch": 2, "accuracy": 0.25}
    pages.ids = ["c", "a", "d", "e", "b"]
    model = SimpleNamespace(
        path=str(tmp_path), workload=pages, task=Options(0.7), network=torch.nn.Linear(1, 1), metrics=best,
        device=torch.device("cpu"), numerics=Numerics("fp32", True),
    )  # fmt: skip
    checkpoint.save_best(f"{tmp_path}/checkpoint", model.network, {}, best)
    monkeypatch.setattr("app.execution.models.evaluate.load_model", lambda *_, **__: model)
    monkeypatch.setattr(
        "app.execution.models.evaluate.map_with_model",
        lambda _, apply, items, *__: (apply(model, item) for item in reversed(items)),
    )
    evaluate_run(str(tmp_path), "/store", "test", task_options={"overlap": 0.7}, conventions=("each once",))
    table = (tmp_path / "evaluation/test/cases.csv").read_text()
    assert table == "case,accuracy\nc,2\na,0\nd,3\ne,4\nb,1\n"
    summary = json.loads((tmp_path / "evaluation/test/summary.json").read_text())
    assert summary["best_validation"] == best and summary["task"] == {"overlap": 0.7}
    assert summary["conventions"] == ["each once", "of 5"]


def test_a_model_of_another_workload_is_refused(tmp_path: Path) -> None:
    experiment = Experiment(name="a", workload="document_image").to_dict()
    checkpoint.save_best(f"{tmp_path}/checkpoint", torch.nn.Linear(1, 1), experiment, {})
    with pytest.raises(UsageError, match="is a model of the workload 'document_image', expected one of 'brats'"):
        evaluate_run(str(tmp_path), "store", "test", workloads=("brats",))


def test_the_numerics_of_the_scores_stand_in_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, of which one has no bf16."""
    task, workload = (
        object(),
        SimpleNamespace(
            cases_at_once=1, remarks=lambda *_: (), contents=lambda *_: "", summarize=lambda _, cases: {"dice": 0.75}
        ),
    )
    workload.evaluate_cases = lambda *_, **__: [{"dice": 0.75}]
    found = [
        SimpleNamespace(
            task=task, workload=workload, network=None, metrics={}, device=torch.device("cpu"),
            numerics=Numerics(precision, True),
        )
        for precision in ("bf16", "fp32", "bf16")
    ]  # fmt: skip
    monkeypatch.setattr("app.execution.models.evaluate.check_run", lambda *_: (found[0], ["a", "b", "c"]))
    monkeypatch.setattr("app.execution.models.evaluate._digest", lambda *_: "")
    monkeypatch.setattr(
        "app.execution.models.evaluate.map_with_model",
        lambda _, apply, items, *__: (apply(model, item) for model, item in zip(found, items, strict=True)),
    )
    evaluate_run(str(tmp_path), "store", "test")
    layout = {"channels_last": True, "device": "cpu"}
    summary = json.loads((tmp_path / "evaluation/test/summary.json").read_text())
    assert summary["numerics"] == [{"precision": "bf16", **layout}, {"precision": "fp32", **layout}]
    assert summary["num_cases"] == 3
