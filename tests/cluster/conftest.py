"""Hosts out of network, PID and mount namespaces on this machine: a head, two workers, and the user's own machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # the tests import from this file
SCRIPT = Path(__file__).with_name("hosts.sh")
NEEDED = {"ip": "iproute2", "nsenter": "util-linux", "rsync": "rsync", "ssh": "openssh-client"}
SUBNET = "10.79.0"
HEAD, WORKER_1, WORKER_2 = f"{SUBNET}.10", f"{SUBNET}.11", f"{SUBNET}.12"
SHARED = "/srv/shared"
"""On every host: a file system that they have in common."""


@dataclass(frozen=True)
class Hosts:
    """`run` and the script's other verbs, on one set of hosts."""

    state: Path

    def __call__(self, verb: str, *words: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        command = ["bash", str(SCRIPT), verb, "--state", str(self.state), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)

    def run(self, place: str, command: str, timeout_s: float = 300) -> "subprocess.CompletedProcess[str]":
        """In the place's login shell, in the clone where it has one; tools of the clone's .venv by their names."""
        return self("run", place, "bash", "-c", f"export PATH=$PWD/.venv/bin:$PATH; {command}", timeout_s=timeout_s)

    def done(self, command: str, timeout_s: float = 300) -> str:
        """What the command prints on the user's machine, where it must end with 0."""
        found = self.run("client", command, timeout_s)
        assert found.returncode == 0, f"{command}: {found.returncode}\n{found.stdout}\n{found.stderr}"
        return found.stdout


def missing() -> list[str]:
    """What these tests need and this machine lacks."""
    found = [] if os.geteuid() == 0 else ["root"]
    found += [package for program, package in NEEDED.items() if shutil.which(program) is None]
    return found if Path("/usr/sbin/sshd").exists() else [*found, "openssh-server"]


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    if lacking := missing():
        pytest.skip(f"hosts out of namespaces need: {', '.join(lacking)}")
    folder = Path("/var/tmp") / f"twofold-hosts-{os.getpid()}"  # not in /tmp, which each host has its own of
    (folder / "shared").mkdir(parents=True)
    made = Hosts(folder / "state")
    python = str(Path(sys.base_prefix))
    venv = str(Path(sys.prefix))
    binds = ["--bind", f"{folder / 'shared'}:{SHARED}", *(["--bind", python] if python.startswith("/root") else [])]
    try:
        up = made(
            "up", "--hosts", "3", "--subnet", SUBNET, "--prefix", "tft", "--checkout", str(ROOT), "--venv", venv, *binds
        )
        assert up.returncode == 0, up.stderr
        yield made
    finally:
        made("down")
        shutil.rmtree(folder, ignore_errors=True)
