"""The reading of imports, of which the rules of test_architecture.py speak."""

import ast

import pytest
from source_imports import ROOT, find_imports


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import ray.data", [("ray.data", True)]),
        ("from app import records", [("app.records", True)]),
        ("from app.records import TrialRecord", [("app.records", True)]),
        ("from . import context", [("app.training.context", True)]),
        ("from .context import LocalContext", [("app.training.context", True)]),
        ("from ..workloads import base", [("app.workloads.base", True)]),
        ("def f():\n    import torch", [("torch", False)]),
        ("class A:\n    import torch", [("torch", True)]),
        ("try:\n    import torch\nexcept ImportError:\n    pass", [("torch", True)]),
        ("if TYPE_CHECKING:\n    import torch", [("torch", False)]),
        ("import importlib\nimportlib.import_module('ray')", [("importlib", True), ("ray", True)]),
    ],
)
def test_the_reading_of_imports(source: str, expected: list[tuple[str, bool]]) -> None:
    known = {"app.records", "app.training.context", "app.workloads.base"}
    found = find_imports(ast.parse(source), ROOT / "app/training/loop.py", known, at_start=True)
    assert [(i.target, i.at_start) for i in found] == expected
