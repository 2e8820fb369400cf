"""The evaluate job on an ensemble: runs that were not scored yet are scored first, others are left alone."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.command_line import run

JOB = Path(__file__).parents[3] / "jobs" / "evaluate.py"


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("job_evaluate", JOB)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "job_evaluate", module)
    spec.loader.exec_module(module)
    return module


def test_what_an_ensemble_lacks_is_scored_first(
    job: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[tuple[str, str, str]] = []

    def evaluate_run(run: str, store: str, split: str, workers: int, launcher: str, **_: Any) -> None:
        scored.append((Path(run).name, split, launcher))

    monkeypatch.setattr("app.execution.evaluate.evaluate_run", evaluate_run)
    monkeypatch.setattr("app.workloads.documents.ensembling.ensemble_runs", lambda *_: {"accuracy": 1})
    monkeypatch.setattr("app.workloads.documents.ensembling.table", lambda _: [])
    done = tmp_path / "image" / "evaluation" / "test" / "summary.json"
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    flags = ["--image", str(tmp_path / "image"), "--text", str(tmp_path / "text"), "--launcher", "local"]
    flags += ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "both")]
    run(job.EvaluateEnsemble, job.main, flags, job.__doc__)
    missing = [("image", "validation"), ("text", "validation"), ("text", "test")]
    assert scored == [(name, split, "local") for name, split in missing]
    assert json.loads((tmp_path / "both" / "ensemble.json").read_text()) == {"accuracy": 1}
