"""The rules that the code as a whole keeps: who imports whom, what importing costs, how long things are.

The table is the one of the design: rows may import the names beside them, their own package and the leaves.
A new package or module at the top of app/ fails here until someone gives it a row.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from source_imports import ROOT, is_within, module_name, paths, read_module

LEAVES = {
    *("app", "app.records", "app.errors", "app.console", "app.command_line", "app.configuration"),
    *("app.search_space", "app.scheduling", "app.intervals", "app.printable"),
    *("app.strict_json", "app.checksum", "app.stopping", "app.machine"),
}
"""Modules that anyone may import; they import leaves alone."""

MAY_IMPORT: dict[str, set[str]] = {
    "app.experiment": set(),
    "app.run_folder": {"app.planning", "app.data.files"},
    "app.planning": {"app.experiment"},
    "app.data": {"app.experiment"},
    "app.workloads": {
        "app.experiment",
        "app.data",
        "app.run_folder",
        "app.reporting.run.page_sheet",  # a prediction of pages ends in one
    },
    "app.training": {
        "app.experiment",
        "app.workloads.base",
        "app.data.samples.order",
        "app.data.samples.feeding",  # LocalContext reads samples by the same function that Ray Data calls
        "app.data.samples.splits",  # the names of the splits
        "app.run_folder",
        "app.data.files",  # checkpoints go where stores go, object stores included
    },
    "app.execution": {
        "app.experiment",
        "app.planning",
        "app.data",
        "app.workloads.base",
        "app.workloads.registry",
        "app.workloads.declaration",
        "app.training",
        "app.reporting",
        "app.run_folder",
    },
    "app.reporting": {"app.planning", "app.run_folder"},
    "jobs": {"app"},
}
"""The longest name that a module's own name starts with is its row. The engine never names a workload."""

WITHOUT_TORCH = (
    "app.experiment",
    "app.workloads.brats.recipes",
    "app.workloads.documents.recipes",
    "app.planning",
    "app.data",
    "app.reporting",
)
HEAVY = {"monai", "transformers", "timm", "pytesseract", "matplotlib", "onnx", "onnxruntime", "onnxscript"}
"""Imported in functions only: a process pays for what it uses (byte-compiled, monai and transformers 2.4 s each)."""

NUM_FILE_LINES = 300
NUM_FUNCTION_LINES = 60


KNOWN = {module_name(path) for path in paths()}
MODULES = [read_module(path, KNOWN) for path in paths()]
APP = [module for module in MODULES if is_within(module.name, "app")]


def row(name: str) -> str | None:
    if name in LEAVES:
        return name
    fitting = [key for key in MAY_IMPORT if is_within(name, key)]
    return max(fitting, key=len) if fitting else None


def is_allowed(importer: str, target: str) -> bool:
    own = row(importer)
    if target in LEAVES:
        return True
    if own is None or own in LEAVES:
        return False
    return is_within(target, own) or any(is_within(target, name) for name in MAY_IMPORT[own])


def domain(name: str) -> str | None:
    """`brats` or `document` for what lies in one of the two domains' packages."""
    parts = name.split(".")
    if parts[:2] != ["app", "workloads"] or len(parts) < 3:
        return None
    return "brats" if parts[2] == "brats" else "document" if parts[2].startswith("document") else None


def test_every_package_and_module_says_first_what_it_holds() -> None:
    assert [module.at(1) for module in MODULES if not (ast.get_docstring(module.tree) or "").strip()] == []


def test_every_module_has_a_row() -> None:
    without = [m.name for m in MODULES if row(m.name) is None]
    assert not without, f"give these a row in MAY_IMPORT, and the design one too: {without}"


