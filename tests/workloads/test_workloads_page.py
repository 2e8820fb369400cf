"""docs/workloads.md shows what the tests run and hold."""

import re
from pathlib import Path

import pytest
from own_workloads import ROOT

PAGE = (ROOT / "docs/workloads.md").read_text()
BLOCKS = re.findall(r"(?:<!-- (from|commands): (\S+) -->\n)?```(\w*)\n(.*?)```", PAGE, re.S)
QUOTED = [(path, text) for kind, path, _, text in BLOCKS if kind == "from"]


@pytest.mark.parametrize(("path", "text"), QUOTED)
def test_code_is_that_of_the_file_it_names(path: str, text: str) -> None:
    assert text in (ROOT / path).read_text()


def test_every_block_is_run_or_quoted() -> None:
    others = [text for kind, _, _, text in BLOCKS if not kind]
    (line,) = others  # of the registry, as the tests give it
    assert line.strip().rstrip(",").replace('"', "") == "vectors: vectors.declaration:VECTORS"
    assert "vectors.declaration:VECTORS" in Path(__file__).with_name("test_vectors.py").read_text()
    assert {name for kind, name, _, _ in BLOCKS if kind == "commands"} == {"vectors", "hippocampus"}
    assert len(QUOTED) >= 10


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:app|tests)/[\w/]+(?:\.py)?)`", PAGE))
    assert len(named) >= 5
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
