"""What the README says of the repository is so: its links, its commands' flags."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.planning.search import study_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_links_inside_the_repository_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


COMMANDS = sorted(set(re.findall(r"^\.venv/bin/python (jobs/\w+\.py [^#\n]*)", README, re.MULTILINE)))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_of_its_commands_exist(command: str) -> None:
    job, *words = command.split(" -- ")[0].split()  # what follows belongs to the job that is submitted
    subcommand = [word for word in words[:1] if not word.startswith("-")]
    done = subprocess.run(
        [sys.executable, job, *subcommand, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [word for word in words if word.startswith("--") and f"{word} " not in done.stdout] == []


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 6


def test_the_measured_ratios_are_those_of_the_results() -> None:
    contents = [json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks" / "results").glob("*.json"))]
    rows = [measured_row(ratio) for content in contents for ratio in content["ratios"]]
    assert rows
    assert [row for row in rows if row not in README] == []


def measured_row(ratio: dict[str, Any]) -> str:
    met = "yes" if ratio["met"] else "no"
    return f"| {ratio['name']} | {ratio['ratio']['median']:.2g} | {ratio['direction']} {ratio['target']:.3g} | {met} |"


def test_the_example_of_a_study_is_one() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", README, re.S)
    study = study_of(json.loads(example))
    assert len(study.experiments) == 20 and study.search is not None and study.scheduler is not None
    assert study.scheduler.options == {"grace_period": 3, "reduction_factor": 3}
    assert [v.batch_size for v in study.variants()["007"][2:5]] == [2, 4, 8]
