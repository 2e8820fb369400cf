"""The evaluate job on an ensemble: runs that were not scored yet are scored first, others are left alone."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.command_line import run
from app.workloads.documents.commands.flags import EvaluateEnsemble


@pytest.fixture
def job(open_job: Callable[[str], ModuleType]) -> ModuleType:
    return open_job("evaluate")


def test_what_an_ensemble_lacks_is_scored_first(
    job: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[tuple[str, str, str]] = []
    checked: list[tuple[str, str]] = []
    combined: list[Any] = []

    def check_run(run: str, store: str, split: str, **_: Any) -> None:
        assert not scored, "all are checked before the first is scored"
        checked.append((Path(run).name, split))

    def evaluate_run(run: str, store: str, split: str, workers: int, launcher: str, *_: Any) -> None:
        scored.append((Path(run).name, split, launcher))

    monkeypatch.setattr("app.execution.models.evaluate.evaluate_run", evaluate_run)
    monkeypatch.setattr("app.execution.models.evaluate.check_run", check_run)

    def ensemble_runs(*given: Any) -> dict[str, Any]:
        assert len(scored) == 3, "all are scored before they are put together"
        combined.extend(given)
        return {"accuracy": 1}

    monkeypatch.setattr("app.workloads.documents.ensemble.runs.ensemble_runs", ensemble_runs)
    monkeypatch.setattr("app.workloads.documents.ensemble.runs.table", lambda _: [])
    monkeypatch.setattr(
        "app.execution.models.evaluate.is_evaluated", lambda run, _, split: (Path(run).name, split) == ("image", "test")
    )
    flags = ["--image", str(tmp_path / "image"), "--text", str(tmp_path / "text"), "--launcher", "local"]
    flags += ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "both")]
    run(EvaluateEnsemble, job.main, flags, job.__doc__)
    missing = [("image", "validation"), ("text", "validation"), ("text", "test")]
    assert checked == missing
    assert scored == [(name, split, "local") for name, split in missing]
    assert combined == [[str(tmp_path / "image")], [str(tmp_path / "text")], str(tmp_path / "store")]
    assert json.loads((tmp_path / "both" / "ensemble.json").read_text()) == {"accuracy": 1}


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--image", "a", "b", "--text", "c"], "got 2 image runs and 1 text runs"),
        (["--image", "a", "--text", "c", "--workers", "0"], "--workers: got 0"),
    ],
)
def test_wrong_flags_are_told_before_anything_is_scored(
    job: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(EvaluateEnsemble, job.main, [*flags, "--store", "s", "--out", str(tmp_path)], job.__doc__)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