def test_the_table_names_what_exists_or_is_planned() -> None:
    folders = {f"app.{path.stem}" for path in (ROOT / "app").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders <= set(MAY_IMPORT)


def test_imports_follow_the_table() -> None:
    wrong = [
        f"{m.at(i.line)} imports {i.target}"
        for m in MODULES
        for i in m.imports
        if i.target.split(".")[0] in ("app", "jobs") and not is_allowed(m.name, i.target)
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_jobs_or_tests() -> None:
    wrong = [
        m.at(i.line) for m in MODULES for i in m.imports if i.target.split(".")[0] in ("jobs", "tests", "benchmarks")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_two_domains_do_not_know_each_other() -> None:
    wrong = [
        f"{m.at(i.line)} imports {i.target}"
        for m in APP
        for i in m.imports
        if domain(m.name) and domain(i.target) and domain(m.name) != domain(i.target)
    ]
    assert not wrong, "\n".join(wrong)


def test_what_workloads_share_knows_none_of_them() -> None:
    wrong = [
        f"{m.at(i.line)} imports {i.target}"
        for m in APP
        for i in m.imports
        if is_within(m.name, "app.workloads.volumes") and domain(i.target)
    ]
    assert not wrong, "\n".join(wrong)


def may_use_ray(name: str) -> bool:
    return is_within(name, "app.execution") or name == "app.data.samples.ray_feeding" or is_within(name, "jobs")


def test_ray_stays_at_the_edges() -> None:
    wrong = [m.at(i.line) for m in MODULES for i in m.imports if is_within(i.target, "ray") and not may_use_ray(m.name)]
    assert not wrong, "\n".join(wrong)


def test_torch_stays_where_tensors_are() -> None:
    wrong = [
        m.at(i.line)
        for m in APP
        for i in m.imports
        if i.target.split(".")[0] in ("torch", "torchvision") and row(m.name) in LEAVES.union(WITHOUT_TORCH)
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = [
        f"{m.at(i.line)} imports {i.target}"
        for m in APP
        for i in m.imports
        if i.at_start and i.target.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_in_app_prints() -> None:
    wrong = [
        m.at(node.lineno)
        for m in APP
        for node in ast.walk(m.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, "use app.console.say:\n" + "\n".join(wrong)


def test_files_and_functions_stay_short() -> None:
    long = [f"{m.at(1)}: {m.num_lines} lines" for m in MODULES if m.num_lines > NUM_FILE_LINES]
    for m in MODULES:
        for node in ast.walk(m.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            num_lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if num_lines > NUM_FUNCTION_LINES:
                long.append(f"{m.at(node.lineno)}: {node.name} has {num_lines} lines")
    for path in [path for folder in ("benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]:
        if (num_lines := len(path.read_text().splitlines())) > NUM_FILE_LINES:
            long.append(f"{path.relative_to(ROOT)}: {num_lines} lines")
    assert not long, "\n".join(long)


IMPORT_AND_LOOK = """
import importlib, json, logging, os, sys, threading
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps({
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
    "files": os.listdir("."),
    "threads": [t.name for t in threading.enumerate()],
    "handlers": [str(h) for h in logging.getLogger().handlers],
}))
"""


def import_and_look(names: list[str], folder: Path) -> dict[str, list[str]]:
    """What importing these modules in a fresh process loads and leaves behind."""
    assert names
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_AND_LOOK, *names], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)  # nothing else was written to stdout
    return found


def names_of(*packages: str) -> list[str]:
    return [m.name for m in APP if any(is_within(m.name, p) for p in packages)]


def test_importing_does_nothing(tmp_path: Path) -> None:
    found = import_and_look([m.name for m in APP], tmp_path)
    assert found["files"] == []
    assert found["threads"] == ["MainThread"]
    assert found["handlers"] == []
    assert not HEAVY & set(found["loaded"]), "loaded by importing app: pulled in by another library?"


LIGHT = [name for name in names_of(*WITHOUT_TORCH) if not may_use_ray(name)] + sorted(LEAVES & KNOWN)


@pytest.mark.parametrize(
    ("names", "absent"),
    [
        pytest.param(LIGHT, {"torch", "ray"} | HEAVY, id="planning, data and leaves"),
        pytest.param(
            names_of(
                "app.experiment", "app.planning", "app.workloads.brats.recipes", "app.workloads.documents.recipes"
            ),
            {"numpy", "rich", "tyro"},
            id="planning",
        ),
        pytest.param(names_of("app.training"), {"ray"} | HEAVY, id="training"),
        pytest.param(names_of("app.workloads"), {"ray"} | HEAVY, id="workloads"),
        pytest.param(
            [name for name in names_of("app.workloads") if name.endswith(".samples")],
            {"torch"},
            id="what a process that only reads imports",
        ),
    ],
)
def test_importing_loads_no_more_than_it_needs(names: list[str], absent: set[str], tmp_path: Path) -> None:
    loaded = set(import_and_look(names, tmp_path)["loaded"])
    assert not absent & loaded


@pytest.mark.parametrize(
    ("importer", "target", "allowed"),
    [
        ("app.planning.cost", "app.experiment", True),
        ("app.planning.cost", "app.planning.profile", True),
        ("app.planning.cost", "app.records", True),
        ("app.planning.cost", "app.data.samples.order", False),
        ("app.data.store.manifest", "app.workloads.base", False),
        ("app.training.loop", "app.workloads.base", True),
        ("app.training.loop", "app.workloads.registry", False),
        ("app.execution.trials.trial", "app.workloads.registry", True),
        ("app.execution.trials.trial", "app.workloads.brats.workload", False),
        ("app.errors", "app.experiment", False),
        ("app.novelty.thing", "app.experiment", False),
        ("jobs.train", "app.workloads.brats.task", True),
    ],
)
def test_the_table_itself(importer: str, target: str, allowed: bool) -> None:
    assert is_allowed(importer, target) is allowed
