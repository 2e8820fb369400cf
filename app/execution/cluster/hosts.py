"""The machines of a cluster.yaml whose provider is `local`, from outside: checked, started, waited for, stopped.

Ray's own `ray up` starts the head, whose autoscaler starts the workers. What it leaves out is done here: it does not
say which machine has not joined, takes in no machine that is added later, and `ray down` stops the head alone.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.console import say
from app.data import files
from app.data.regular import check_regular
from app.errors import ResourceError, UsageError
from app.execution.cluster.submit import token_file

PLACEHOLDERS = ("HEAD_ADDRESS", "WORKER_1_ADDRESS", "WORKER_2_ADDRESS", "SSH_USER")
SSH_OPTIONS = (
    *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"),
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),  # as Ray's
)
SSH_TIMEOUT_S = 60.0
SETUP_TIMEOUT_S = 3600.0
"""Assumed: a first `make setup` loads some gigabytes."""
JOIN_TIMEOUT_S = 90.0
"""How long the autoscaler may take for a machine on which all is set up (seen: 20 s) before it is started from here."""
POLL_S = 3.0
CHECKS = {
    "rsync": "command -v rsync",
    "make": "command -v make",
    "pgrep (package procps)": "command -v pgrep",
    "Python 3.11 or newer": "python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || command -v python3.11",
}
"""What a machine must have, and the command that tells."""
RAY_RUNS = "pgrep -x raylet"
RAYLETS = "pgrep -x -a raylet"
"""Ray's process on a machine that makes it part of a cluster, with its flags."""
NODE_ID = re.compile(r"--node_id=([0-9a-f]+)")
OTHER_VERSIONS = "Version mismatch:"
"""How `ray start` begins its lines when Ray or Python has another version than on the head."""


