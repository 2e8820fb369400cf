"""The modules of app and jobs, and what each imports, read from their source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Import:
    target: str
    line: int
    at_start: bool
    """Whether importing the module runs it; false in functions and under TYPE_CHECKING."""


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module
    num_lines: int
    imports: tuple[Import, ...]

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


def paths() -> list[Path]:
    return [path for folder in ("app", "jobs") for path in sorted((ROOT / folder).rglob("*.py"))]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def read_module(path: Path, known: set[str]) -> Module:
    text = path.read_text()
    tree = ast.parse(text)
    return Module(
        module_name(path), path, tree, len(text.splitlines()), tuple(find_imports(tree, path, known, at_start=True))
    )


def find_imports(node: ast.AST, path: Path, known: set[str], at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = at_start and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inside = False
        for target in targets(child, path, known):
            yield Import(target, getattr(child, "lineno", 0), at_start)
        yield from find_imports(child, path, known, inside)


def targets(node: ast.AST, path: Path, known: set[str]) -> list[str]:
    """Full names of the modules that a statement imports; also import_module("name")."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        parts = module_name(path).split(".")
        package = parts if path.name == "__init__.py" else parts[:-1]
        origin = ".".join(
            [*package[: len(package) - node.level + 1], node.module or ""] if node.level else [node.module or ""]
        )
        full = [f"{origin.strip('.')}.{alias.name}" for alias in node.names]
        return [name if name in known else origin.strip(".") for name in full]
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
        return [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return []
