"""The table and the intervals of a final evaluation."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from app.data import files
from app.errors import UsageError
from app.execution.evaluate import bootstrap_interval, cases_csv, evaluate_run, is_evaluated, summarize
from app.training import checkpoint
from app.training.numerics import Numerics


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(3).beta(5, 2, 40)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    assert bootstrap_interval(values.tolist()) == pytest.approx((theirs.low, theirs.high), abs=3e-3)


def test_the_interval_is_the_same_each_time_and_needs_two_values() -> None:
    values = [0.2, 0.9, 0.5]
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval([0.4]) == (None, None)


def test_a_score_that_is_not_defined_is_an_empty_cell() -> None:
    cases = {"a": {"dice": 0.5, "hd95_mm_ET": None}, "b": {"dice": 1.0, "hd95_mm_ET": 2.25}}
    assert cases_csv(cases) == "case,dice,hd95_mm_ET\na,0.5,\nb,1,2.25\n"


def test_means_count_the_cases_they_are_over() -> None:
    cases = [{"dice": 0.5, "hd95_mm_ET": None}, {"dice": 1.0, "hd95_mm_ET": None}]
    found = summarize(cases, {"dice": 0.75, "hd95_mm_ET": float("nan")})
    assert (found["dice"].mean, found["dice"].num_cases) == (0.75, 2)
    assert (found["dice"].low, found["dice"].high) == (0.5, 1.0)
    assert (found["hd95_mm_ET"].mean, found["hd95_mm_ET"].low, found["hd95_mm_ET"].num_cases) == (None, None, 0)


def test_an_evaluation_is_of_one_store_and_of_the_weights_as_they_are(tmp_path: Path) -> None:
    run, model = str(tmp_path), torch.nn.Linear(1, 1)
    checkpoint.save_best(f"{run}/checkpoint", model, {}, {"epoch": 1, "accuracy": 1 / 3})
    assert not is_evaluated(run, "/store", "test")
    summary = {"store": "/store", "best_validation": {"epoch": 1, "accuracy": 1 / 3}}
    files.write_json(f"{run}/evaluation/test/summary.json", summary)
    assert is_evaluated(run, "/store", "test")
    assert not is_evaluated(run, "/other", "test")
    checkpoint.save_best(f"{run}/checkpoint", model, {}, {"epoch": 2, "accuracy": 2 / 3})
    assert not is_evaluated(run, "/store", "test")


def test_a_model_of_another_workload_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(workload=SimpleNamespace(name="document_image"))
    monkeypatch.setattr("app.execution.evaluate.load_model", lambda *_, **__: found)
    with pytest.raises(UsageError, match="runs/a is a model of the workload 'document_image', wanted one of brats"):
        evaluate_run("runs/a", "store", "test", workloads=("brats",))


def test_the_numerics_of_the_scores_stand_in_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, of which one has no bf16."""
    task, workload = object(), SimpleNamespace(cases_at_once=1, summarize=lambda _, cases: {"dice": 0.75})
    workload.evaluate_cases = lambda *_, **__: [{"dice": 0.75}]
    found = [
        SimpleNamespace(
            task=task, workload=workload, network=None, metrics={}, device=torch.device("cpu"),
            numerics=Numerics(precision, True),
        )
        for precision in ("bf16", "fp32", "bf16")
    ]  # fmt: skip
    monkeypatch.setattr("app.execution.evaluate.check_run", lambda *_: (found[0], ["a", "b", "c"]))
    monkeypatch.setattr(
        "app.execution.evaluate.map_with_model",
        lambda _, apply, items, *__: (apply(model, item) for model, item in zip(found, items, strict=True)),
    )
    evaluate_run(str(tmp_path), "store", "test")
    layout = {"channels_last": True, "device": "cpu"}
    summary = json.loads((tmp_path / "evaluation/test/summary.json").read_text())
    assert summary["numerics"] == [{"precision": "bf16", **layout}, {"precision": "fp32", **layout}]
    assert summary["num_cases"] == 3