@dataclass(frozen=True)
class HostsFile:
    """A cluster.yaml, as far as the machines go."""

    path: str
    head: str
    workers: tuple[str, ...]
    user: str
    key: str
    mounts: dict[str, str]
    setup: tuple[str, ...]
    start_worker: tuple[str, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        return (self.head, *self.workers)


def read_hosts_file(path: str) -> HostsFile:
    """Raises:
    UsageError: it is no such file, names placeholders, or its numbers do not fit its machines.
    """
    import yaml

    try:
        found: Any = yaml.safe_load(Path(check_regular(path)).read_text())
        provider, auth = found["provider"], found["auth"]
        if provider["type"] != "local":
            raise UsageError(f"{path}: its provider is {provider['type']}, expected local; `ray up {path}` starts it")
        hosts = HostsFile(
            path=path,
            head=str(provider["head_ip"]),
            workers=tuple(map(str, provider["worker_ips"])),
            user=str(auth["ssh_user"]),
            key=os.path.expanduser(auth["ssh_private_key"]),
            mounts=dict(found["file_mounts"]),
            setup=tuple(found["setup_commands"]),
            start_worker=tuple(found["worker_start_ray_commands"]),
        )
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; expected a cluster.yaml as it lies at the top") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    except KeyError as error:
        raise UsageError(f"{path}: no {error.args[0]!r}, expected all that cluster.yaml at the top has") from error
    except TypeError as error:
        raise UsageError(f"{path}: a part is not a table or list where cluster.yaml at the top has one") from error
    left = [word for word in PLACEHOLDERS if word in (*hosts.hosts, hosts.user)]
    if left:
        raise UsageError(f"{path}: fill in {', '.join(left)}")
    if len(set(hosts.hosts)) < len(hosts.hosts):
        raise UsageError(f"{path}: the same address twice among {', '.join(hosts.hosts)}")
    sizes = {found.get("min_workers"), found.get("max_workers")}
    if sizes != {len(hosts.workers)}:
        raise UsageError(
            f"{path}: min_workers and max_workers are {found.get('min_workers')} and {found.get('max_workers')}, "
            f"expected {len(hosts.workers)} each: the addresses in worker_ips"
        )
    return hosts


def up(hosts: HostsFile, restart: bool) -> None:
    """Return once every machine has joined. Where Ray runs on the head already, it is left alone unless `restart`.

    Raises:
        ResourceError: a machine lacks something, or has not joined.
    """
    make_token()
    check_hosts(hosts)
    runs = _ssh(hosts, hosts.head, RAY_RUNS).returncode == 0
    if runs and restart:
        say(f"{hosts.head}: Ray is restarted; its running jobs and its list of jobs end here")
    elif runs:
        say(f"{hosts.head}: Ray runs already and is left alone; changed files are sent (--restart restarts it)")
    say(f"{hosts.head}: setting up; the first time on a machine takes minutes")
    _ray(hosts, "up", "--yes", *(["--no-restart"] if runs and not restart else []))
    _wait_for_all(hosts, 0.0 if runs and not restart else JOIN_TIMEOUT_S)
    say(f"{len(hosts.hosts)} of {len(hosts.hosts)} machines have joined: {', '.join(hosts.hosts)}")


def down(hosts: HostsFile) -> None:
    """Stop Ray on every machine.

    Raises:
        ResourceError: it still runs on one, or one does not answer.
    """
    _each(hosts.hosts, lambda host: _ssh(hosts, host, "ray stop --grace-period 20 >/dev/null 2>&1"))
    left = _each(hosts.hosts, lambda host: _ssh(hosts, host, f"! {RAY_RUNS} && ! pgrep -x gcs_server"))
    problems = [f"{host}: {_reason(done, 'Ray still runs')}" for host, done in left.items() if done.returncode]
    if problems:
        raise ResourceError("; ".join(problems))
    say(f"Ray is stopped on {', '.join(hosts.hosts)}")


def status(hosts: HostsFile) -> None:
    """Raises:
    ResourceError: the head does not answer, or a machine has not joined.
    """
    absent = _absent(hosts)
    for host in hosts.hosts:
        how = f"NOT joined: {absent[host]}" if host in absent else "joined"
        say(f"{host}: {how}{' (head)' if host == hosts.head else ''}")
    if absent:
        raise ResourceError(f"{', '.join(absent)} not in the cluster: `make cluster-up` takes in what is missing")


def make_token() -> None:
    """The secret that every machine of the cluster and its users share, made where there is none yet."""
    path = token_file()
    if not path.exists():
        subprocess.run([_ray_program(), "get-auth-token", "--generate"], check=True, capture_output=True)
        say(f"a token was made: {path}; whoever has it can run code on the cluster")
    path.chmod(0o600)  # Ray leaves it to the umask, and the machines get it with these rights


def check_hosts(hosts: HostsFile) -> None:
    """Raises ResourceError with a reason for each machine that cannot be reached or lacks a program."""
    script = "; ".join(f"({test}) >/dev/null 2>&1 || echo {shlex.quote(name)}" for name, test in CHECKS.items())
    found = _each(hosts.hosts, lambda host: _ssh(hosts, host, script))
    problems = []
    for host, done in found.items():
        lacking = done.stdout.split("\n")[:-1]
        if done.returncode:
            problems.append(f"{host}: {_reason(done, 'no answer by ssh')} (ssh as {hosts.user} with {hosts.key})")
        elif lacking:
            problems.append(f"{host}: lacks {', '.join(lacking)}; install it there")
    if problems:
        raise ResourceError("; ".join(problems))


def _wait_for_all(hosts: HostsFile, timeout_s: float) -> None:
    began_s, missing = time.monotonic(), list(hosts.workers)
    while True:
        absent = _absent(hosts)
        for host in [host for host in missing if host not in absent]:
            say(f"{host}: joined after {time.monotonic() - began_s:.0f} s")
            missing.remove(host)
        if not missing:
            return
        if time.monotonic() - began_s > timeout_s:
            break
        time.sleep(POLL_S)
    for host in missing:
        say(f"{host}: not started by the head; it is set up and started from here")
    failed = _each(missing, lambda host: _join(hosts, host))
    absent = _absent(hosts)
    problems = [f"{host}: {_reason(failed[host], absent[host])}" for host in missing if host in absent]
    if problems:
        raise ResourceError("; ".join(problems))


def _join(hosts: HostsFile, host: str) -> "subprocess.CompletedProcess[str]":
    """What the autoscaler does for a machine that it knows: files, set-up, start."""
    ssh = shlex.join(["ssh", "-i", hosts.key, *SSH_OPTIONS])
    for target, source in hosts.mounts.items():
        source = os.path.expanduser(source)
        slash = "/" if os.path.isdir(source) else ""
        target = target.removeprefix("~/")
        place = f"{hosts.user}@{host}:{target}{slash}"
        made = _ssh(hosts, host, f"mkdir -p {shlex.quote(os.path.dirname(target) or '.')}")
        sent = _run(["rsync", "-az", "--exclude", "__pycache__", "-e", ssh, f"{source}{slash}", place], SSH_TIMEOUT_S)
        if made.returncode or sent.returncode:
            return made if made.returncode else sent
    for command in (*hosts.setup, *(f"export RAY_HEAD_IP={hosts.head}; {c}" for c in hosts.start_worker)):
        done = _ssh(hosts, host, command, SETUP_TIMEOUT_S)
        if done.returncode:
            return done
    time.sleep(POLL_S)
    return done


def _absent(hosts: HostsFile) -> dict[str, str]:
    """Why each machine that is missing is not in the cluster. It is there when its own Ray runs and the head knows this
    Ray: the head's list alone has machines on it whose Ray ended a minute ago."""
    alive = _alive(hosts)
    asked = _each(hosts.hosts, lambda host: _ssh(hosts, host, RAYLETS))
    found: dict[str, str] = {}
    for host, done in asked.items():
        ids = set(NODE_ID.findall(done.stdout))
        if not ids:
            found[host] = _reason(done, "Ray does not run there")
        elif not ids & alive:
            found[host] = f"Ray runs there, but not in the cluster of {hosts.head}"
    return found


def _alive(hosts: HostsFile) -> set[str]:
    """Ids of the nodes that the head has not given up."""
    done = _ssh(hosts, hosts.head, "ray list nodes --format json --limit 10000")
    try:
        nodes = json.loads(done.stdout[done.stdout.index("[") :])
    except ValueError as error:
        raise ResourceError(f"{hosts.head}: {_reason(done, 'no list of nodes')}; Ray does not run there") from error
    return {node["node_id"] for node in nodes if node["state"] == "ALIVE"}


def _ray(hosts: HostsFile, command: str, *flags: str) -> None:
    """Run one of Ray's commands on the file; what it prints is kept, and shown where it fails."""
    log = Path(hosts.path).with_suffix(f".{command}.log")
    done = _run([_ray_program(), command, *flags, hosts.path], SETUP_TIMEOUT_S)
    files.write_bytes_atomic(str(log), (done.stdout + done.stderr).encode())
    if done.returncode:
        raise ResourceError(f"ray {command}: {_reason(done, 'failed')}; all that it printed is in {log}")


def _ray_program() -> str:
    return str(Path(sys.executable).with_name("ray"))


def _ssh(
    hosts: HostsFile, host: str, command: str, timeout_s: float = SSH_TIMEOUT_S
) -> "subprocess.CompletedProcess[str]":
    return _run(["ssh", "-i", hosts.key, *SSH_OPTIONS, f"{hosts.user}@{host}", command], timeout_s)


def _run(command: Sequence[str], timeout_s: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 255, "", f"no end after {timeout_s:.0f} s")
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"no program {command[0]} on this machine; install it")


def _each(hosts: Sequence[str], do: Callable[[str], Any]) -> dict[str, Any]:
    with ThreadPoolExecutor(max_workers=32) as pool:
        return dict(zip(hosts, pool.map(do, hosts), strict=True))


def _reason(done: "subprocess.CompletedProcess[str]", otherwise: str) -> str:
    """The last line of what a command said of its failure, or from where it speaks of versions."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if OTHER_VERSIONS in line), len(lines) - 1)
    return " ".join(lines[first:]) if lines else otherwise
