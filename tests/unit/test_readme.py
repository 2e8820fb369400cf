"""What README and docs say of the repository is so: their links, their commands' flags, their figures."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.planning.search import study_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = README + "".join(
    (ROOT / "docs" / f"{name}.md").read_text() for name in ("brain-scans", "documents", "running-studies")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_of_the_docs_is_reached_from_the_readme_or_a_page_that_is() -> None:
    reached, new = set[Path](), {ROOT / "README.md"}
    while new:
        reached |= new
        targets = {(p.parent / t).resolve() for p in new for t in re.findall(r"\]\(([^):]+\.md)\)", p.read_text())}
        new = targets - reached
    assert set((ROOT / "docs").glob("*.md")) - reached == set()


COMMANDS = sorted(set(re.findall(r"^\.venv/bin/python (jobs/\w+\.py [^#\n]*)", GUIDES, re.MULTILINE)))


@cache
def help_of(job: str, *subcommand: str) -> str:
    command = [sys.executable, job, *subcommand, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_of_its_commands_exist(command: str) -> None:
    job, *words = command.split(" -- ")[0].split()  # what follows belongs to the job that is submitted
    told = help_of(job, *(word for word in words[:1] if not word.startswith("-")))
    assert f"usage: {job}" in told
    assert [word for word in words if word.startswith("--") and f"{word} " not in told] == []


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 6


def test_the_measured_ratios_are_those_of_the_results() -> None:
    contents = [json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks" / "results").glob("*.json"))]
    rows = [measured_row(ratio) for content in contents for ratio in content["ratios"]]
    assert rows
    assert [row for row in rows if row not in (ROOT / "docs" / "benchmarks.md").read_text()] == []


def measured_row(ratio: dict[str, Any]) -> str:
    met = "yes" if ratio["met"] else "no"
    return f"| {ratio['name']} | {ratio['ratio']['median']:.2g} | {ratio['direction']} {ratio['target']:.3g} | {met} |"


def test_the_example_of_a_study_is_one() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", GUIDES, re.S)
    study = study_of(json.loads(example))
    assert len(study.experiments) == 20 and study.search is not None and study.scheduler is not None
    assert study.scheduler.options == {"grace_period": 3, "reduction_factor": 3}
    assert [v.batch_size for v in study.variants()["007"][2:5]] == [2, 4, 8]
