"""Only app.run_folder types the names of a run's and a study's files; everyone else asks it."""

import ast
from pathlib import Path

from app.run_folder import run, study
from app.run_folder.cases import CasesFile
from app.run_folder.kinds import JsonFile, JsonLines

ROOT = Path(__file__).parents[2]
KINDS = [kind for module in (run, study) for kind in vars(module).values()]
NAMES = {kind.name for kind in KINDS if isinstance(kind, JsonFile | JsonLines | CasesFile)} | {run.LAST, run.BEST}


def test_no_other_module_types_the_names_of_a_runs_files() -> None:
    assert len(NAMES) > 20
    typed = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for folder in ("app", "jobs")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "run_folder" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMES & set(node.value.split("/"))
    ]
    assert typed == []
