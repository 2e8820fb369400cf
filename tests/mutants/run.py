"""Changes one place of a pure module at a time and asks its unit tests whether they notice: `make mutants`.

cosmic-ray makes the changes. Its own runner starts an interpreter for each, which imports torch for seconds; here each
mutant is a fork of one process that has the libraries loaded, and no file is changed. A module with more mutants than
`--sample` is judged by a fixed random choice of them; `--all` takes every one. What survives and may stand is listed in
survivors.toml with the reason.
"""

import argparse
import ast
import difflib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TESTED = Path(__file__).parent / "modules.toml"
LISTED = Path(__file__).parent / "survivors.toml"
WANTED_SHARE = 0.9
"""Killed, of a module's mutants that are not listed as equivalent."""
LIBRARIES = ("torch", "numpy", "scipy.ndimage", "scipy.stats", "hypothesis", "pytest", "pyarrow.parquet", "rich")
SLACK = 4
"""A mutant that takes as many times as long as the module itself, and 10 s, hangs: killed."""


@dataclass(frozen=True)
class Mutant:
    """One changed module."""

    path: str
    source: str
    number: int
    """Line of the change."""
    before: str
    after: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.path, self.before, self.after


class OneModule(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from given source instead of from its file."""

    def __init__(self, path: str, source: str) -> None:
        self._name, self._path, self._source = path.removesuffix(".py").replace("/", "."), str(ROOT / path), source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def get_filename(self, name: str) -> str:
        return self._path

    def get_data(self, path: str) -> bytes:
        return self._source.encode()


def find_mutants(path: str) -> list[Mutant]:
    """Every mutant whose meaning may differ: none in an annotation, none twice."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / path).read_text()
    seen = {meaning(source)}
    found = []
    for name in sorted(operator_names()):
        kind = get_operator(name)
        if any(argument.name for argument in kind.arguments()):
            continue  # wants to be told names of variables
        if name.endswith(("_Is", "_IsNot")):
            continue  # of equal small numbers and words CPython most often has one
        operator = kind()
        num_places = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(get_ast(source)))
        for place in range(num_places):
            try:
                changed = mutate_code(source, operator, place)
            except AttributeError:  # it finds no name in `except module.Error`
                continue
            if changed is None:
                continue
            try:
                told = meaning(changed)
            except SyntaxError:
                continue
            if told not in seen:
                seen.add(told)
                found.append(Mutant(path, changed, *difference(source, changed)))
    return found


def meaning(source: str) -> str:
    """The syntax tree without what changes no result of a call that is right: annotations, what results are cached, and
    whether zip minds that one is longer."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            node.decorator_list = [kept for kept in node.decorator_list if "lru_cache" not in ast.dump(kept)]
        if isinstance(node, ast.Call):
            node.keywords = [kept for kept in node.keywords if kept.arg != "strict"]
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def difference(source: str, changed: str) -> tuple[int, str, str]:
    """Number, text before and text after of the lines that differ."""
    old, new = source.splitlines(), changed.splitlines()
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    _, i1, i2, j1, j2 = next(block for block in blocks if block[0] != "equal")
    before, after = (" ".join(line.strip() for line in lines) for lines in (old[i1:i2], new[j1:j2]))
    return i1 + 1, before, after


def start_tests(path: str, source: str, tests: list[str], limit_s: float) -> int:
    """The id of a process that ends with 0 where the tests notice nothing."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.setitimer(signal.ITIMER_REAL, limit_s)  # ends this process
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        sys.meta_path.insert(0, OneModule(path, source))
        code = run_pytest(tests)
    finally:
        os._exit(code)


def run_pytest(tests: list[str]) -> int:
    import pytest
    from hypothesis import Phase, settings

    class Quick:
        def pytest_sessionstart(self) -> None:  # after conftest.py's own choice
            phases = (Phase.explicit, Phase.generate)  # a failure need not be made small
            settings.register_profile("mutants", parent=settings.get_profile("ci"), phases=phases)
            settings.load_profile("mutants")

    flags = ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-x", "-q", "-p", "no:cacheprovider", "--timeout", "0"]
    return int(pytest.main([*flags, *tests], plugins=[Quick()]))


def survivors(mutants: list[Mutant], tests: list[str], limit_s: float, num_processes: int) -> Iterator[Mutant]:
    """Those that no test notices."""
    waiting, running = list(reversed(mutants)), {}
    while waiting or running:
        while waiting and len(running) < num_processes:
            mutant = waiting.pop()
            running[start_tests(mutant.path, mutant.source, tests, limit_s)] = mutant
        pid, status = os.wait()
        if status == 0:
            yield running[pid]
        del running[pid]


def judge(path: str, tests: list[str], options: argparse.Namespace, equivalent: set[Any], listed: set[Any]) -> Any:
    """Mutants tried that are not equivalent, those of them that were killed, and the survivors listed nowhere."""
    mutants = [mutant for mutant in find_mutants(path) if mutant.key not in equivalent]
    num_found = len(mutants)
    if not options.all and num_found > options.sample:
        mutants = random.Random(path).sample(mutants, options.sample)
    began = time.monotonic()
    pid = start_tests(path, (ROOT / path).read_text(), tests, 600)
    if os.waitpid(pid, 0)[1] != 0:
        raise SystemExit(f"error: {path}: its tests fail as it is: {' '.join(tests)}")
    limit_s = 10 + SLACK * options.processes * (time.monotonic() - began)
    left = list(survivors(mutants, tests, limit_s, options.processes))
    killed = len(mutants) - len(left)
    print(f"{path}: {killed} of {len(mutants)} killed ({num_found} in all), {time.monotonic() - began:.0f} s")
    new = [mutant for mutant in left if mutant.key not in listed]
    for mutant in sorted(new, key=lambda mutant: mutant.number):
        print(f"  {path}:{mutant.number}\n    {mutant.before}\n    {mutant.after}", flush=True)
    return len(mutants), killed, new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="paths; none: all of modules.toml")
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--sample", type=int, default=30, help="mutants of a module, of more")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ["CI"] = "true"  # hypothesis tries the same examples for each mutant
    sys.dont_write_bytecode = True
    for name in LIBRARIES:
        importlib.import_module(name)
    tested = tomllib.loads(TESTED.read_text())["modules"]
    rows = tomllib.loads(LISTED.read_text()).get("survivor", [])
    listed = {(row["module"], row["before"], row["after"]) for row in rows}
    equivalent = {(row["module"], row["before"], row["after"]) for row in rows if row["equivalent"]}
    found = [judge(path, tested[path], options, equivalent, listed) for path in options.modules or tested]
    num_tried, num_killed = (sum(column) for column in zip(*((row[0], row[1]) for row in found), strict=True))
    new = [mutant for row in found for mutant in row[2]]
    least = min(row[1] / row[0] for row in found)
    print(
        f"killed {num_killed} of {num_tried} ({num_killed / num_tried:.1%}), of each module {least:.1%} or more; ",
        end="",
    )
    print(f"expected {WANTED_SHARE:.0%}. {len(new)} survivors are not listed in {LISTED.relative_to(ROOT)}")
    raise SystemExit(least < WANTED_SHARE or bool(new))


if __name__ == "__main__":
    main()
