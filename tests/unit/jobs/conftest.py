"""Opens a job's file as a module, without running it."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from ending import ending, stop_at  # noqa: F401

JOBS = Path(__file__).parents[3] / "jobs"


@pytest.fixture
def open_job(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """`open_job("evaluate")` is the module of jobs/evaluate.py."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            f"job_{name}", JOBS / f"{name}.py" if (JOBS / f"{name}.py").exists() else JOBS / "demo" / f"{name}.py"
        )
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, f"job_{name}", module)
        spec.loader.exec_module(module)
        return module

    return load
