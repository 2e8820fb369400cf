"""The predict job on documents: models that do not go together are told before anything is read."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from app.command_line import run
from app.workloads.documents.commands.flags import PredictDocuments


def test_models_of_different_classes_are_refused(
    open_job: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = open_job("predict")

    def load_model(path: str, **_: Any) -> Any:
        name = Path(path).name
        task = SimpleNamespace(
            classes={"image": ("form", "memo"), "text": ("memo", "note")}[name], image_size=64, ocr=""
        )
        return SimpleNamespace(workload=SimpleNamespace(name=f"document_{name}"), task=task)

    monkeypatch.setattr("app.execution.models.model.load_model", load_model)
    monkeypatch.setattr("app.workloads.documents.ocr.engines.check_engine", lambda _: None)
    flags = ["--input", str(tmp_path / "nothing there"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        run(PredictDocuments, job.main, [*flags, "--image-model", "image", "--text-model", "text"], job.__doc__)
    assert ended.value.code == 2
    assert "the models know different classes: image form, memo; text memo, note" in capsys.readouterr().err
