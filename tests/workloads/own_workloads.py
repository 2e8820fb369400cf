"""Runs jobs on a workload that lies in this folder, as a line in the registry would have it; commands as docs show
them."""

import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args
from unittest import mock

from app.command_line import run
from app.workloads import registry

ROOT = Path(__file__).parents[2]
JOBS = {*get_args(registry.Job)} - {"synthesize"}
"""What one does with data that there is."""


@dataclass(frozen=True)
class Jobs:
    folder: Path
    """Where the commands run."""
    lines: Mapping[str, str]
    """Of the registry."""

    def follow(self, page: str, workload: str) -> None:
        """Run every command on the workload that the page shows, in its order, without Ray."""
        found = commands(page, workload)
        assert {command.split()[1].removeprefix("jobs/").removesuffix(".py") for command in found} == {
            *JOBS,
            "report",
        }
        for command in found:
            self.run(command)

    def run(self, command: str) -> None:
        _, job, *flags = shlex.split(command)
        if not job.endswith("report.py"):
            flags += ["--launcher", "local"]
        name = Path(job).stem
        module = import_module(f"jobs.{name}")
        flagged: Any = partial(registry.subcommands, cast(Any, name)) if name in JOBS else module.Args
        lines, argv = mock.patch.dict(registry.WORKLOADS, self.lines), mock.patch.object(sys, "argv", [job, *flags])
        with lines, argv, chdir(self.folder):
            run(flagged, module.main, flags, module.__doc__)


def commands(page: str, workload: str) -> list[str]:
    """Those of the section that is named after the workload's example."""
    text = (ROOT / page).read_text()
    (section,) = re.findall(rf"<!-- commands: {workload} -->\n```\n(.*?)```", text, re.S)
    return [line for line in section.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
