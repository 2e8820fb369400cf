"""Hosts made of namespaces on this machine (hosts.sh) and the project's cluster on them, as a user would start it.

What is tried is the last commit: the client's folder is a clone of it.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("hosts.sh")
SUBNET = os.environ.get("TWOFOLD_TEST_SUBNET", "10.77.0")
"""Seen by the hosts alone."""
HEAD, WORKER = f"{SUBNET}.10", f"{SUBNET}.11"
SHARED = "/srv/shared"
"""The file system that all hosts share."""
STORE, RUNS = f"--store {SHARED}/store", f"--runs {SHARED}/runs"
DISK = "/var/tmp"
"""Of this machine; /tmp is another on each host, and overlays need a file system that is none."""
KERNEL = """
ip link add name bridge type bridge
ip link add name one type veth peer name other
mkdir below above work whole
mount -t overlay overlay -o lowerdir=below,upperdir=above,workdir=work whole
"""
"""What hosts need of it, tried in namespaces of its own and an empty folder."""
NEEDED = {
    "ip": "iproute2",
    "ss": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "/usr/sbin/sshd": "openssh-server",
    "ssh": "openssh-client",
    "rsync": "rsync",
    "curl": "curl",
}
"""Program: Debian package."""


def lacking() -> str | None:
    """What this machine has not that hosts need, in a few words."""
    if os.geteuid() != 0:
        return "needs root, to make hosts of namespaces"
    if not (ROOT / ".git").exists():
        return f"needs a clone of the repository, which {ROOT} is not: the client's folder is a clone of it"
    packages = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if packages:
        return f"needs the Debian packages {' '.join(packages)}"
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        tried = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-ec", KERNEL]
        done = subprocess.run(tried, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"needs a kernel with namespaces, bridges and overlays for this process ({done.stderr.strip()})"
    return None


@dataclass(frozen=True)
class Hosts:
    """A client, a head and a worker; the client's folder is the project's."""

    state: Path
    shared: Path
    """SHARED, as this machine sees it."""

    def script(self, command: str, *words: str, timeout_s: float = 120) -> str:
        call = ["bash", str(SCRIPT), command, "--state", str(self.state), *words]
        done = subprocess.run(call, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, place: str, command: str, timeout_s: float = 240) -> "subprocess.CompletedProcess[str]":
        """One line of bash there, with the project's programs on its path."""
        call = self._call(place, command)
        return subprocess.run(
            call, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        )

    def _call(self, place: str, command: str) -> list[str]:
        line = f"export PATH=$HOME/twofold/.venv/bin:$PATH OMP_NUM_THREADS=1; {command}"
        return ["bash", str(SCRIPT), "run", "--state", str(self.state), place, "bash", "-c", line]

    def must(self, place: str, command: str, timeout_s: float = 240) -> str:
        done = self.run(place, command, timeout_s)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def begun(self, place: str, command: str) -> Iterator["Begun"]:
        """One line of bash there, which goes on beside the test."""
        log = self.state / f"begun-{time.monotonic_ns()}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self._call(place, command), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        try:
            yield Begun(process, log)
        finally:
            process.kill()
            process.wait()

    def dashboard(self, path: str) -> Any:
        """What its server answers to the client, which has the token."""
        token = '-H "Authorization: Bearer $(cat ~/.ray/auth_token)"'
        return json.loads(self.must("client", f"curl -s {token} 'http://localhost:8265/api/{path}'"))

    def machines(self) -> dict[str, str]:
        """Name: address, in the order in which they were made; the client is none."""
        listed = dict(line.split()[:2] for line in self.script("list").splitlines())
        return {name: address for name, address in sorted(listed.items(), key=lambda item: item[1]) if name != "client"}

    def add_machine(self) -> tuple[str, str]:
        """One more, which stands in cluster.yaml too; its name and address."""
        name, address = self.script("add").split()
        num_workers = len(self.machines()) - 1
        self.must(
            "client",
            f"sed -i 's/\\(worker_ips: .*\\)]/\\1, {address}]/; s/_workers: .*/_workers: {num_workers}/' cluster.yaml",
        )
        return name, address

    def ray_processes(self, place: str) -> list[str]:
        """The command lines there that are Ray's."""
        lines = self.run(place, "ps -eo args --no-headers").stdout.splitlines()
        names = ("raylet", "gcs_server", "ray::", "/ray/dashboard", "/ray/autoscaler", "/ray/_private")
        return [line for line in lines if any(name in line for name in names)]


@dataclass(frozen=True)
class Begun:
    """A command under way."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def told(self) -> str:
        return self.log.read_text()

    def ends(self, timeout_s: float) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)


def until(what: Callable[[], object], wait_s: float, told: Callable[[], str] = str) -> None:
    """Return once `what` is true; `told` is shown where it never is."""
    deadline = time.monotonic() + wait_s
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.5)
